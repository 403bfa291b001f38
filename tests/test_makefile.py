"""The verbs that must work where little else does: before the installation, and after the checkout was moved."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


def make(folder: Path, *verbs: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run make in a folder, outside of the make that may run the tests."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *verbs], cwd=folder, env={**outside, **environment}, capture_output=True, text=True, check=False
    )


def test_make_alone_lists_the_verbs_with_the_programs_of_a_base_system(tmp_path: Path) -> None:
    for program in ("sh", "make", "awk", "grep", "sed"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    done = make(MAKEFILE.parent, PATH=str(tmp_path))
    [verbs] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), re.MULTILINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.splitlines()] == verbs.split()


@pytest.mark.parametrize("moved", [False, True], ids=["nothing was started", "the checkout was moved"])
def test_clean_deletes_also_where_there_is_nothing_to_stop(tmp_path: Path, moved: bool) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    command = tmp_path / ".venv" / "bin" / "sandbox"
    command.parent.mkdir(parents=True)
    if moved:
        command.write_text("#!/former/place/.venv/bin/python\n")
        command.chmod(0o755)
    else:
        command.symlink_to(Path(sys.executable).with_name("sandbox"))
    (tmp_path / "site").mkdir()
    done = make(tmp_path, "clean", SANDBOX_DIR=str(tmp_path / ".sandbox"))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


BENCHMARKS = sorted(path.stem for path in (MAKEFILE.parent / "benchmarks").glob("*.py") if path.stem != "__init__")


def test_every_benchmark_finds_what_it_imports() -> None:
    """They run for hours, so nobody runs them all to see that a name has moved."""
    code = "import importlib, sys; [importlib.import_module(f'benchmarks.{name}') for name in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-c", code, *BENCHMARKS], cwd=MAKEFILE.parent, capture_output=True, text=True, check=False
    )
    assert len(BENCHMARKS) > 10
    assert (done.returncode, done.stderr) == (0, "")
