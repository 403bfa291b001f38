"""The environment is read in settings alone, so that what a process was told is known in one place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY = {
    "angiogram/dbt/command.py": "hides DBT_ variables from dbt, which reads the environment itself",
    "angiogram/dbt/live_target.py": "gives dbt a placeholder for secrets, where no server is asked",
    "angiogram/faults/place.py": "gives dbt's profile a database of the faults' own",
    "ingestion/settings/base.py": "is settings",
}


def test_only_settings_read_the_environment() -> None:
    found = set()
    for package in ("angiogram", "ingestion"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                    found.add(str(file.relative_to(ROOT)))
    assert found == set(MAY), "read it in a settings class, and pass on what it says"


@pytest.mark.parametrize("file", MAY)
def test_what_may_read_it_is_there(file: str) -> None:
    assert (ROOT / file).is_file()
