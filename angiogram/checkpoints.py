"""Counts that must agree: published = in Kafka = loaded + dead-lettered = accounted for by the models."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection

ACCEPTED, REJECTED, CHECKED = "fct_rides", "fct_rejected_rides", "int_rides__checked"
"""The models whose rows account for every message: the facts, and the judgement that tells superseded from lost."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A count that must agree.

    Attributes:
        name: what is compared.
        expected: the count before this checkpoint.
        counts: what was found, by kind; None if it could not be counted.
    """

    name: str
    expected: int
    counts: Mapping[str, int | None]

    @property
    def holds(self) -> bool:
        """Whether the counts add up to what is expected."""
        return None not in self.counts.values() and sum(n or 0 for n in self.counts.values()) == self.expected


def count_accounted(database: connection, relations: Mapping[str, str]) -> dict[str, int | None]:
    """How many messages the models account for: accepted, superseded by a newer version, rejected.

    Args:
        database: as role angiogram.
        relations: quoted table by model.

    Returns:
        The three counts; None where a table is absent.
    """
    unknown: dict[str, int | None] = {"accepted": None, "superseded": None, "rejected": None}
    if not {ACCEPTED, REJECTED, CHECKED} <= relations.keys():
        return unknown
    # dbt names its relations quoted already.
    tables = {name: sql.SQL(relations[name]) for name in (ACCEPTED, REJECTED, CHECKED)}
    with database.cursor() as query:
        for name in tables:
            query.execute("select to_regclass(%s) is null", (relations[name],))
            if query.fetchall()[0][0]:
                return unknown
        query.execute(
            sql.SQL(
                "select (select count(*) from {accepted}), (select count(*) from {checked} as c where c.is_valid"
                " and exists (select from {accepted} as a where a.ride_id = c.ride_id)"
                " and not exists (select from {accepted} as a where a.message_id = c.message_id)),"
                " (select count(*) from {rejected})"
            ).format(accepted=tables[ACCEPTED], checked=tables[CHECKED], rejected=tables[REJECTED])
        )
        accepted, superseded, rejected = query.fetchall()[0]
    return {"accepted": accepted, "superseded": superseded, "rejected": rejected}
