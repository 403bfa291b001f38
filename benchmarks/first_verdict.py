"""From an empty folder to a verdict: `python -m benchmarks.first_verdict`.

Builds the wheel, installs it with the extra duckdb into an empty environment, makes a project with `dbt init`, and puts
it under the dye, with no service running. Prints each command with its seconds of wall time. benchmarks.adoption puts
the same into docs/adoption.md.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_UV = str(Path(sys.executable).with_name("uv"))
_PROFILES = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, threads: 2}\n"
FROM = "angiogram init --yes"
"""The command from which the time to the verdict counts."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what came of it.

    Attributes:
        command: as it is typed.
        seconds: of wall time.
        said: the last line that it printed.
    """

    command: str
    seconds: float
    said: str


def steps(home: Path) -> Iterator[Step]:
    """Yield the steps, each when it is done.

    Args:
        home: an empty folder.

    Raises:
        RuntimeError: a command failed.
    """
    place = home / "environment" / "bin"
    apart = ("DBT_", "PG", "KAFKA", "PYTHON", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(apart)}
    environment |= {"PATH": f"{place}:{environment.get('PATH', '')}", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}

    def run(command: list[str], folder: Path = home) -> Step:
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603  # the commands of this module
            command, cwd=folder, env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        lines = done.stdout.strip().splitlines() or [""]
        return Step(" ".join(Path(part).name for part in command), time.monotonic() - began, lines[-1].strip())

    run([_UV, "venv", "--quiet", "--python", sys.executable, str(place.parent)])
    wheel = built_wheel(home)
    pinned = ["--constraint", str(ROOT / "requirements.txt"), "--python", str(place / "python")]
    began = time.monotonic()
    run([_UV, "pip", "install", "--quiet", *pinned, f"{wheel}[duckdb]"])
    yield Step(f'uv pip install "{wheel.name}[duckdb]"', time.monotonic() - began, "")
    yield run([str(place / "dbt"), "init", "shop", "--skip-profile-setup"])
    shop = home / "shop"
    (shop / "profiles.yml").write_text(_PROFILES, encoding="utf-8")
    yield run([str(place / "dbt"), "run", "--quiet"], shop)
    for command in (FROM, "angiogram accept --all --yes", "angiogram run --from-seeds"):
        program, *rest = command.split()
        yield run([str(place / program), *rest], shop)


def built_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout and return its file.

    What earlier builds left in the checkout does not get into it.

    Args:
        folder: where it goes.
    """
    source = folder / "source"
    for name in ("angiogram", "dbt_package", "ingestion", "sandbox", "taxi"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [_UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(source)]
    subprocess.run(build, cwd=folder, check=True)  # noqa: S603  # the project's own sources
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def table(found: list[Step]) -> list[str]:
    """Return the lines of a table in Markdown, with the time from init to the verdict below it."""
    lines = ["| command | wall time |", "|---|---:|"]
    lines += [f"| `{step.command}` | {step.seconds:.1f} s |" for step in found]
    first = next(number for number, step in enumerate(found) if step.command == FROM)
    total = sum(step.seconds for step in found[first:])
    return [*lines, "", f"From `{FROM}` to the verdict: {total:.1f} s. It said:", "", f"    {found[-1].said}"]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as home:
        print("\n".join(table(list(steps(Path(home))))))


if __name__ == "__main__":
    main()
