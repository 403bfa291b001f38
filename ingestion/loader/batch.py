"""A batch: what one transaction writes, gathered as lines of COPY."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from ingestion.loader.rows import NULL, DeadLetter, binary, quoted, ride_columns
from ingestion.message import DYE_HEADERS, FIELDS, DyeStamp, Unverified, dye_stamp

_PLACE = ("topic", "topic_id", "partition", "offset", "message_at")
_STAMP = ("run_id", "ride_number", "sent_at")
_RIDE = (*FIELDS, "unknown_fields", *_PLACE)
_LETTER = ("value", "message_key", "reason", *_PLACE)
_CLAIM = ("value", "message_key", "dye_run_id", "dye_ride_number", "dye_sent_at", "dye_signature", "reason", *_PLACE)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Record(Protocol):
    """What the loader reads of a message on the topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the loader fills, and the columns it gives, in the order of the lines."""

    schema: str
    name: str
    columns: tuple[str, ...]


LIVE_RIDES = Table("raw", "taxi_rides", _RIDE)
LIVE_LETTERS = Table("raw", "dead_letters", _LETTER)
DYE_RIDES = Table("angiogram_raw", "taxi_rides", (*_RIDE, *_STAMP))
DYE_LETTERS = Table("angiogram_raw", "dead_letters", (*_LETTER, *_STAMP))
UNVERIFIED = Table("raw", "unverified_dye", _CLAIM)
TABLES = (LIVE_RIDES, LIVE_LETTERS, DYE_RIDES, DYE_LETTERS, UNVERIFIED)
"""Each message goes to exactly one of them."""


class EmptyOffsets(NamedTuple):
    """Offsets of a batch, some of which hold no message: markers of transactions, what was aborted or compacted.

    Attributes:
        partition: where they are.
        from_offset: the first one read.
        to_offset: the next one after them.
        empty: how many hold no message.
    """

    partition: int
    from_offset: int
    to_offset: int
    empty: int


@dataclass(slots=True)
class Batch:
    """Lines for each table and the offsets they stand for.

    Attributes:
        topic: name of the topic.
        topic_id: its id.
        keys: dye keys whose signatures hold.
        lines: per table, lines of COPY's CSV format, without line ends.
        size: bytes of all lines.
        taken: messages of each partition.
        moves: per partition, the offset that must be stored now and the one to store.
        empty: of the partitions with offsets that hold no message.
        seconds: how long its transaction took; 0 until it is committed.
    """

    topic: str
    topic_id: UUID
    keys: list[bytes]
    lines: dict[Table, list[bytes]] = field(default_factory=lambda: {table: [] for table in TABLES})
    size: int = 0
    taken: Counter[int] = field(default_factory=Counter)
    moves: dict[int, tuple[int, int]] = field(default_factory=dict)
    empty: list[EmptyOffsets] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Number of messages in the batch."""
        return sum(map(len, self.lines.values()))

    def add(self, partition: int, records: Sequence[Record]) -> None:
        """Take messages of one partition, in the order of their offsets."""
        place = f',"{self.topic}",{self.topic_id},{partition},'.encode()
        rides = self.lines[LIVE_RIDES]
        size = 0
        timestamp, message_at = None, NULL
        for record in records:
            if record.timestamp != timestamp:
                timestamp, message_at = record.timestamp, _message_at(record.timestamp)
            end = b"%b%d,%b" % (place, record.offset, message_at)
            stamp = dye_stamp(record.headers, record.value, self.keys) if record.headers else None
            if isinstance(stamp, Unverified):
                line = _claim_columns(record, stamp) + end
                lines = self.lines[UNVERIFIED]
            else:
                try:
                    line = ride_columns(record.value) + end
                    lines = rides
                    if stamp:
                        lines = self.lines[DYE_RIDES]
                except DeadLetter as letter:
                    line = b",".join((binary(record.value), binary(record.key), letter.reason.encode())) + end
                    lines = self.lines[DYE_LETTERS if stamp else LIVE_LETTERS]
                if stamp:
                    line += _stamp_columns(stamp)
            lines.append(line)
            size += len(line)
        self.size += size
        self.taken[partition] += len(records)

    def passed(self, partition: int, from_offset: int, to_offset: int) -> None:
        """Note how far a partition was read: offsets that brought no message are empty."""
        if (empty := to_offset - from_offset - self.taken[partition]) > 0:
            self.empty.append(EmptyOffsets(partition, from_offset, to_offset, empty))


def _message_at(milliseconds: int) -> bytes:
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat().encode() if milliseconds >= 0 else NULL
    except OverflowError:  # a producer may stamp any 64 bits where the topic does not stamp
        return NULL


def _stamp_columns(stamp: DyeStamp) -> bytes:
    sent_at = stamp.sent_at.isoformat().encode() if stamp.sent_at else NULL
    return b",%b,%d,%b" % (quoted(stamp.run_id.encode()), stamp.ride_number, sent_at)


def _claim_columns(record: Record, reason: Unverified) -> bytes:
    """What is kept of a message with dye headers that is not taken for dye: all that it takes to look at it again."""
    headers: dict[str, bytes | None] = dict(record.headers)
    kept = (record.value, record.key, *(headers.get(name) for name in DYE_HEADERS))
    return b",".join((*map(binary, kept), reason.encode()))
