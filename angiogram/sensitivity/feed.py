"""The rides as the loader stores them: what target angiogram reads from the topic, without a topic."""

import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kafka.partitioner.default import murmur2

from angiogram.dye import RAW_FIELDS, DyeRide, read_dye
from angiogram.errors import NotReady
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.runner import Surroundings
from angiogram.sensitivity.tables import Column, Row, Table
from ingestion.message import message_key

RIDES_IN_HAND = "angiogram_raw.rides_in_hand"
PARTITIONS = 4
OTHER_TIME_ZONE = "Asia/Kathmandu"
"""A session's time zone in which neither the day nor the hour begins when UTC's does."""

TOPIC_ID = str(uuid.UUID(int=0x0D7E))

COLUMNS = (
    *(Column(name, "text") for name in RAW_FIELDS),
    Column("topic", "text"),
    Column("topic_id", "uuid"),
    Column("partition", "integer"),
    Column("offset", "bigint"),
    Column("message_at", "timestamptz"),
    Column("loaded_at", "timestamptz"),
    Column("run_id", "text"),
    Column("ride_number", "integer"),
    Column("sent_at", "timestamptz"),
)
"""Columns of the view angiogram_raw.rides_in_hand."""


def rides_table(rides: Iterable[DyeRide]) -> Table:
    """The rides on the topic's partitions, in the order of sends: by their key's hash, as Kafka's clients do."""
    offsets = [0] * PARTITIONS
    stored: list[tuple[int, Row]] = []
    for ride in rides:
        key = message_key(ride.fields["taxi_id"])
        partition = (murmur2(key) & 0x7FFFFFFF if key else ride.ride_number) % PARTITIONS
        sent_at = ride.sent_at.isoformat()
        stored.append(
            (
                ride.batch,
                (
                    *(ride.fields[name] for name in RAW_FIELDS),
                    *("taxi_rides", TOPIC_ID, str(partition), str(offsets[partition])),
                    *(sent_at, sent_at, "sensitivity", str(ride.ride_number), sent_at),
                ),
            )
        )
        offsets[partition] += 1
    last = max((batch for batch, _ in stored), default=1)
    return Table(
        RIDES_IN_HAND,
        COLUMNS,
        tuple(tuple(row for batch, row in stored if batch <= number) for number in range(1, last + 1)),
    )


def rides_on_other_topics(rides: Iterable[DyeRide]) -> Table:
    """The rides as they lie where batch 2 comes from other topics: a file loaded in bulk, and the topic made again.

    Each topic counts its offsets from 0, and their ids sort to either side of the first one's. Rides that were sent at
    the same moment stay on one topic: only their offsets say which is the newer.
    """
    rides = list(rides)
    first = rides_table(rides)
    moments = Counter(ride.sent_at for ride in rides)
    moving = {str(ride.ride_number) for ride in rides if ride.batch > 1 and moments[ride.sent_at] == 1}
    before, after = str(uuid.UUID(int=0x0D7D)), str(uuid.UUID(int=0x0D7F))
    topic_id, partition, offset, number = (
        [column.name for column in COLUMNS].index(name) for name in ("topic_id", "partition", "offset", "ride_number")
    )
    moved: dict[str, Row] = {}
    offsets: Counter[tuple[str, str | None]] = Counter()
    for position, row in enumerate(row for row in first.batches[-1] if row[number] in moving):
        topic = before if position % 2 else after
        changes = {topic_id: topic, offset: str(offsets[topic, row[partition]])}
        offsets[topic, row[partition]] += 1
        moved[str(row[number])] = tuple(changes.get(at, value) for at, value in enumerate(row))
    return first.with_rows(*([moved.get(str(row[number]), row) for row in batch] for batch in first.batches))


def surroundings(project: Compiled, directory: Path) -> list[Surroundings]:
    """The dye as the daily run lays it down, and as it might lie otherwise without changing what is expected.

    Raises:
        NotReady: a model reads a source that no dye enters.
        SeedError: the dye cannot be read.
    """
    seeds = [*project.seeds.values(), *project.dye.values()]
    usual, other = seeds[:], seeds[:]
    if project.sources:
        rides = dye_rides(project, directory)
        usual.append(rides_table(rides))
        other.append(rides_on_other_topics(rides))
    return [Surroundings("usual", usual), Surroundings("other topics and time zone", other, OTHER_TIME_ZONE)]


def dye_rides(project: Compiled, directory: Path) -> list[DyeRide]:
    """The rides of the dye, for a project that reads them from the topic.

    Raises:
        NotReady: a model reads a source that no dye enters.
        SeedError: the dye cannot be read.
    """
    for source in project.sources:
        if source != RIDES_IN_HAND:
            raise NotReady(
                f"Models read the source {source}, which no dye enters. "
                "Under target angiogram let them read an input seed in its place."
            )
    return read_dye(directory.resolve().parent / "seeds" / "angiogram" / "input" / "dye_rides.csv")
