"""Formats a model's output as the text of an expected seed.

Cells that did not change keep the text that the seed had for them.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Any

from psycopg2 import sql

from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.seeds.seed_text import CARRIAGE_RETURN, csv_line, seed_value
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse

_READ_AS_NULL = ("", "null")
"""Seed texts that dbt reads as null."""


@dataclass(frozen=True, slots=True)
class SeedForm:
    """How dbt reads the file of a seed.

    Attributes:
        delimiter: between two fields.
        quotes: whether dbt quotes the column names; PostgreSQL folds unquoted names to lower case.
    """

    delimiter: str = ","
    quotes: bool = True

    @classmethod
    def of(cls, seed: Any) -> "SeedForm":
        """Return the form of a seed of the manifest."""
        return cls(seed.config.delimiter or ",", seed.config.quote_columns is not False)

    def lines(self, text: str) -> Iterator[list[str]]:
        """Yield the fields of each line, starting with the header."""
        return csv.reader(StringIO(text, newline=""), delimiter=self.delimiter)

    def columns(self, header: Sequence[str]) -> list[str]:
        """Return the columns that the header's fields name."""
        return list(header) if self.quotes else [name.lower() for name in header]


USUAL = SeedForm()


@dataclass(frozen=True, slots=True)
class Output:
    """The rows of a model's table that are compared.

    Columns that differ from run to run are left out.

    Attributes:
        columns: names, in the table's order.
        key: the columns that identify the rows.
        rows: cells by column.
    """

    columns: list[str]
    key: list[str]
    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, database: Warehouse, node: Node) -> "Output":
        """Read a model's table.

        Args:
            database: as role angiogram, in autocommit.
            node: the model, built.
        """
        with database.cursor() as query:
            relation = sql.SQL(node.relation)  # dbt has quoted its names already
            query.execute(sql.SQL("select * from {} limit 0").format(relation))
            names = [column.name for column in query.description or ()]
            engine = engine_of(query)
            cells = (
                sql.SQL("{}" if engine.is_read_by_python(column) else "{}::text").format(sql.Identifier(column.name))
                for column in query.description or ()
            )
            compared = sql.SQL("select {} from {} where\n{}\n").format(
                sql.SQL(", ").join(cells), relation, sql.SQL(node.where or "true")
            )
            query.execute(compared)
            rows = [dict(zip(names, row, strict=True)) for row in query.fetchall()]
        return cls([name for name in names if name not in node.excluded], node.key, rows)

    def unwritable(self, hooks: Sequence[str] = ()) -> str | None:
        """Return why a seed cannot hold these rows, or None if it can.

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

    def columns_beyond(self, stored: str, form: SeedForm = USUAL) -> list[str]:
        """Return the columns that a stored seed does not have."""
        header = form.columns(next(form.lines(stored), []))
        return [name for name in self.columns if name not in header]

    def told(self, column: str) -> list[str]:
        """Return the cells of a column in words, each with the key of its row."""
        keys = (", ".join(f"{name} {_text(row[name])}" for name in self.key) for row in self.rows)
        return [f"{key}: {_text(row[column]) or 'nothing'}" for key, row in zip(keys, self.rows, strict=True)]

    def as_seed(self, stored: str, form: SeedForm = USUAL) -> str:
        """Return the seed's new text.

        Columns, rows and cells of the stored seed keep their order and text; new ones follow.

        Args:
            stored: the current text of the seed.
            form: how dbt reads it.
        """
        lines = form.lines(stored)
        words = next(lines, [])
        header = form.columns(words)
        # dbt reads the missing fields of a short line as null, and a blank line as a row of nulls.
        rows_before = [dict(zip(header, line + [""] * (len(header) - len(line)), strict=True)) for line in lines]
        before = {self._name(row): (place, row) for place, row in enumerate(rows_before)}
        beyond = self.columns_beyond(stored, form)
        columns = [name for name in header if name in self.columns] + beyond
        decimals = {name: max((_decimals(row[name]) for row in rows_before), default=0) for name in header}
        placed = []
        for row in self.rows:
            name = tuple(_text(row[column]) for column in self.key)
            place, old = before.get(name, (len(before), {}))
            cells = [_kept(old.get(column), _shortened(row[column], decimals.get(column))) for column in columns]
            placed.append((place, name, cells))
        titles = [word for word, name in zip(words, header, strict=True) if name in self.columns] + beyond
        table = (titles, *(cells for _, _, cells in sorted(placed)))
        return "".join(csv_line(line, form.delimiter) for line in table)

    def _place(self, row: dict[str, Any], column: str) -> str:
        return f"{column} of {', '.join(f'{name} {row[name]}' for name in self.key)}"

    def _name(self, row: dict[str, str]) -> tuple[str, ...]:
        return tuple(row.get(column, "") for column in self.key)


def _text(cell: Any) -> str:
    return cell.isoformat() if isinstance(cell, datetime) and cell.tzinfo is None else seed_value(cell)


def _kept(before: str | None, cell: Any) -> str:
    """Return the seed's text for a cell if it still means the same, else the standard text."""
    return before if before is not None and _says(before, cell) else _text(cell)


def _decimals(text: str) -> int:
    """Return the number of digits after a number's decimal point."""
    fraction = text.partition(".")[2]
    return len(fraction) if fraction.isdigit() else 0


def _shortened(cell: Any, decimals: int | None) -> Any:
    """Remove trailing zeros beyond the decimals of the stored column.

    For example, 2.5000 becomes 2.50 beside 8.40.
    """
    if not isinstance(cell, Decimal) or not decimals or not cell.is_finite():
        return cell
    rounded = round(cell, decimals)
    return rounded if rounded == cell and -int(cell.as_tuple().exponent) > decimals else cell


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
                return text.replace("\r\n", "\n").replace("\r", "\n") == str(cell)  # as dbt reads line ends
    except (ValueError, InvalidOperation):
        return False
