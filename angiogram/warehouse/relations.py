"""What the database knows of a relation of the dbt project, and how its name stands in SQL.

dbt names its relations quoted already, and quotes within them doubled.
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
"""What PostgreSQL raises where a statement cannot be carried out; not where the server or the session is at fault."""


def columns(query: cursor, relation: str) -> set[str]:
    """Names of a relation's columns; none if it is not there."""
    query.execute(
        "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (relation,),
    )
    return {name for (name,) in query.fetchall()}


def typed_columns(database: connection, relations: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Types of the columns of relations by name, in order; a relation that is not there is left out.

    Args:
        database: as a role that may look into their schemas.
        relations: quoted, by whatever they are called.
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
    """The batches that an input seed names beyond the first, which every row without one belongs to."""
    query.execute(sql.SQL("select distinct {0} from {1} where {0} > 1").format(sql.Identifier(BATCH), relation))
    return {batch for (batch,) in query.fetchall()}


@contextmanager
def undone(query: cursor) -> Iterator[None]:
    """Take back at the end all that is done inside, whether it failed or not."""
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
    """Let a transaction, if there is one, go on after a statement that fails."""
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
    """Execute a statement beside those of the cursor, whose results stay."""
    with query.connection.cursor() as beside:
        beside.execute(statement)


def beside_values(text: str) -> str:
    """A name or a statement as part of one that is executed with values: there psycopg2 takes a lone % for theirs."""
    return text.replace("%", "%%")
