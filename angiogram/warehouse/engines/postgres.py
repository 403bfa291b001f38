"""PostgreSQL, asked through psycopg2."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors, extensions, sql
from psycopg2.extras import execute_values

from angiogram.warehouse.engines.protocol import Query

FAILED = (
    psycopg2.DataError,
    psycopg2.IntegrityError,
    psycopg2.InternalError,
    psycopg2.NotSupportedError,
    psycopg2.ProgrammingError,
)
"""Errors of a statement that PostgreSQL cannot carry out.

Failures of the server or the session are not among them.
"""

_READ_BY_PYTHON = frozenset(
    oid
    for kind in (
        *(extensions.BOOLEAN, extensions.INTEGER, extensions.LONGINTEGER, extensions.FLOAT, extensions.DECIMAL),
        *(extensions.UNICODE, extensions.PYDATE, extensions.PYDATETIME, extensions.PYDATETIMETZ),
    )
    for oid in kind.values
)
"""Types that Python formats as PostgreSQL reads them. A seed holds others, such as arrays and json, as text."""


class PostgresEngine:
    """PostgreSQL. See `angiogram.warehouse.engines.protocol.Engine`."""

    name = "postgres"
    temporary_schema = "pg_temp"
    keeps_notes = True

    def exists(self, query: Query, relation: str) -> bool:
        """Whether there is a relation of this name."""
        query.execute("select to_regclass(%s) is not null", (relation,))
        return query.fetchone() == (True,)

    def schema_of(self, query: Query, name: str | None) -> str | None:
        """The schema in which the session finds a relation that is named without one."""
        query.execute(
            "select nspname::text from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            " where pg_class.oid = to_regclass(quote_ident(%s))",
            (name,),
        )
        row = query.fetchone()
        return str(row[0]) if row else None

    def columns(self, query: Query, relation: str) -> dict[str, str]:
        """Types of a relation's columns by name, in order."""
        query.execute(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
            (relation,),
        )
        return dict(query.fetchall())

    def typed_columns(self, query: Query, relations: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Types of relations' columns by name, in order."""
        found: dict[str, dict[str, str]] = {}
        query.execute(
            "select named.name, attname::text, format_type(atttypid, atttypmod)"
            " from unnest(%s::text[], %s::text[]) as named (name, relation)"
            " join pg_attribute on attrelid = to_regclass(named.relation) and attnum > 0 and not attisdropped"
            " order by named.name, attnum",
            (list(relations), list(relations.values())),
        )
        for name, column, kind in query.fetchall():
            found.setdefault(name, {})[column] = kind
        return found

    def counting_all(self, relation: sql.Composable) -> sql.Composable:
        """Statement that counts the rows of a relation and reads each cell on the way."""
        return sql.SQL("select count(to_jsonb(made.*)) from {} as made").format(relation)

    @contextmanager
    def undone(self, query: Any) -> Iterator[None]:
        """Undo at the end everything that is done inside, whether it failed or not."""
        begin, end = "begin", "rollback"
        if _within(query):
            begin, end = "savepoint undone", "rollback to savepoint undone; release savepoint undone"
        _tell(query, begin)
        try:
            yield
        finally:
            _tell(query, end)

    def attempted(self, query: Any) -> AbstractContextManager[None]:
        """Let an open transaction continue after a statement inside fails."""
        return _attempted(query)

    def is_unknown_column(self, error: BaseException) -> bool:
        """Whether a statement failed because it names a column that does not exist."""
        return isinstance(error, errors.UndefinedColumn)

    def insert(self, query: Any, table: sql.Composable, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows of Python values into these columns of a table."""
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        execute_values(query, sql.SQL("insert into {} ({}) values %s").format(table, columns), list(rows))

    def type_name(self, column: Any) -> str:
        """Name of a type as dbt compares it: types that psycopg2 reads alike are alike."""
        known = extensions.string_types
        return str(known[column.type_code].name) if column.type_code in known else str(column.type_code)

    def seed_type(self, type_name: str) -> str:
        """Type that a seed is given to hold such a column: PostgreSQL's numeric needs no precision."""
        return re.sub(r"^numeric\([^)]*\)", "numeric", type_name)

    def is_read_by_python(self, column: Any) -> bool:
        """Whether Python's text for a value of a column is what a seed needs."""
        return column.type_code in _READ_BY_PYTHON

    def as_json(self, column: str, type_name: str) -> sql.Composable:
        """Expression for a column as JSON text."""
        return sql.SQL("to_jsonb({})::text").format(sql.Identifier(column))


@contextmanager
def _attempted(query: Any) -> Iterator[None]:
    if not _within(query):
        yield
        return
    _tell(query, "savepoint attempted")
    try:
        yield
    except FAILED:
        _tell(query, "rollback to savepoint attempted; release savepoint attempted")
        raise
    _tell(query, "release savepoint attempted")


def _within(query: Any) -> bool:
    return bool(query.connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE)


def _tell(query: Any, statement: str) -> None:
    """Execute a statement without losing the cursor's results."""
    with query.connection.cursor() as beside:
        beside.execute(statement)
