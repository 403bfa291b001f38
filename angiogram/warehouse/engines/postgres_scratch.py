"""A scratch session in PostgreSQL: temporary tables in transactions that are rolled back."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection, cursor

from angiogram.core.errors import NotReady
from angiogram.dbt.manifest.expectation import EXACTLY, Expectation
from angiogram.warehouse.engines.protocol import Statement
from angiogram.warehouse.engines.scratch import (
    TIMEOUT_S,
    Columns,
    FailsOnData,
    RefusedAlways,
    ScratchError,
    Shape,
    TakesTooLong,
    TextRow,
    chosen,
)

_NUMBERS = ("numeric", "double precision", "real", "integer", "bigint", "smallint")
"""Types whose values may be rounded."""

_COMPARED_AS_JSONB = ("json", "jsonb", "xml", "character", "citext", "point", "polygon", "box", "circle")
"""Types without equality, or whose equality differs from that of their jsonb."""

_NULL = "\\N"
"""Null in COPY. The same characters as text are quoted, so PostgreSQL can tell them apart."""

_COLUMNS = """
    select
        array_agg(a.attname::text order by a.attname::text),
        array_agg(format_type(a.atttypid, a.atttypmod) order by a.attname::text)
    from pg_catalog.pg_attribute as a
    where a.attrelid = {relation}::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname::text <> all({excluded}::text[])
