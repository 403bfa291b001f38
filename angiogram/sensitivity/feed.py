"""The rides as the loader stores them: what target angiogram reads from the topic, without a topic."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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

TOPIC = uuid.UUID(int=0x0D7E)
TOPIC_ID = str(TOPIC)
BROKER_TIME = datetime(2026, 7, 1, 5, tzinfo=UTC)

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
    """The rides on the topic's partitions, in the order of sends: by their key's hash, as Kafka's clients do.

    The broker takes them, and the loader stores them, at other times than those they count as sent at.
    """
    offsets = [0] * PARTITIONS
    stored: list[tuple[int, Row]] = []
    for number, ride in enumerate(rides):
        key = message_key(ride.fields["taxi_id"])
        partition = (murmur2(key) & 0x7FFFFFFF if key else ride.ride_number) % PARTITIONS
        taken_at = BROKER_TIME + timedelta(seconds=number)
        place = ("taxi_rides", TOPIC_ID, str(partition), str(offsets[partition]))
        times = (taken_at.isoformat(), (taken_at + timedelta(seconds=1)).isoformat())
        stamp = ("sensitivity", str(ride.ride_number), ride.sent_at.isoformat())
        stored.append((ride.batch, (*(ride.fields[name] for name in RAW_FIELDS), *place, *times, *stamp)))
        offsets[partition] += 1
    return _table(stored)


def rides_elsewhere(rides: Iterable[DyeRide]) -> Table:
    """The rides as they lie where batch 2 comes from other topics, and its last three rides one by one.

    The topics are a file loaded in bulk and the topic made again: each counts its offsets from 0, and their ids sort to
    either side of the first one's. Rides that were sent at the same moment stay on the first topic, on partitions of
    rising number and falling offset: the later partition says which is the newer.
    """
    rides = list(rides)
    moments = Counter(ride.sent_at for ride in rides)
    last = max((ride.ride_number for ride in rides), default=0)
    topics = (str(uuid.UUID(int=TOPIC.int - 1)), str(uuid.UUID(int=TOPIC.int + 1)))
    topic_id, partition, offset = (
        [column.name for column in COLUMNS].index(name) for name in ("topic_id", "partition", "offset")
    )
    offsets: Counter[tuple[str, str | None]] = Counter()
    stored: list[tuple[int, Row]] = []
    for ride, row in zip(rides, rides_table([replace(ride, batch=1) for ride in rides]).after(1), strict=True):
        if moments[ride.sent_at] > 1:
            changes = {partition: str(PARTITIONS + len(stored)), offset: str(last - len(stored))}
            stored.append((ride.batch, tuple(changes.get(at, value) for at, value in enumerate(row))))
            continue
        if ride.batch == 1:
            stored.append((1, row))
            continue
        topic = topics[ride.ride_number % 2]
        changes = {topic_id: topic, offset: str(offsets[topic, row[partition]])}
        offsets[topic, row[partition]] += 1
        batch = ride.batch + max(0, ride.ride_number - last + 3)
        stored.append((batch, tuple(changes.get(at, value) for at, value in enumerate(row))))
    return _table(stored)


def _table(stored: Sequence[tuple[int, Row]]) -> Table:
    last = max((batch for batch, _ in stored), default=1)
    batches = (tuple(row for batch, row in stored if batch <= number) for number in range(1, last + 1))
    return Table(RIDES_IN_HAND, COLUMNS, tuple(batches))


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
        other.append(rides_elsewhere(rides))
    return [Surroundings("usual", usual), Surroundings("other topics, batches and time zone", other, OTHER_TIME_ZONE)]


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
