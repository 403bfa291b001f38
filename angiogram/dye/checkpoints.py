"""Counts that must agree: published = in Kafka = loaded + dead letters = in the models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.warehouse.relations import MESSAGE_ID, SQL_FAILED
from ingestion.dead_letters import unverified_dye as unverified
from ingestion.settings.pipeline import contract

ACCEPTED, REJECTED, CHECKED = "accepted", "rejected", "checked"
"""What a model may account for (meta.accounts_for in the dbt project).

Accepted and rejected messages are the facts. The check of every message tells superseded messages from lost ones.
"""

UNVERIFIED_IS_RELEASED = "unverified dye = released"
"""Name of the checkpoint for messages with dye headers that do not verify."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A count that must agree.

    Attributes:
        name: what is compared.
        expected: the count before this checkpoint.
        counts: what was found, by kind. None if it could not be counted.
        detail: where it does not hold and what to do, in words. None if the counts are enough.
    """

    name: str
    expected: int
    counts: Mapping[str, int | None]
    detail: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the counts add up to the expected count."""
        return None not in self.counts.values() and sum(n or 0 for n in self.counts.values()) == self.expected

    @property
    def finding(self) -> str:
        """Say in words why it does not hold."""
        counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.counts.items())
        return self.detail or f"expected {self.expected}, found {counts}"

    def report(self) -> dict[str, Any]:
        """The checkpoint as the report shows it."""
        return {"name": self.name, "expected": self.expected, "counts": dict(self.counts), "holds": self.holds}


def unverified_dye(database: connection) -> Checkpoint:
    """Check that every message with unverified dye headers was released to where it belongs.

    No model holds such a message before that.

    Args:
        database: as a role that may read where they are.
    """
    with database.cursor() as query:
        query.execute("select count(*), count(released_to) from raw.unverified_dye where raw.is_of_session(raw_table)")
        ((kept, released),) = query.fetchall()
    waiting = unverified.waiting(database) if kept > released else []
    return Checkpoint(
        UNVERIFIED_IS_RELEASED, kept, {"released": released}, unverified.in_words(waiting) if waiting else None
    )


def count_accounted(database: connection, relations: Mapping[str, str]) -> dict[str, int | None]:
    """Count accepted messages, messages superseded by a newer version, and rejected ones.

    Args:
        database: as a role that reads the models.
        relations: the quoted table by what it accounts for.

    Returns:
        The three counts. None if a table is absent or cannot be read.
    """
    unknown: dict[str, int | None] = {"accepted": None, "superseded": None, "rejected": None}
    if not {ACCEPTED, REJECTED, CHECKED} <= relations.keys():
        return unknown
    with database.cursor() as query:
        for relation in relations.values():
            query.execute("select to_regclass(%s) is null", (relation,))
            if query.fetchall()[0][0]:
                return unknown
        counted = sql.SQL(
            "select (select count(*) from {accepted}), (select count(*) from {checked} as c where c.is_valid"
            " and exists (select from {accepted} as a where {same_record})"
            " and not exists (select from {accepted} as a where a.message_id = c.message_id)),"
            " (select count(*) from {rejected})"
            # dbt's relation names are already quoted.
        ).format(
            same_record=_same_record(),
            **{accounted: sql.SQL(relation) for accounted, relation in relations.items()},
        )
        try:
            query.execute(counted)
        except SQL_FAILED:  # a view that cannot be read
            return unknown
        accepted, superseded, rejected = query.fetchall()[0]
    return {"accepted": accepted, "superseded": superseded, "rejected": rejected}


def _same_record() -> sql.Composed:
    """Condition that a checked and an accepted message belong to one record.

    The contract's id columns identify a record.
    """
    names = [sql.Identifier(name) for name in contract().id_columns if name != MESSAGE_ID]
    return sql.SQL(" and ").join(sql.SQL("a.{} = c.{}").format(name, name) for name in names)
