"""What a model made, as the text of an expected seed: what stays the same keeps the words that the seed had for it."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Any

from psycopg2 import extensions, sql
from psycopg2.extensions import connection

from angiogram.expectation.seeds import CARRIAGE_RETURN, csv_line, seed_value
from angiogram.project import Node

_READ_AS_NULL = ("", "null")
"""Texts that dbt reads from a seed as null."""

_READ_BY_PYTHON = frozenset(
    oid
    for kind in (
        *(extensions.BOOLEAN, extensions.INTEGER, extensions.LONGINTEGER, extensions.FLOAT, extensions.DECIMAL),
        *(extensions.UNICODE, extensions.PYDATE, extensions.PYDATETIME, extensions.PYDATETIMETZ),
    )
    for oid in kind.values
)
"""Types whose values Python writes as PostgreSQL reads them; of others, as arrays and json, a seed has its text."""


@dataclass(frozen=True, slots=True)
class Output:
    """The rows of a model's table that are compared, without the columns that differ from run to run.

    Attributes:
        columns: names, in the table's order.
        key: the columns that tell the rows apart.
        rows: cells by column.
    """

    columns: list[str]
    key: list[str]
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, database: connection, node: Node) -> "Output":
        """Read a model's table.

        Args:
            database: as role angiogram, in autocommit.
            node: the model, built.
        """
        with database.cursor() as query:
            relation = sql.SQL(node.relation)  # dbt quotes its names already
            query.execute(sql.SQL("select * from {} limit 0").format(relation))
            names = [column.name for column in query.description or ()]
            cells = (
                sql.SQL("{}" if column.type_code in _READ_BY_PYTHON else "{}::text").format(sql.Identifier(column.name))
                for column in query.description or ()
            )
            compared = sql.SQL("select {} from {} where\n{}\n").format(
                sql.SQL(", ").join(cells), relation, sql.SQL(node.where or "true")
            )
            query.execute(compared)
            rows = [dict(zip(names, row, strict=True)) for row in query.fetchall()]
        return cls([name for name in names if name not in node.excluded], node.key, rows)

    def unwritable(self, hooks: Sequence[str] = ()) -> str | None:
        """Why a seed cannot hold these rows; None if one can.

        Args:
            hooks: what dbt runs after it has loaded the seed.
        """
        restored = "\n".join(hook for hook in hooks if CARRIAGE_RETURN in hook)
        for row in self.rows:
            for name in self.columns:
                cell = row[name]
                if not isinstance(cell, str):
                    continue
                if cell.strip().lower() in _READ_AS_NULL:
                    return f"{self._place(row, name)} is the text {cell!r}, which dbt reads from a seed as null"
                if "\r" in cell and name not in restored:
                    return (
                        f"{self._place(row, name)} has a carriage return, which dbt reads from a seed as a line feed. "
                        f"Give the seed a post-hook that puts one in the place of {CARRIAGE_RETURN} in {name}"
                    )
        return None

    def columns_beyond(self, stored: str) -> list[str]:
        """The columns that a stored seed does not have."""
        header = next(_lines(stored), [])
        return [name for name in self.columns if name not in header]

    def told(self, column: str) -> list[str]:
        """The cells of a column in words, each with the key of its row."""
        keys = (", ".join(f"{name} {_text(row[name])}" for name in self.key) for row in self.rows)
        return [f"{key}: {_text(row[column]) or 'nothing'}" for key, row in zip(keys, self.rows, strict=True)]

    def as_seed(self, stored: str) -> str:
        """The seed's new text: columns, rows and cells of the stored one stay in order and words; new ones follow.

        Args:
            stored: the seed's text as it is.
        """
        lines = _lines(stored)
        header = next(lines, [])
        rows_before = [dict(zip(header, line, strict=True)) for line in lines]
        before = {self._name(row): (place, row) for place, row in enumerate(rows_before)}
        columns = [name for name in header if name in self.columns] + self.columns_beyond(stored)
        placed = []
        for row in self.rows:
            name = tuple(_text(row[column]) for column in self.key)
            place, old = before.get(name, (len(before), {}))
            placed.append((place, name, [_kept(old.get(column), row[column]) for column in columns]))
        return "".join(csv_line(line) for line in (columns, *(cells for _, _, cells in sorted(placed))))

    def _place(self, row: dict[str, Any], column: str) -> str:
        return f"{column} of {', '.join(f'{name} {row[name]}' for name in self.key)}"

    def _name(self, row: dict[str, str]) -> tuple[str, ...]:
        return tuple(row.get(column, "") for column in self.key)


def _lines(text: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""))


def _text(cell: Any) -> str:
    return cell.isoformat() if isinstance(cell, datetime) and cell.tzinfo is None else seed_value(cell)


def _kept(before: str | None, cell: Any) -> str:
    """The words that the seed had for a cell if they still say the same; else the usual ones."""
    return before if before is not None and _says(before, cell) else _text(cell)


def _says(text: str, cell: Any) -> bool:
    try:
        match cell:
            case None:
                return text.strip().lower() in _READ_AS_NULL
            case bool():
                return text.strip().lower() == str(cell).lower()
            case Decimal():
                return Decimal(text) == cell
            case datetime():
                told = datetime.fromisoformat(text)
                return (told if told.tzinfo or cell.tzinfo is None else told.replace(tzinfo=UTC)) == cell
            case date():
                return date.fromisoformat(text) == cell
            case _:
                return text == str(cell)
    except (ValueError, InvalidOperation):
        return False
