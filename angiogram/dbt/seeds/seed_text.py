"""Formats typed rows as CSV for dbt, and checks that stored expected seeds are current."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from angiogram.dbt.seeds.dye_seeds import expected_name

Value = str | int | bool | Decimal | datetime | date | None
"""A cell."""

Row = dict[str, Value]
"""A row of a table: its cells by column."""

CARRIAGE_RETURN = "<CR>"
"""How seeds write a carriage return, since dbt reads a real one as a line feed."""


def seed_name(model: str) -> str:
    """Return the file name of a model's expected seed."""
    return f"{expected_name(model)}.csv"


def seed_value(value: Value) -> str:
    """Format a value as dbt's seed loader and PostgreSQL read it. Null is the empty field."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(abs(value) if value == 0 else value, "f")  # PostgreSQL has no negative zero
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        case date():
            return value.isoformat()
        case _:
            return str(value).replace("\r", CARRIAGE_RETURN)


def seed_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Return the text of a seed with these columns and rows."""
    lines = [columns, *([seed_value(row[column]) for column in columns] for row in rows)]
    return "".join(csv_line(line) for line in lines)


def is_empty(file: Path) -> bool:
    """Return whether a seed's file has no line with the names of columns."""
    try:
        return not file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return False


def csv_line(fields: Iterable[str], delimiter: str = ",") -> str:
    """Return a line of a seed."""
    return delimiter.join(_quoted(field, delimiter) for field in fields) + "\n"


def _quoted(field: str, delimiter: str) -> str:
    # Python's own writer leaves a lone CR unquoted if lines end in LF, and then cannot read it back.
    return '"' + field.replace('"', '""') + '"' if any(sign in field for sign in f'{delimiter}"\r\n') else field


def expected_seeds(columns: Mapping[str, Sequence[str]], tables: Mapping[str, Iterable[Row]]) -> dict[str, bytes]:
    """Return the expected seed of every table: contents by file name."""
    return {seed_name(name): seed_text(columns[name], rows).encode() for name, rows in tables.items()}


def write_expected(folder: Path, seeds: Mapping[str, bytes]) -> None:
    """Write expected seeds into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


def differing_files(folder: Path, seeds: Mapping[str, bytes]) -> list[Path]:
    """Return the files in `folder` that differ from what `write_expected` would write.

    These are files that are changed, missing, or belong to no table.
    """
    expected = {folder / name: content for name, content in seeds.items()}
    stored = {path: path.read_bytes() for path in folder.glob("*.csv")}
    return sorted(path for path in expected.keys() | stored.keys() if expected.get(path) != stored.get(path))
