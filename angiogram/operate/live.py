"""The live checkpoints: no message is lost between the topic and the live models.

Every loaded offset is counted once, permanently, in the transaction of the load, so that what a partition has lost
since is known in constant time. What was loaded since a given time is counted row by row. The dye passes between the
live messages and is counted with them, as are gaps and offsets that hold no message.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from angiogram.dye.checkpoints import Checkpoint, unverified_dye
from angiogram.dye.loaded import offsets_reached
from angiogram.dye.other_topics import other_topics
from angiogram.operate.live_models import check_files, check_models
from angiogram.operate.split_keys import split_keys
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable
from ingestion.loader.reading.source import Bounds, Source
from ingestion.loader.store import follower_alive
from ingestion.settings import KafkaSettings
from ingestion.settings.pipeline import contract, pipeline
from ingestion.topic.admin import compacts_messages_away

LIVE_ROLE = "dbt_prod"
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
        notices: what a reader should know although all counts agree.
    """

    checkpoints: list[Checkpoint]
    partitions: list[str]
    notices: list[str]

    @property
    def holds(self) -> bool:
        """Return whether all checkpoints hold."""
        return all(point.holds for point in self.checkpoints)

    def report(self) -> dict[str, Any]:
        """Return the checkpoints as JSON holds them."""
        return {
            "holds": self.holds,
            "checkpoints": [point.report() for point in self.checkpoints],
            "partitions": self.partitions,
            "notices": self.notices,
        }


def check_live(since: timedelta | None, within: float = LOADED_WITHIN) -> Live:
    """Count what is on the topic, what was loaded, and what the live models made of it.

    During a live build the models are not all of one age, and the last checkpoint need not hold.

    Args:
        since: how far back messages are counted row by row; None: all that was ever loaded.
        within: seconds to wait for a loader that follows.

    Raises:
        SettingsError, DatabaseUnavailable, KafkaUnavailable, InputError: something is missing.
    """
    kafka = KafkaSettings.from_environment()
    with (
        closing(Source.open(kafka)) as source,
        closing(connect(LIVE_ROLE, "angiogram live")) as database,
    ):
        database.autocommit = True
        try:
            topic_id, partitions = source.topic()
            before = offsets_reached(database, str(topic_id))
            bounds = source.bounds(partitions)
            reached = _caught_up(database, str(topic_id), bounds, within)
            found = _loaded_counts(database, since)
            loaded, kept, told = _loaded(database, found)
            of_models, wrong = check_models(database, pipeline().name, found, since)
            of_files, lost = check_files(database, since)
            starts = [(str(row["topic_id"]), row["partition"], row["from_offset"]) for row in found]
            split = split_keys(database, starts)
            claims = unverified_dye(database)
            others = other_topics(database)
            compacts = compacts_messages_away(source.configuration(), contract())
            counts = [_offsets(bounds, before, reached), loaded, kept, claims, *of_models, *of_files, *others]
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise DatabaseUnavailable(
                f"PostgreSQL was lost during the live checkpoints: {str(error).strip()}. "
                "Is it running (`sandbox status`)?"
            ) from error
    behind = [
        _behind(kafka.topic, number, part, before.get(number, 0), reached.get(number, 0))
        for number, part in bounds.items()
    ]
    details = [point.detail for point in (claims, *others) if point.detail]
    notices = [told for told in (split, compacts) if told]
    return Live(counts, [words for words in behind if words] + told + wrong + lost + details, notices)


def _caught_up(database: connection, topic_id: str, bounds: Mapping[int, Bounds], within: float) -> dict[int, int]:
    """Wait until the loaded offsets reach the ends, and return them.

    It returns earlier if no loader will load the rest in time.
    """
    deadline = time.monotonic() + within
    while True:
        reached = offsets_reached(database, topic_id)
        is_behind = any(reached.get(partition, 0) < part.readable for partition, part in bounds.items())
        if not is_behind or time.monotonic() > deadline or not follower_alive(database):
            return reached
        time.sleep(_LOOK_EVERY)


def _offsets(bounds: Mapping[int, Bounds], before: Mapping[int, int], reached: Mapping[int, int]) -> Checkpoint:
    # A following loader may be beyond these ends by now, but not before they were asked for.
    loaded = sum(
        before[number] if before.get(number, 0) > part.end else min(reached.get(number, 0), part.end)
        for number, part in bounds.items()
    )
    return Checkpoint("end offsets = loaded offsets", sum(part.end for part in bounds.values()), {"loaded": loaded})


def _behind(topic: str, number: int, part: Bounds, before: int, reached: int) -> str | None:
    """Return why a partition is not loaded up to its end, in words, or None if it is."""
    if before > part.end:
        return (
            f"partition {number}: loaded up to {before}, but the topic ends at {part.end}: the broker lost what it had "
            "confirmed. The next `ingestion load` reports where that begins, and continues"
        )
    if part.readable <= reached < part.end:
        return (
            f"partition {number}: an open transaction on {topic} that begins at offset {part.readable} holds back "
            f"{part.end - part.readable} offsets"
        )
    return f"partition {number}: loaded up to {reached} of {part.end}" if reached < part.end else None


def _loaded_counts(database: connection, since: timedelta | None) -> list[dict[str, Any]]:
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(
            "select *, live_rows as messages"
            " from raw.loaded_counts(coalesce(clock_timestamp() - %s::interval, '-infinity')) as counted"
            " where raw.topic_is_of_session(counted.topic_id)",
            (since,),
        )
        return [dict(row) for row in query.fetchall()]


def _loaded(database: connection, found: Sequence[Mapping[str, Any]]) -> tuple[Checkpoint, Checkpoint, list[str]]:
    """Check that every loaded offset is accounted for and that everything loaded is kept.

    Returns:
        Both checkpoints, and where they do not hold.
    """
    kinds = ("messages", "dead_letters", "dye", "unverified_dye", "gaps", "empty_offsets", "taken_away")
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(
            'select topic, "partition", from_offset, to_offset from raw.gaps as gap'
            " where raw.topic_is_of_session(gap.topic_id) and passed_at is null"
            " and reason in ('deleted_before_loaded', 'corrupt') order by topic, \"partition\""
        )
        told = [
            f"partition {row['partition']} of {row['topic']}: offsets {row['from_offset']} to {row['to_offset'] - 1}"
            " are not on the topic, and this loss is not accepted: `ingestion load --accept-loss`"
            for row in query.fetchall()
        ]
    for row in found:
        place = f"partition {row['partition']} of {row['topic']}"
        if row["passed"] != (counted := sum(row[kind] for kind in kinds)):
            told.append(
                f"{place}: {row['passed']} offsets from {row['from_offset']} on, but {counted} messages, gaps and empty"
                " offsets"
            )
        if row["lost"] or not row["last_is_stored"]:
            some = f"{row['lost']} messages that were" if row["lost"] else "the last message that was"
            told.append(
                f"{place}: {some} loaded {'are' if row['lost'] else 'is'} not stored any more, and no command took that"
                " away. Restore the rows, then run `ingestion offsets repair`; raw.taken_away says when"
            )
    counts = {kind: sum(row[kind] for row in found) for kind in kinds}
    ever = sum(row["acknowledged"] for row in found)
    lost = sum(max(row["lost"], int(not row["last_is_stored"])) for row in found)
    passed = sum(row["passed"] for row in found)
    return (
        Checkpoint(f"loaded offsets = {' + '.join(kinds).replace('_', ' ')}", passed, counts),
        Checkpoint("messages ever loaded = kept, or taken away by a command", ever, {"kept": ever - lost}),
        told,
    )
