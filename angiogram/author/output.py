"""Formats a model's output as the text of an expected seed.

Cells that did not change keep the text that the seed had for them.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import MAX_PREC, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from io import StringIO
from math import isfinite
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
        precision: to how many decimals numbers are compared, by column.
        beside: columns that this model's test leaves out, and that a seed may hold all the same.
    """

    columns: list[str]
    key: list[str]
    rows: list[dict[str, Any]]
    precision: Mapping[str, int] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, database: Warehouse, node: Node) -> "Output":
        """Read a model's table.

        Args:
            database: as role angiogram, in autocommit.
            node: the model, built.
        """
        with database.cursor() as query:
            if node.is_ephemeral:  # its SQL is read as the comparison reads it
                query.execute("set TimeZone = 'UTC'")
            relation = sql.SQL(node.relation)  # dbt has quoted its names already
            query.execute(sql.SQL("select * from {} limit 0").format(relation))
            names = [column.name for column in query.description or ()]
            engine = engine_of(query)
            cells = (
                sql.SQL("{}" if engine.is_read_by_python(column) else "{}::text").format(sql.Identifier(column.name))
                for column in query.description or ()
            )
            chosen = sql.SQL("select {} from {} where\n{}\n").format(
                sql.SQL(", ").join(cells), relation, sql.SQL(node.where or "true")
            )
            query.execute(chosen)
            rows = [dict(zip(names, row, strict=True)) for row in query.fetchall()]
        for row in rows:
            row |= {name: _rounded(row[name], decimals) for name, decimals in node.precision.items() if name in row}
        compared = [name for name in names if node.compares(name)]
        beside = [name for name in names if name not in compared and node.leaves_out(name)]
        return cls(compared, node.key, rows, node.precision, beside)

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
        kept = [name for name in header if name in self.columns or name in self.beside]
        columns = kept + beyond
        decimals = {name: max((_decimals(row[name]) for row in rows_before), default=0) for name in header}
        placed = []
        for row in self.rows:
            name = tuple(_text(row[column]) for column in self.key)
            place, old = before.get(name, (len(before), {}))
            cells = [
                old[column]
                if column in self.beside and column in old
                else _kept(old.get(column), _shortened(row[column], decimals.get(column)), self.precision.get(column))
                for column in columns
            ]
            placed.append((place, name, cells))
        titles = [word for word, name in zip(words, header, strict=True) if name in kept] + beyond
        table = (titles, *(cells for _, _, cells in sorted(placed)))
        return "".join(csv_line(line, form.delimiter) for line in table)

    def _place(self, row: dict[str, Any], column: str) -> str:
        return f"{column} of {', '.join(f'{name} {row[name]}' for name in self.key)}"

    def _name(self, row: dict[str, str]) -> tuple[str, ...]:
        return tuple(row.get(column, "") for column in self.key)


def _text(cell: Any) -> str:
    return cell.isoformat() if isinstance(cell, datetime) and cell.tzinfo is None else seed_value(cell)


def _kept(before: str | None, cell: Any, decimals: int | None = None) -> str:
    """Return the seed's text for a cell if it still means the same, else the standard text.

    With a number of decimals, it means the same if it is the same once rounded.
    """
    if before is None:
        return _text(cell)
    if decimals is not None and isinstance(cell, Decimal):
        try:
            return before if _rounded(Decimal(before), decimals) == cell else _text(cell)
        except InvalidOperation:
            return _text(cell)
    return before if _says(before, cell) else _text(cell)


def _rounded(cell: Any, decimals: int) -> Any:
    """Round a number as the comparison does: half away from zero. Anything else stays as it is."""
    if isinstance(cell, float) and isfinite(cell):
        cell = Decimal(repr(cell))
    if not isinstance(cell, Decimal) or not cell.is_finite():
        return cell
    with localcontext(prec=MAX_PREC):
        return cell.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


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
