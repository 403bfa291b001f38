"""The report on a load and its progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ingestion.loader.batch import Batch
from ingestion.loader.losses import Loss
from ingestion.message.tables import DYE_LETTERS, DYE_ROWS, LIVE_LETTERS, LIVE_ROWS, UNVERIFIED


@dataclass(frozen=True, slots=True)
class PartitionLoad:
    """The offsets of one partition that a load took.

    Attributes:
        partition: number of the partition.
        first_offset: the next offset to load when the load began.
        next_offset: the next offset to load when it ended.
    """

    partition: int
    first_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What one load wrote.

    Attributes:
        topic: name of the topic.
        topic_id: id of the topic; None if Kafka never answered.
        live_rows: live messages stored as rows.
        dye_rows: messages of the dye (test records with known results) stored as rows.
        dead_letters: dead letters, live and dye.
        unverified_dye: messages kept apart because their dye headers do not verify.
        partitions: the offsets loaded by this loader, by partition.
        lost: offsets that the topic no longer holds as they were.
        seconds: duration of the load.
        bytes: bytes of all rows, as given to COPY.
        batches: number of transactions.
        batch_seconds: total duration of these transactions.
    """

    topic: str
    topic_id: UUID | None
    live_rows: int
    dye_rows: int
    dead_letters: int
    unverified_dye: int
    partitions: tuple[PartitionLoad, ...]
    lost: tuple[Loss, ...]
    seconds: float
    bytes: int = 0
    batches: int = 0
    batch_seconds: float = 0.0

    @property
    def messages(self) -> int:
        """Number of all messages loaded."""
        return self.live_rows + self.dye_rows + self.dead_letters + self.unverified_dye

    @classmethod
    def together(cls, reports: Sequence["LoadReport"], seconds: float) -> "LoadReport":
        """What several loaders of one topic wrote together."""
        # The last one that knows it is at work still: an earlier one may have loaded a topic that was deleted since.
        known = next((report for report in reversed(reports) if report.topic_id), reports[0])
        of_this_topic = [report for report in reports if report.topic_id == known.topic_id]
        offsets: dict[int, tuple[int, int]] = {}
        for part in (part for report in of_this_topic for part in report.partitions):
            first, following = offsets.get(part.partition, (part.first_offset, part.next_offset))
            offsets[part.partition] = (min(first, part.first_offset), max(following, part.next_offset))
        return cls(
            known.topic,
            known.topic_id,
            sum(report.live_rows for report in reports),
            sum(report.dye_rows for report in reports),
            sum(report.dead_letters for report in reports),
            sum(report.unverified_dye for report in reports),
            tuple(PartitionLoad(partition, *reached) for partition, reached in sorted(offsets.items())),
            tuple(sorted({loss for report in reports for loss in report.lost})),
            seconds,
            sum(report.bytes for report in reports),
            sum(report.batches for report in reports),
            sum(report.batch_seconds for report in reports),
        )


class LoadTally:
    """Adds up the committed batches."""

    def __init__(self) -> None:
        self.live_rows = self.dye_rows = self.dead_letters = self.unverified_dye = self.bytes = self.batches = 0
        self.batch_seconds = 0.0
        self._topic_id: UUID | None = None
        self._offsets: dict[int, tuple[int, int]] = {}

    def add(self, batch: Batch) -> None:
        """Count a committed batch."""
        self.live_rows += len(batch.lines[LIVE_ROWS])
        self.dye_rows += len(batch.lines[DYE_ROWS])
        self.dead_letters += len(batch.lines[LIVE_LETTERS]) + len(batch.lines[DYE_LETTERS])
        self.unverified_dye += len(batch.lines[UNVERIFIED])
        self.bytes += batch.size
        self.batches += 1
        self.batch_seconds += batch.seconds
        if batch.topic_id != self._topic_id:  # made again: the offsets of an earlier one say nothing of this one
            self._topic_id = batch.topic_id
            self._offsets.clear()
        for partition, move in batch.moves.items():
            first, _ = self._offsets.get(partition, (move.before, move.after))
            self._offsets[partition] = (first, move.after)

    def report(self, topic: str, topic_id: UUID | None, lost: tuple[Loss, ...], seconds: float) -> LoadReport:
        """What has been written so far."""
        partitions = tuple(PartitionLoad(p, *offsets) for p, offsets in sorted(self._offsets.items()))
        return LoadReport(
            topic,
            topic_id,
            self.live_rows,
            self.dye_rows,
            self.dead_letters,
            self.unverified_dye,
            partitions,
            lost,
            seconds,
            self.bytes,
            self.batches,
            self.batch_seconds,
        )
