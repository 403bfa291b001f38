"""A docstring begins with one short sentence, which a list of functions can show."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("angiogram", "benchmarks", "dags", "ingestion", "plugins", "sandbox", "scripts", "taxi")
LONGEST = 89


def first_lines(folder: Path) -> Iterator[tuple[str, str]]:
    """The place and the first line of each docstring below a folder."""
    scripts = [file for file in folder.iterdir() if file.is_file() and not file.suffix and _is_python(file)]
    for file in sorted([*folder.rglob("*.py"), *scripts]):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if text := ast.get_docstring(node):
                line = getattr(node, "lineno", 1)
                yield f"{file.relative_to(ROOT)}:{line}", text.splitlines()[0]


def _is_python(file: Path) -> bool:
    return "python" in file.read_text(encoding="utf-8").partition("\n")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_first_line_of_a_docstring_is_short(folder: str) -> None:
    found = list(first_lines(ROOT / folder))
    assert found
    assert [place for place, line in found if len(line) > LONGEST] == []
