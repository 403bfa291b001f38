"""The rooms of the code: small packages, in which every import points down."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    {
        file.parent
        for name in ("angiogram", "ingestion", "sandbox", "taxi")
        for file in (ROOT / name).rglob("__init__.py")
    }
)
MOST_MODULES = 12
MOST_LINES = 400


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_a_package_has_few_modules_and_says_what_it_is_for(package: Path) -> None:
    modules = sorted(file.name for file in package.glob("*.py") if file.name != "__init__.py")
    assert len(modules) <= MOST_MODULES, modules
    assert (package / "__init__.py").read_text(encoding="utf-8").startswith('"""')


@pytest.mark.parametrize("folder", ["angiogram", "dags", "ingestion", "plugins", "sandbox", "taxi"])
def test_no_module_is_longer_than_a_reader_keeps_in_mind(folder: str) -> None:
    files = {str(file.relative_to(ROOT)): file for file in (ROOT / folder).rglob("*.py")}
    assert files
    lines = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in files.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}, "split it by job"


def test_the_page_on_rooms_is_what_the_imports_are() -> None:
    """If this fails: `make rooms`, and look at what changed before you commit it."""
    done = subprocess.run([sys.executable, ROOT / "scripts" / "rooms", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("package", ["angiogram", "ingestion", "sandbox", "taxi"])
def test_there_are_at_most_ten_floors(package: str) -> None:
    page = (ROOT / "docs" / "rooms.md").read_text(encoding="utf-8")
    part = page.split(f"## {package}\n")[1].split("\n## ")[0]
    floors = [int(line.split("|")[1]) for line in part.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert 1 < max(floors) <= 10


def test_a_room_names_what_it_imports() -> None:
    """The paragraph of a room that names single rooms after "May import:" leaves none of them out."""
    page = (ROOT / "docs" / "rooms.md").read_text(encoding="utf-8")
    left_out = {}
    for package in ("angiogram", "ingestion"):
        part = page.split(f"## {package}\n")[1].split("\n## ")[0]
        for _, _, room, _, _, imports, _ in (row.split("|") for row in part.splitlines() if re.match(r"\| \d", row)):
            file = ROOT / package / room.strip() / "__init__.py"
            told = re.search(r"May import:([^.]*)\.", file.read_text(encoding="utf-8") if file.exists() else "")
            if told and not re.search(r"\broom\b", told[1]):
                named = set(re.findall(r"\w+", told[1]))
                left_out[f"{package}.{room.strip()}"] = set(imports.strip(" -").split(", ")) - named - {""}
    assert len(left_out) > 10
    assert {room: names for room, names in left_out.items() if names} == {}


@pytest.mark.parametrize("builder", ["stage_row", "node_stages", "conclude", "build_findings"])
def test_one_module_puts_stages_and_report_together(builder: str) -> None:
    """A live run and a run from the seeds are judged and reported in one way."""
    callers = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "angiogram").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == builder
    }
    assert callers == {"angiogram/judge/verdict.py"}


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Check the imports of the packages in a folder, as `make lint` does."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_points_down() -> None:
    """As `make lint` asks: whoever runs the tests alone sees it too."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def test_an_import_of_the_sandbox_into_what_runs_pipelines_is_refused(tmp_path: Path) -> None:
    """An installation for a run has no sandbox's servers."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    packages = ("angiogram", "ingestion", "taxi")
    for name in (*packages, "sandbox"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in packages:
        (tmp_path / name / "contract_of_the_imports.py").write_text("import sandbox.ports\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout
    for name in packages:
        assert f"{name} is not allowed to import sandbox" in done.stdout
