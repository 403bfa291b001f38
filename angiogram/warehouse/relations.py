"""What the database knows about a dbt relation, and how to write its name in SQL.

dbt's relation names are already quoted, with inner quotes doubled.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

from psycopg2 import sql

from angiogram.dbt.manifest.nodes import BATCH
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.postgres import FAILED
from angiogram.warehouse.engines.protocol import Query, StatementFailed, Warehouse

MESSAGE_ID = "message_id"
"""The column that holds a dye message's number, in every model whose rows are traced directly."""

SQL_FAILED = (*FAILED, StatementFailed)
"""Errors of a statement that the engine cannot carry out.

Failures of the server or the session are not among them.
"""


def columns(query: Query, relation: str) -> set[str]:
    """Names of a relation's columns. Empty if the relation does not exist."""
    return set(engine_of(query).columns(query, relation))


def ordered_columns(query: Query, relation: str) -> list[str]:
    """Names of a relation's columns in order. Empty if the relation does not exist."""
    return list(engine_of(query).columns(query, relation))


def typed_columns(database: Warehouse, relations: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Types of relations' columns by name, in order. Relations that do not exist are left out.

    Args:
        database: as a role that may use their schemas.
        relations: the quoted relations, by any key.
    """
    with database.cursor() as query:
        return engine_of(query).typed_columns(query, relations)


def temporary(query: Query, name: str) -> sql.Identifier:
    """Name of a temporary relation of the session."""
    return sql.Identifier(engine_of(query).temporary_schema, name)


_NUMBER = re.compile(r"((tiny|small|big|huge)?int(eger|[248])?|numeric|decimal)\b", re.IGNORECASE)


def numbers_batches(type_name: str) -> bool:
    """Return whether a column of this type can number batches.

    A column of that name with another type is one like others.
    """
    return _NUMBER.match(type_name) is not None


def has_batches(query: Query, relation: str) -> bool:
    """Return whether a relation has a column that numbers batches."""
    kind = _batch_type(query, relation)
    return kind is not None and numbers_batches(kind)


def other_batch_type(query: Query, relation: str) -> str | None:
    """Return the type of a column `batch` that numbers none. None otherwise."""
    kind = _batch_type(query, relation)
    return None if kind is None or numbers_batches(kind) else kind


def _batch_type(query: Query, relation: str) -> str | None:
    return engine_of(query).typed_columns(query, {BATCH: relation}).get(BATCH, {}).get(BATCH)


def later_batches(query: Query, relation: sql.Composable) -> set[int]:
    """The batches after the first that an input seed names.

    Rows without a batch belong to the first one.
    """
    query.execute(sql.SQL("select distinct {0} from {1} where {0} > 1").format(sql.Identifier(BATCH), relation))
    return {batch for (batch,) in query.fetchall()}


def undone(query: Query) -> AbstractContextManager[None]:
    """Undo at the end what is made inside, whether it failed or not.

    On PostgreSQL that is everything, elsewhere temporary relations at least.
    """
    return engine_of(query).undone(query)


def attempted(query: Query) -> AbstractContextManager[None]:
    """Let an open transaction continue after a statement inside fails."""
    return engine_of(query).attempted(query)


def beside_values(text: str) -> str:
    """Escape SQL text for use in a statement that is executed with values.

    In such a statement psycopg2 takes a single % for a placeholder.
    """
    return text.replace("%", "%%")
