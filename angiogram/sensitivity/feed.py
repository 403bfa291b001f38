"""The rides as the loader stores them: what target angiogram reads from the topic, without a topic."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka.partitioner.default import murmur2

from angiogram.dye import RAW_FIELDS, DyeRide, dye_messages, read_dye
from angiogram.errors import NotReady
from angiogram.expectation.models import staged_ride
from angiogram.nodes import INPUT_FOLDER
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.runner import Surroundings
from angiogram.sensitivity.tables import Column, Row, Table, in_batches
from ingestion.message.stamp import message_key

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
        stamp = ("sensitivity", str(ride.ride_number), ride.sent_at.isoformat() if ride.sent_at else None)
        stored.append((ride.batch, (*(ride.fields[name] for name in RAW_FIELDS), *place, *times, *stamp)))
        offsets[partition] += 1
    return _table(stored)


def rides_elsewhere(rides: Iterable[DyeRide]) -> Table:
    """The rides as they might lie as well: batch 2 comes from other topics, and its last three rides one by one.

    The topics are a file loaded in bulk and the topic made again: each counts its offsets from 0, and their ids sort to
    either side of the first one's. Batch 1 lies in one partition, backwards. Of versions of a ride sent at the same
    moment, the later ones have partitions of their own and lower offsets: only the partition says which is newest.
    """
    rides = list(rides)
    last = max((ride.ride_number for ride in rides), default=0)
    topics = (str(uuid.UUID(int=TOPIC.int - 1)), str(uuid.UUID(int=TOPIC.int + 1)))
    places = [[column.name for column in COLUMNS].index(name) for name in ("topic_id", "partition", "offset")]
    versions = [(staged_ride(message).ride_id, message.message_at) for message in dye_messages(rides)]
    met: set[tuple[str | None, datetime | None]] = set()
    offsets: Counter[str] = Counter()
    stored: list[tuple[int, Row]] = []
    for number, row in enumerate(rides_table([replace(ride, batch=1) for ride in rides]).after(1)):
        ride, batch = rides[number], rides[number].batch
        if versions[number][0] and versions[number] in met:
            place = (TOPIC_ID, str(ride.ride_number), "0")
        elif batch == 1:
            place = (TOPIC_ID, "0", str(last - ride.ride_number + 1))
        else:
            topic = topics[ride.ride_number % 2]
            place = (topic, "0", str(offsets[topic]))
            offsets[topic] += 1
            batch += max(0, ride.ride_number - last + 3)
        met.add(versions[number])
        changes = dict(zip(places, place, strict=True))
        stored.append((batch, tuple(changes.get(at, value) for at, value in enumerate(row))))
    return _table(stored)


def _table(stored: Sequence[tuple[int, Row]]) -> Table:
    last = max((batch for batch, _ in stored), default=1)
    batches = (tuple(row for batch, row in stored if batch <= number) for number in range(1, last + 1))
    return Table(RIDES_IN_HAND, COLUMNS, tuple(batches))


def surroundings(project: Compiled, directory: Path, added: Sequence[Any] = ()) -> list[Surroundings]:
    """The dye as the daily run lays it down, and as it might lie otherwise without changing what is expected.

    Args:
        project, directory: of the dbt project.
        added: rides, or rows with the names of their seeds, that are added to the dye.

    Raises:
        NotReady: a model reads a source that no dye enters, or none reads an input seed.
        SeedError: the dye cannot be read.
    """
    if not project.sources and not project.dye:
        raise NotReady(
            f"No model of {directory} reads an input seed: a seed is one if it lies in a folder named {INPUT_FOLDER}. "
            "Move the seeds that hold the dye into one."
        )
    usual = [*project.seeds.values()]
    other = usual[:]
    if project.sources:
        rides = [*dye_rides(project, directory), *added]
        usual += [*project.dye.values(), rides_table(rides)]
        other += [*project.dye.values(), rides_elsewhere(rides)]
    else:
        rows = [
            in_batches(name, table.columns, [*table.batches[-1], *(row for seed, row in added if seed == name)])
            for name, table in project.dye.items()
        ]
        usual += rows
        other += rows
    return [Surroundings("usual", usual), Surroundings("other topics, batches and time zone", other, OTHER_TIME_ZONE)]


def renumbered(dye: Sequence[DyeRide], rides: Sequence[DyeRide], taken: Sequence[DyeRide]) -> list[DyeRide]:
    """Rides as they may be added to the dye: of batch 2, and numbered after the dye's and those of `taken`."""
    latest = max(ride.sent_at for ride in dye if ride.sent_at)
    first = max(ride.ride_number for ride in (*dye, *taken)) + 1
    return [
        replace(ride, ride_number=number, batch=2, sent_at=ride.sent_at and max(ride.sent_at, latest))
        for number, ride in enumerate(rides, first)
    ]


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
