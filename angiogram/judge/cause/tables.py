"""Tables that models read and no model makes, batch by batch.

These are the seeds, and the messages as the loader stores them.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor

from angiogram.dbt.manifest.nodes import BATCH
from angiogram.warehouse.relations import numbers_batches

TextRow = tuple[str | None, ...]

_NULL = "\\N"
"""Null in COPY. The same characters as text are quoted, so PostgreSQL can tell them apart."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type, as PostgreSQL writes it."""

    name: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table to load.

    Attributes:
        name: its name in the project.
        columns: its columns with their types.
        batches: all its rows after each batch, each value as text or null.
    """

    name: str
    columns: tuple[Column, ...]
    batches: tuple[tuple[TextRow, ...], ...]

    def after(self, batch: int) -> tuple[TextRow, ...]:
        """The rows that the table holds after a batch. Batches are counted from 1.

        A table that no batch changes always holds the same rows.
        """
        return self.batches[min(batch, len(self.batches)) - 1]

    @property
    def batch_column(self) -> int | None:
        """Index of the column with a row's batch. None if all rows arrive at once."""
        named = ((number, column) for number, column in enumerate(self.columns) if column.name == BATCH)
        return next((number for number, column in named if numbers_batches(column.type_name)), None)

    @property
    def id_column(self) -> int:
        """Index of the column with a row's id: the first one other than the batch."""
        return 1 if self.batch_column == 0 and len(self.columns) > 1 else 0

    def batch_of(self, row: TextRow) -> int:
        """The batch in which a row of the table arrives."""
        return 1 if self.batch_column is None else int(row[self.batch_column] or 1)

    def with_rows(self, *batches: Sequence[TextRow]) -> "Table":
        """Return the same table with other rows."""
        return Table(self.name, self.columns, tuple(tuple(rows) for rows in batches))


def in_batches(name: str, columns: tuple[Column, ...], rows: Sequence[TextRow], at_least: int = 1) -> Table:
    """Return a table whose rows arrive in the batch that their column `batch` names.

    Args:
        name, columns, rows: name, columns and rows of the table.
        at_least: the least number of batches.
    """
    table = Table(name, columns, (tuple(rows),))
    last = max((table.batch_of(row) for row in rows), default=1)
    return table.with_rows(
        *([row for row in rows if table.batch_of(row) <= number] for number in range(1, max(last, at_least) + 1))
    )


def create(query: cursor, name: str, table: Table, rows: Iterable[TextRow]) -> None:
    """Create a temporary table `name` with the columns of `table` and copy `rows` into it."""
    columns = sql.SQL(", ").join(
        # type names come from the project's own settings and from the catalogue
        sql.SQL("{} " + column.type_name).format(sql.Identifier(column.name))
        for column in table.columns
    )
    relation = sql.Identifier("pg_temp", name)
    query.execute(sql.SQL("create temporary table {} ({})").format(sql.Identifier(name), columns))
    copied = io.StringIO("".join(_line(row) for row in rows))
    query.copy_expert(sql.SQL("copy {} from stdin (format csv, null '\\N')").format(relation), copied)


def _line(row: TextRow) -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="")
    fields = []
    for value in row:
        if value is None:
            fields.append(_NULL)
            continue
        text.seek(0)
        text.truncate()
        writer.writerow([value])
        fields.append(text.getvalue())
    return ",".join(fields) + "\n"
