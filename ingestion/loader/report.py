"""What a load did, and how far it is."""

from dataclasses import dataclass
from uuid import UUID

from ingestion.loader.batch import DYE_LETTERS, DYE_RIDES, LIVE_LETTERS, LIVE_RIDES, Batch


@dataclass(frozen=True, slots=True)
class PartitionLoad:
    """The offsets of one partition that a load took.

    Attributes:
        partition: its number.
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
        topic_id: its id; None if Kafka never answered.
        rides: live rides.
        dye_rides: rides of the dye.
        dead_letters: dead letters, live and dye.
        forged_dye: messages with dye headers whose signature does not hold; loaded as live.
        partitions: the offsets taken by this loader, by partition.
        seconds: how long it took.
    """

    topic: str
    topic_id: UUID | None
    rides: int
    dye_rides: int
    dead_letters: int
    forged_dye: int
    partitions: tuple[PartitionLoad, ...]
    seconds: float

    @property
    def messages(self) -> int:
        """All messages loaded."""
        return self.rides + self.dye_rides + self.dead_letters


class Tally:
    """Adds up the batches that were committed."""

    def __init__(self) -> None:
        self.rides = self.dye_rides = self.dead_letters = self.forged_dye = 0
        self._offsets: dict[int, tuple[int, int]] = {}

    def add(self, batch: Batch) -> None:
        """Count a committed batch."""
        self.rides += len(batch.lines[LIVE_RIDES])
        self.dye_rides += len(batch.lines[DYE_RIDES])
        self.dead_letters += len(batch.lines[LIVE_LETTERS]) + len(batch.lines[DYE_LETTERS])
        self.forged_dye += batch.forged_dye
        for partition, (before, after) in batch.moves.items():
            first, _ = self._offsets.get(partition, (before, after))
            self._offsets[partition] = (first, after)

    def report(self, topic: str, topic_id: UUID | None, seconds: float) -> LoadReport:
        """What was written so far."""
        partitions = tuple(PartitionLoad(p, *offsets) for p, offsets in sorted(self._offsets.items()))
        return LoadReport(
            topic, topic_id, self.rides, self.dye_rides, self.dead_letters, self.forged_dye, partitions, seconds
        )
