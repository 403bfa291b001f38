"""The live checkpoints: end offsets = loaded offsets = rides + dead letters, and what the live models account for.

Offsets that hold no message, such as the markers of transactions, were counted by the loader that passed them.

The dye passes between the live rides and is counted with them, so that no offset is left over. Counts go back to the
first message loaded since some moment: what was deleted by age before then is no loss.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from angiogram.checkpoints import CHECKED, Checkpoint, count_accounted, unverified_dye
from angiogram.other_topics import other_topics
from ingestion.errors import DatabaseUnavailable
from ingestion.loader import follower_alive
from ingestion.loader.source import Source
from ingestion.settings import KafkaSettings, connect

ROLE = "dbt_prod"
"""The live models are its own, and it may ask for the loader's counts."""

LOADED_WITHIN = 60.0
"""Seconds that a loader that follows has to reach the end offsets as they were at the start."""

_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Live:
    """The live checkpoints.

    Attributes:
        checkpoints: the counts that must agree.
        partitions: where one does not, in words.
    """

    checkpoints: list[Checkpoint]
    partitions: list[str]

    @property
    def holds(self) -> bool:
        """Whether all of them hold."""
        return all(point.holds for point in self.checkpoints)

    def report(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "holds": self.holds,
            "checkpoints": [point.report() for point in self.checkpoints],
            "partitions": self.partitions,
        }


def check_live(since: timedelta, within: float = LOADED_WITHIN) -> Live:
    """Count what lies on the topic, what was loaded, and what the live models made of it.

    While a live build is at work its models are not all of one age, and the last checkpoint need not hold.

    Args:
        since: how far back messages are counted.
        within: seconds to wait for a loader that follows.

    Raises:
        SettingsError, DatabaseUnavailable, KafkaUnavailable, InputError: something is not there.
    """
    with closing(Source.open(KafkaSettings.from_environment())) as source:
        topic_id, partitions = source.topic()
        ends = {partition: end for partition, (_, end) in source.bounds(partitions).items()}
    with closing(connect(ROLE, "angiogram live")) as database:
        database.autocommit = True
        try:
            reached = _reached(database, str(topic_id), ends, within)
            loaded, told = _loaded(database, since)
            claims = unverified_dye(database)
            others = other_topics(database)
            counts = [_offsets(ends, reached), loaded, claims, *_models(database), *others]
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise DatabaseUnavailable(
                f"PostgreSQL was lost during the live checkpoints: {str(error).strip()}. "
                "Is it running (`sandbox status`)?"
            ) from error
    behind = [
        f"partition {partition}: loaded up to {reached.get(partition, 0)} of {end}"
        for partition, end in ends.items()
        if reached.get(partition, 0) < end
    ]
    return Live(counts, behind + told + [point.detail for point in (claims, *others) if point.detail])


def _reached(database: connection, topic_id: str, ends: Mapping[int, int], within: float) -> dict[int, int]:
    """The offsets loaded, as soon as they are at the ends; or when nobody is going to load the rest in time."""
    deadline = time.monotonic() + within
    while True:
        with database.cursor() as query:
            query.execute('select "partition", next_offset from raw.loaded_offsets where topic_id = %s', (topic_id,))
            reached: dict[int, int] = dict(query.fetchall())
        is_behind = any(reached.get(partition, 0) < end for partition, end in ends.items())
        if not is_behind or time.monotonic() > deadline or not follower_alive(database):
            return reached
        time.sleep(_LOOK_EVERY)


def _offsets(ends: Mapping[int, int], reached: Mapping[int, int]) -> Checkpoint:
    # A loader that follows may be beyond these ends already.
    loaded = sum(min(reached.get(partition, 0), end) for partition, end in ends.items())
    return Checkpoint("end offsets = loaded offsets", sum(ends.values()), {"loaded": loaded})


def _loaded(database: connection, since: timedelta) -> tuple[Checkpoint, list[str]]:
    """Whether every offset loaded is accounted for, and the partitions where one is not."""
    kinds = ("rides", "dead_letters", "dye", "unverified_dye", "gaps", "empty_offsets")
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute("select * from raw.loaded_counts(clock_timestamp() - %s)", (since,))
        found = [row for row in query.fetchall() if row["first_offset"] is not None]
    told = [
        f"partition {row['partition']} of {row['topic']}: {passed} offsets from {row['first_offset']} on, but {counted}"
        " messages, gaps and empty offsets"
        for row in found
        if (passed := row["next_offset"] - row["first_offset"]) != (counted := sum(row[kind] for kind in kinds))
    ]
    passed = sum(row["next_offset"] - row["first_offset"] for row in found)
    counts = {kind: sum(row[kind] for row in found) for kind in kinds}
    kept = "loaded offsets = rides + dead letters + dye + unverified dye + gaps + empty offsets"
    return Checkpoint(kept, passed, counts), told


def _models(database: connection) -> list[Checkpoint]:
    """What the live models account for; nothing before production has built them."""
    with database.cursor() as query:
        query.execute("select accounts_for, relation from angiogram.live_nodes where accounts_for is not null")
        relations: dict[str, str] = dict(query.fetchall())
        if CHECKED not in relations:
            return []
        # dbt names its relations quoted already.
        query.execute(sql.SQL("select count(*) from {}").format(sql.SQL(relations[CHECKED])))
        ((checked,),) = query.fetchall()
    return [Checkpoint("checked = accepted + superseded + rejected", checked, count_accounted(database, relations))]
