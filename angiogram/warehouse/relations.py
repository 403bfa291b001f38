"""What the database knows about a dbt relation, and how to write its name in SQL.

dbt's relation names are already quoted, with inner quotes doubled.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor

from angiogram.dbt.manifest.nodes import BATCH

MESSAGE_ID = "message_id"
"""The column that holds a dye message's number, in every model whose rows are traced directly."""

SQL_FAILED = (
    psycopg2.DataError,
    psycopg2.IntegrityError,
    psycopg2.InternalError,
    psycopg2.NotSupportedError,
    psycopg2.ProgrammingError,
)
"""Errors of a statement that PostgreSQL cannot carry out.

Failures of the server or the session are not among them.
"""


def columns(query: cursor, relation: str) -> set[str]:
    """Names of a relation's columns. Empty if the relation does not exist."""
    query.execute(
        "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (relation,),
    )
    return {name for (name,) in query.fetchall()}


def typed_columns(database: connection, relations: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Types of relations' columns by name, in order. Relations that do not exist are left out.

    Args:
        database: as a role that may use their schemas.
        relations: the quoted relations, by any key.
    """
    found: dict[str, dict[str, str]] = {}
    with database.cursor() as query:
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


def later_batches(query: cursor, relation: sql.Composable) -> set[int]:
    """The batches after the first that an input seed names.

    Rows without a batch belong to the first one.
    """
    query.execute(sql.SQL("select distinct {0} from {1} where {0} > 1").format(sql.Identifier(BATCH), relation))
    return {batch for (batch,) in query.fetchall()}


@contextmanager
def undone(query: cursor) -> Iterator[None]:
    """Undo at the end everything that is done inside, whether it failed or not."""
    begin, end = "begin", "rollback"
    if _within(query):
        begin, end = "savepoint undone", "rollback to savepoint undone; release savepoint undone"
    _tell(query, begin)
    try:
        yield
    finally:
        _tell(query, end)


@contextmanager
def attempted(query: cursor) -> Iterator[None]:
    """Let an open transaction continue after a statement inside fails."""
    if not _within(query):
        yield
        return
    _tell(query, "savepoint attempted")
    try:
        yield
    except SQL_FAILED:
        _tell(query, "rollback to savepoint attempted; release savepoint attempted")
        raise
    _tell(query, "release savepoint attempted")


def _within(query: cursor) -> bool:
    return query.connection.info.transaction_status != TRANSACTION_STATUS_IDLE


def _tell(query: cursor, statement: str) -> None:
    """Execute a statement without losing the cursor's results."""
    with query.connection.cursor() as beside:
        beside.execute(statement)


def beside_values(text: str) -> str:
    """Escape SQL text for use in a statement that is executed with values.

    In such a statement psycopg2 takes a single % for a placeholder.
    """
    return text.replace("%", "%%")
