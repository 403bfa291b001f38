"""Expected seeds: typed rows to the CSV that dbt loads, and back to the question whether the stored ones still hold."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from angiogram.expectation.tables import COLUMNS, Row, Value

CARRIAGE_RETURN = "<CR>"
"""How the seeds write a carriage return: dbt reads a real one as a line feed."""


def seed_name(model: str) -> str:
    """File name of a model's expected seed."""
    return f"expected__{model}.csv"


def seed_value(value: Value) -> str:
    """A value as dbt's seed loader and PostgreSQL read it; null is the empty field."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(abs(value) if value == 0 else value, "f")  # PostgreSQL knows no negative zero
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        case date():
            return value.isoformat()
        case _:
            return str(value).replace("\r", CARRIAGE_RETURN)


def seed_text(model: str, rows: list[Row]) -> str:
    """The expected seed of a model."""
    columns = COLUMNS[model]
    lines = [columns, *([seed_value(row[column]) for column in columns] for row in rows)]
    return "".join(csv_line(line) for line in lines)


def csv_line(fields: Iterable[str], delimiter: str = ",") -> str:
    """A line of a seed."""
    return delimiter.join(_quoted(field, delimiter) for field in fields) + "\n"


def _quoted(field: str, delimiter: str) -> str:
    # Python's own writer leaves a lone CR unquoted if lines end in LF, and then cannot read it back.
    return '"' + field.replace('"', '""') + '"' if any(sign in field for sign in f'{delimiter}"\r\n') else field


def write_expected(folder: Path, tables: Mapping[str, list[Row]]) -> None:
    """Write the expected seed of every model into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for model, rows in tables.items():
        (folder / seed_name(model)).write_text(seed_text(model, rows), encoding="utf-8", newline="")


def differing_files(folder: Path, tables: Mapping[str, list[Row]]) -> list[Path]:
    """Files in `folder` that are not what `write_expected` would write: changed, absent, or of no model."""
    expected = {folder / seed_name(model): seed_text(model, rows).encode() for model, rows in tables.items()}
    stored = {path: path.read_bytes() for path in folder.glob("*.csv")}
    return sorted(path for path in expected.keys() | stored.keys() if expected.get(path) != stored.get(path))
