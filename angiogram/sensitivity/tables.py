"""What models read and no model makes: seeds and the rides as the loader stores them, batch by batch."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor

Row = tuple[str | None, ...]

_NULL = "\\N"
"""Stands for null in COPY; as text of its own it is quoted, which PostgreSQL tells apart."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type, as PostgreSQL writes it."""

    name: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table to be loaded.

    Attributes:
        name: its name in the project.
        columns: its columns with their types.
        batches: all its rows after each batch, as text or null.
    """

    name: str
    columns: tuple[Column, ...]
    batches: tuple[tuple[Row, ...], ...]

    def after(self, batch: int) -> tuple[Row, ...]:
        """The rows that it holds after a batch, counted from 1; a table that no batch changes always holds the same."""
        return self.batches[min(batch, len(self.batches)) - 1]

    def with_rows(self, *batches: Sequence[Row]) -> "Table":
        """The same table with other rows."""
        return Table(self.name, self.columns, tuple(tuple(rows) for rows in batches))


def create(query: cursor, name: str, table: Table, rows: Iterable[Row]) -> None:
    """Make a temporary table `name` of the columns of `table` and copy `rows` into it."""
    columns = sql.SQL(", ").join(
        # type names come from the project's own settings and from the catalogue
        sql.SQL("{} " + column.type_name).format(sql.Identifier(column.name))
        for column in table.columns
    )
    relation = sql.Identifier("pg_temp", name)
    query.execute(sql.SQL("create temporary table {} ({})").format(sql.Identifier(name), columns))
    copied = io.StringIO("".join(_line(row) for row in rows))
    query.copy_expert(sql.SQL("copy {} from stdin (format csv, null '\\N')").format(relation), copied)


def _line(row: Row) -> str:
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
