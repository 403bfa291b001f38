"""Makes the table of messages that a dye target reads, as the loader would store them.

No topic is needed.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.seeds.dye_seeds import INPUT_FOLDER
from angiogram.dye.calculation import calculation_of
from angiogram.dye.seeds import UNKNOWN_FIELDS, DyeMessage, StoredMessage, dye_messages, read_dye
from angiogram.judge.cause.tables import Column, Table, in_batches
from angiogram.sensitivity.bench.runner import Surroundings
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.made_topic import MADE_TOPIC_ID, PARTITIONS
from angiogram.warehouse.engines.scratch import TextRow
from ingestion.contract import Contract
from ingestion.settings.pipeline import contract, pipeline

OTHER_TIME_ZONE = "Asia/Kathmandu"
"""A time zone in which neither the day nor the hour begins at the same time as in UTC."""

_TOPIC_ID = str(MADE_TOPIC_ID)
BROKER_TIME = datetime(2026, 7, 1, 5, tzinfo=UTC)


def dye_view(directory: Path) -> str | None:
    """Schema and name of the view on the dye that models may read. None without a contract."""
    if pipeline(directory).contract_path is None:
        return None
    return f"angiogram_raw.{contract(directory).dye_view}"


class Feed:
    """Arranges messages as the loader would store them, for a project that reads a topic."""

    def __init__(self, project: Compiled, directory: Path) -> None:
        """Read the dye.

        Args:
            project, directory: the dbt project and its folder.

        Raises:
            UnsupportedProject: a model reads a source that the dye does not enter.
            SeedError: the dye cannot be read.
        """
        view = dye_view(directory)
        for source in project.sources:
            if source != view:
                raise UnsupportedProject(
                    f"Models read the source {source}, which no dye enters. "
                    "Under target angiogram let them read an input seed in its place."
                )
        self._contract = contract(directory)
        self._calculation = calculation_of(directory)
        self._columns = columns_of(self._contract)
        self.dye = read_dye(directory)

    def usual(self, messages: Iterable[DyeMessage]) -> Table:
        """Arrange messages as in a run: in the order of sends, partitioned by the key's hash.

        Kafka's clients partition messages in the same way. The times at which the broker takes messages and the loader
        stores them differ from the times at which they count as sent.
        """
        from kafka.partitioner.default import murmur2  # comes with the extra `kafka`, as every topic's client does

        offsets = [0] * PARTITIONS
        stored: list[tuple[int, TextRow]] = []
        for number, message in enumerate(messages):
            key = self._contract.key(message.fields[self._contract.key_field])
            partition = (murmur2(key) & 0x7FFFFFFF if key else message.number) % PARTITIONS
            taken_at = BROKER_TIME + timedelta(seconds=number)
            place = (self._contract.topic, _TOPIC_ID, str(partition), str(offsets[partition]))
            times = (taken_at.isoformat(), (taken_at + timedelta(seconds=1)).isoformat())
            stamp = ("sensitivity", str(message.number), message.sent_at.isoformat() if message.sent_at else None)
            fields = (message.fields[name] for name in (*self._contract.fields, UNKNOWN_FIELDS))
            stored.append((message.batch, (*fields, *place, *times, *stamp)))
            offsets[partition] += 1
        return self._table(stored)

    def elsewhere(self, messages: Iterable[DyeMessage]) -> Table:
        """Arrange messages in another valid way: batch 2 comes from other topics.

        The last three messages of batch 2 come one by one. The other topics stand for a file loaded in bulk and for the
        topic created again: each counts its offsets from 0, and their ids sort before and after the first topic's id.
        Batch 1 lies in one partition, backwards. If versions of one record are sent at the same time, each later
        version has its own partition and a lower offset, so that only the partition says which is newest. Without a
        calculation it is not known which messages are versions of one record.
        """
        messages = list(messages)
        last = max((message.number for message in messages), default=0)
        topics = (str(uuid.UUID(int=MADE_TOPIC_ID.int - 1)), str(uuid.UUID(int=MADE_TOPIC_ID.int + 1)))
        places = [[column.name for column in self._columns].index(name) for name in ("topic_id", "partition", "offset")]
        records = [(self._record(stored), stored.message_at) for stored in dye_messages(messages)]
        met: set[tuple[str | None, datetime | None]] = set()
        offsets: Counter[str] = Counter()
        stored_rows: list[tuple[int, TextRow]] = []
        for number, row in enumerate(self.usual([replace(message, batch=1) for message in messages]).after(1)):
            message, batch = messages[number], messages[number].batch
            if records[number][0] and records[number] in met:
                place = (_TOPIC_ID, str(message.number), "0")
            elif batch == 1:
                place = (_TOPIC_ID, "0", str(last - message.number + 1))
            else:
                topic = topics[message.number % 2]
                place = (topic, "0", str(offsets[topic]))
                offsets[topic] += 1
                batch += max(0, message.number - last + 3)
            met.add(records[number])
            changes = dict(zip(places, place, strict=True))
            stored_rows.append((batch, tuple(changes.get(at, value) for at, value in enumerate(row))))
        return self._table(stored_rows)

    def _record(self, message: StoredMessage) -> str | None:
        return self._calculation.record(message) if self._calculation else None

    def _table(self, stored: Sequence[tuple[int, TextRow]]) -> Table:
        last = max((batch for batch, _ in stored), default=1)
        batches = (tuple(row for batch, row in stored if batch <= number) for number in range(1, last + 1))
        return Table(f"angiogram_raw.{self._contract.dye_view}", self._columns, tuple(batches))


def columns_of(promised: Contract) -> tuple[Column, ...]:
    """Columns of the view on the dye that the models may read."""
    return (
        *(Column(name, "text") for name in (*promised.fields, UNKNOWN_FIELDS)),
        Column("topic", "text"),
        Column("topic_id", "uuid"),
        Column("partition", "integer"),
        Column("offset", "bigint"),
        Column("message_at", "timestamptz"),
        Column("loaded_at", "timestamptz"),
        Column("run_id", "text"),
        Column(promised.number_column, "integer"),
        Column("sent_at", "timestamptz"),
    )


def surroundings(project: Compiled, directory: Path, added: Sequence[Any] = ()) -> list[Surroundings]:
    """Return the dye as in a daily run, and in others with the same expected output.

    Args:
        project, directory: the dbt project and its folder.
        added: messages, or rows with the names of their seeds, that are added to the dye.

    Raises:
        UnsupportedProject: a model reads a source that no dye enters, or none reads an input seed.
        SeedError: the dye cannot be read.
    """
    if not project.sources and not project.dye:
        raise UnsupportedProject(
            f"No model of {directory} reads an input seed: a seed is one if it lies in a folder named {INPUT_FOLDER}. "
            "Move the seeds that hold the dye into one."
        )
    usual = [*project.seeds.values()]
    other = usual[:]
    if project.sources:
        feed = Feed(project, directory)
        messages = [*feed.dye, *added]
        usual += [*project.dye.values(), feed.usual(messages)]
        other += [*project.dye.values(), feed.elsewhere(messages)]
    else:
        rows = [
            in_batches(name, table.columns, [*table.batches[-1], *(row for seed, row in added if seed == name)])
            for name, table in project.dye.items()
        ]
        usual += rows
        other += rows
    return [Surroundings("usual", usual), Surroundings("other topics, batches and time zone", other, OTHER_TIME_ZONE)]


def renumbered(
    dye: Sequence[DyeMessage], messages: Sequence[DyeMessage], taken: Sequence[DyeMessage]
) -> list[DyeMessage]:
    """Prepare messages for the dye: in batch 2, numbered after the dye's and those of `taken`."""
    latest = max(message.sent_at for message in dye if message.sent_at)
    first = max(message.number for message in (*dye, *taken)) + 1
    return [
        replace(message, number=number, batch=2, sent_at=message.sent_at and max(message.sent_at, latest))
        for number, message in enumerate(messages, first)
    ]
