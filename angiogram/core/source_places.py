"""The file and line of an error from dbt, as far as dbt reports them."""

import re
from pathlib import Path
from typing import NamedTuple

_JINJA_LINE = re.compile(r"^ +line (\d+)$", re.MULTILINE)
"""How dbt reports the line of a template that Jinja cannot read."""

_YAML_LINE = re.compile(r"(?:Syntax error near line|in \"<unicode string>\", line) (\d+)")

_SQL_LINE = re.compile(r"^ *LINE \d+: (.*)$", re.MULTILINE)
"""How PostgreSQL reports the line of a statement, with its text. The number refers to compiled SQL."""

_IN_MACRO = re.compile(r"in macro \w+ \(")


class SourcePlace(NamedTuple):
    """A position in a dbt project. The line counts from 1 and may be unknown."""

    file: str | None = None
    line: int | None = None


NOWHERE = SourcePlace()
"""An unknown place."""


def place_of(directory: Path, file: str | None, message: str | None) -> SourcePlace:
    """Return the position of an error that dbt reports for a file.

    Args:
        directory: the project's folder.
        file: the file, relative to the folder; None if unknown.
        message: the message from dbt.
    """
    if file is None or not message or _IN_MACRO.search(message):
        return SourcePlace(file, None)
    if told := _JINJA_LINE.search(message) or _YAML_LINE.search(message):
        return SourcePlace(file, int(told.group(1)))
    if told := _SQL_LINE.search(message):
        return SourcePlace(file, _line_with(directory / file, told.group(1)))
    return SourcePlace(file, None)


def place_of_name(directory: Path, file: str, name: str) -> SourcePlace:
    """Return where a YAML file describes something by its name.

    Args:
        directory: the project's folder.
        file: the file, relative to the folder.
        name: the name, such as a model's.
    """
    try:
        lines = (directory / file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return SourcePlace(file, None)
    told = re.compile(rf"\bname:\s*['\"]?{re.escape(name)}['\"]?\s*(?:[,}}#]|$)")
    return SourcePlace(file, next((number for number, line in enumerate(lines, 1) if told.search(line)), None))


def _line_with(path: Path, excerpt: str) -> int | None:
    """Return the only line of a file that contains a text, or None if several or none do.

    PostgreSQL puts dots where it cuts a long line.
    """
    wanted = excerpt.strip().removeprefix("...").removesuffix("...").strip()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = [number for number, line in enumerate(lines, 1) if wanted and wanted in line]
    return found[0] if len(found) == 1 else None
