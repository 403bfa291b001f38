"""A batch: what one transaction writes, collected as lines of COPY."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

from ingestion.contract import Contract
from ingestion.message.record import Record
from ingestion.message.rows import NULL, NotStorable, binary, encoder, quoted
from ingestion.message.stamp import DYE_HEADERS, DyeStamp, Unverified, dye_stamp, header_names
from ingestion.message.tables import DYE_LETTERS, DYE_ROWS, LIVE_LETTERS, LIVE_ROWS, UNVERIFIED, Kind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Last(NamedTuple):
    """The last message loaded, used to detect a different message at the same offset.

    Attributes:
        offset: offset of the message.
        timestamp: its Kafka timestamp in milliseconds.
        digest: a hash of its time, key and value.
    """

    offset: int
    timestamp: int
    digest: bytes

    @classmethod
    def of(cls, record: Record) -> Self:
        """Describe a message as it is read from the topic."""
        parts = (str(record.timestamp).encode(), record.key, record.value)
        told = b"".join(b"-" if part is None else b"%d:%b" % (len(part), part) for part in parts)
        return cls(record.offset, record.timestamp, hashlib.blake2b(told, digest_size=16).digest())


class Move(NamedTuple):
    """How far a batch advances one partition, and what became of every offset in between.

    Attributes:
        before: the next offset stored before the batch is committed.
        after: the next offset to store.
        gap: skipped offsets that the topic no longer holds.
        empty: offsets that hold no message.
        compacted: ranges of offsets that hold none any more, from (inclusive) and to (exclusive).
    """

    before: int
    after: int
    gap: int
    empty: int
    compacted: tuple[tuple[int, int], ...] = ()

    @property
    def lost(self) -> int:
        """Number of offsets that count as lost."""
        return self.gap + sum(end - begin for begin, end in self.compacted)


@dataclass(slots=True)
class Batch:
    """Lines for each table, and the offsets they cover.

    Attributes:
        topic: name of the topic.
        topic_id: id of the topic.
        keys: dye keys whose signatures are accepted.
        contract: the contract, with the fields and former header names.
        stored_as: topic id of the rows, by partition, where it is not the topic's.
        is_compacted: whether the topic deletes messages by compaction, so that an offset without one is a loss.
        lines: by kind of message, lines of COPY's CSV format, without line ends.
        size: bytes of all lines.
        counts: number of messages of each partition, by kind.
        last: the last message of each partition.
        moves: by partition, how far it advances.
        seconds: duration of its transaction; 0 until it is committed.
        offsets: the offsets of the messages, by partition; only of a topic that is compacted.
    """

    topic: str
    topic_id: UUID
    keys: list[bytes]
    contract: Contract
    stored_as: Mapping[int, UUID] = field(default_factory=dict)
    is_compacted: bool = False
    lines: dict[Kind, list[bytes]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    size: int = 0
    counts: dict[int, Counter[Kind]] = field(default_factory=lambda: defaultdict(Counter))
    last: dict[int, Last] = field(default_factory=dict)
    moves: dict[int, Move] = field(default_factory=dict)
    seconds: float = 0.0
    offsets: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def rows(self) -> int:
        """Number of messages in the batch."""
        return sum(map(len, self.lines.values()))

    def add(self, partition: int, records: Sequence[Record]) -> None:
        """Add messages of one partition, in the order of their offsets."""
        place = f',"{self.topic}",{self.stored_as.get(partition, self.topic_id)},{partition},'.encode()
        before = [len(lines) for lines in self.lines.values()]
        rows = self.lines[LIVE_ROWS]
        columns = encoder(self.contract.fields).columns
        names = header_names(self.contract.former_headers)
        size = 0
        timestamp, moment = None, NULL
        for record in records:
            if record.timestamp != timestamp:
                timestamp, moment = record.timestamp, message_at(record.timestamp)
            end = b"%b%d,%b" % (place, record.offset, moment)
            stamp = dye_stamp(record.headers, record.value, self.keys, names) if record.headers else None
            if isinstance(stamp, Unverified):
                line = _claim_columns(record, stamp, names) + end
                lines = self.lines[UNVERIFIED]
            else:
                try:
                    line = columns(record.value) + end
                    lines = rows
                    if stamp:
                        lines = self.lines[DYE_ROWS]
                except NotStorable as letter:
                    line = b",".join((binary(record.value), binary(record.key), letter.reason.encode())) + end
                    lines = self.lines[DYE_LETTERS if stamp else LIVE_LETTERS]
                if stamp:
                    line += _stamp_columns(stamp)
            lines.append(line)
            size += len(line)
        self.size += size
        counts = self.counts[partition]
        for (kind, lines), count in zip(self.lines.items(), before, strict=True):
            counts[kind] += len(lines) - count
        if records:
            self.last[partition] = Last.of(records[-1])

    def note_offsets(self, partition: int, records: Sequence[Record]) -> None:
        """Note where messages lie, if the topic is compacted: what is missing between them is lost."""
        if self.is_compacted:
            self.offsets[partition] += [record.offset for record in records]

    def passed(self, partition: int, stored: int, read_from: int, read_to: int) -> None:
        """Record how far a partition was read; offsets without a message are empty or compacted.

        Args:
            partition: number of the partition.
            stored: the next offset stored before this batch.
            read_from: where reading began; if it is beyond `stored`, there is a gap.
            read_to: the next offset to read.
        """
        taken = self.counts[partition].total() if partition in self.counts else 0
        empty = read_to - read_from - taken
        compacted: tuple[tuple[int, int], ...] = ()
        if self.is_compacted and empty:
            # A transaction's marker holds no message either, and nothing tells it from one that was compacted away.
            ends = zip([read_from - 1, *self.offsets[partition]], [*self.offsets[partition], read_to], strict=True)
            compacted = tuple((before + 1, after) for before, after in ends if after > before + 1)
            empty = 0
        self.moves[partition] = Move(stored, read_to, read_from - stored, empty, compacted)


def message_at(milliseconds: int) -> bytes:
    """The column of a message's time; null if the calendar has no such moment."""
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat().encode() if milliseconds >= 0 else NULL
    except OverflowError:  # if the topic does not set timestamps, a producer may send any 64 bits
        return NULL


def _stamp_columns(stamp: DyeStamp) -> bytes:
    sent_at = stamp.sent_at.isoformat().encode() if stamp.sent_at else NULL
    return b",%b,%d,%b" % (quoted(stamp.run_id.encode()), stamp.message_number, sent_at)


def _claim_columns(record: Record, reason: Unverified, names: Mapping[str, str]) -> bytes:
    """What is kept of a message whose dye headers do not verify, so that it can be rechecked."""
    headers = {names[name]: content for name, content in record.headers if name in names}
    kept = (record.value, record.key, *(headers.get(name) for name in DYE_HEADERS))
    return b",".join((*map(binary, kept), reason.encode()))