"""

_OWN_TABLES = "select relname from pg_catalog.pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r'"


class PostgresScratch:
    """See `angiogram.warehouse.engines.scratch.Scratch`."""

    dialect = "postgres"
    temporary_schema = "pg_temp"

    def __init__(self, database: connection) -> None:
        """Take over a connection, not in autocommit."""
        self._database = database
        self._query: cursor = database.cursor()

    def begin(self, time_zone: str | None) -> None:
        """Drop all tables, and set the time zone."""
        self._execute("discard temporary")
        self._execute("set client_min_messages to error")
        if time_zone:
            self._execute(sql.SQL("select set_config('TimeZone', {}, false)").format(sql.Literal(time_zone)))

    def settle(self) -> None:
        """Keep what was made so far."""
        self._execute(_OWN_TABLES)
        # Not the whole database: other sessions may hold its tables, or analyze them at the same time.
        for (name,) in self._query.fetchall():
            self._execute(sql.SQL("analyze {}").format(sql.Identifier("pg_temp", name)))
        self._database.commit()
        self._execute(sql.SQL("set statement_timeout to {}").format(sql.Literal(1000 * TIMEOUT_S)))
        self._database.commit()

    def undo(self) -> None:
        """Drop what was made since `settle`."""
        self._database.rollback()

    def fill(self, name: str, columns: Columns, rows: Iterable[TextRow]) -> None:
        """Make a table of rows whose values are texts, or null."""
        typed = sql.SQL(", ").join(
            # type names come from the project's own settings and from the catalogue
            sql.SQL("{} " + type_name).format(sql.Identifier(column))
            for column, type_name in columns
        )
        self._execute(sql.SQL("create temporary table {} ({})").format(sql.Identifier(name), typed))
        statement = sql.SQL("copy {} from stdin (format csv, null '\\N')").format(sql.Identifier("pg_temp", name))
        with self._told():
            self._query.copy_expert(statement, io.StringIO("".join(_line(row) for row in rows)))

    def make(self, name: str, query: str) -> None:
        """Make a table of a query's rows."""
        self._execute(sql.SQL("create temporary table {} as ").format(sql.Identifier(name)) + sql.SQL(query))

    def make_again(self, name: str, query: str) -> None:
        """Make a table of a query's rows, in place of the one of its name."""
        self._execute(sql.SQL("drop table if exists {}").format(sql.Identifier("pg_temp", name)))
        self.make(name, query)

    def copy(self, name: str, original: str) -> None:
        """Make a table like another one, with its rows."""
        self._execute(
            sql.SQL("create temporary table {} as table {}").format(sql.Identifier(name), sql.Identifier(original))
        )

    def run(self, statement: Statement) -> None:
        """Run a statement."""
        self._execute(statement)

    def finds_rows(self, query: str) -> bool:
        """Whether a query finds rows, or cannot be run."""
        self._execute("savepoint before_check")
        try:
            self._execute(sql.SQL("select exists (select from ({}) as found)").format(sql.SQL(query)))
            return bool(self._query.fetchall()[0][0])
        except (RefusedAlways, FailsOnData):
            self._execute("rollback to savepoint before_check")
            return True

    def rows(self, query: str, most: int) -> list[TextRow]:
        """The first rows of a query of texts."""
        self._execute(query)
        return self._query.fetchmany(most)

    def describe(self, query: str) -> Columns:
        """Names and types of a query's columns."""
        self._execute(sql.SQL("select * from ({}) as described limit 0").format(sql.SQL(query)))
        return tuple((column.name, str(column.type_code)) for column in self._query.description or ())

    def columns(self, name: str) -> Columns:
        """Names and types of a table's columns, by name."""
        return self._columns(name, ())

    def shape(
        self,
        name: str,
        excluded: Sequence[str] = (),
        where: str | None = None,
        own_where: str | None = None,
        how: Expectation = EXACTLY,
    ) -> Shape:
        """Return what other tables are compared with."""
        return Shape(name, chosen(self._columns(name, excluded), how), tuple(excluded), where, own_where, how=how)

    def differs(self, name: str, expected: Shape) -> bool:
        """Whether a table differs from the expected one, also where a column is missing."""
        columns = expected.chosen(self._columns(name, expected.excluded))
        if not expected.has_same(columns):
            return True
        rows = _compared(name, columns, expected)
        self._execute(
            sql.SQL("select exists (({0}) except all ({1})) or exists (({1}) except all ({0}))").format(*rows)
        )
        return bool(self._query.fetchall()[0][0])

    def has_stranger(self, name: str, expected: Shape) -> bool:
        """Whether a table has a row that the expected one does not have."""
        columns = expected.chosen(self._columns(name, expected.excluded))
        if not expected.has_same(columns):
            return False
        self._execute(sql.SQL("select exists (({0}) except ({1}))").format(*_compared(name, columns, expected)))
        return bool(self._query.fetchall()[0][0])

    def digest(self, shape: Shape) -> str | None:
        """A hash of a table's compared rows."""
        beside = {name for name, _ in self.columns(shape.name)} - {name for name, _ in shape.columns}
        self._execute("select set_config('TimeZone', 'UTC', true)")
        self._execute(
            sql.SQL(
                "select md5(string_agg(row_made, ',' order by row_made))"
                " from (select (to_jsonb(r) - {}::text[])::text as row_made from {} as r where\n{}\n) as made"
            ).format(
                sql.Literal(sorted(beside)),
                sql.Identifier("pg_temp", shape.name),
                sql.SQL(shape.own_where or "true"),
            )
        )
        found: str | None = self._query.fetchall()[0][0]
        return found

    def fixture(self, name: str, like: str, rows: Any) -> None:
        """Make a table with the columns of another one."""
        table = sql.Identifier(name)
        self._execute(
            sql.SQL("create temporary table {} as select * from {} limit 0").format(table, sql.Identifier(like))
        )
        self._execute(
            sql.SQL("insert into {0} select * from jsonb_populate_recordset(null::{0}, {1})").format(
                table, sql.Literal(json.dumps(rows, default=str))
            )
        )

    def close(self) -> None:
        """End the session."""
        self._database.close()

    def _columns(self, name: str, excluded: Sequence[str]) -> Columns:
        relation = sql.Literal('pg_temp."' + name.replace('"', '""') + '"')
        self._execute(sql.SQL(_COLUMNS).format(relation=relation, excluded=sql.Literal(list(excluded))))
        names, types = self._query.fetchall()[0]
        return tuple(zip(names or (), types or (), strict=True))

    def _execute(self, statement: Statement) -> None:
        with self._told():
            self._query.execute(statement)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what happened as the protocol's errors."""
        try:
            yield
        except errors.QueryCanceled as error:
            raise TakesTooLong(str(error)) from error
        except errors.CardinalityViolation as error:
            raise FailsOnData(str(error)) from error
        except (psycopg2.ProgrammingError, psycopg2.NotSupportedError) as error:
            raise RefusedAlways(str(error)) from error
        except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.InternalError) as error:
            raise FailsOnData(str(error)) from error
        except psycopg2.Error as error:
            if self._database.closed:
                raise NotReady(f"The session in PostgreSQL ended: {str(error).strip()}") from error
            raise ScratchError(str(error)) from error


def _compared(name: str, columns: Columns, expected: Shape) -> list[sql.Composed]:
    """The compared rows of a table with these columns, and those of the expected one."""
    return [
        sql.SQL("select {} from {} where\n{}\n").format(
            sql.SQL(", ").join(_cell(column, kind, expected.how) for column, kind in of_table),
            sql.Identifier("pg_temp", table),
            sql.SQL(where or "true"),
        )
        for table, of_table, where in (
            (name, columns, expected.where),
            (expected.name, expected.columns, expected.own_where),
        )
    ]


def _cell(column: str, kind: str, how: Expectation) -> sql.Composable:
    """A cell as it is compared. A number is rounded by its text, which has all digits."""
    bare, cell = kind.split("(")[0], sql.Composed([sql.Identifier(column)])
    if column in how.precision and bare in _NUMBERS:
        cell = sql.SQL("round({}::text::numeric, {})").format(cell, sql.Literal(how.precision[column]))
    return sql.SQL("to_jsonb({})").format(cell) if bare in _COMPARED_AS_JSONB or not how.types else cell


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
