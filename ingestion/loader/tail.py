"""Where the topic stops being what was loaded from it: a broker that lost its tail gives out the offsets anew.

After a power cut, or with the data of an earlier moment, a partition ends earlier than it did, and new messages come
under offsets that are stored already. What was loaded before that place is still there; a binary search finds it.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from kafka.errors import CorruptRecordError, KafkaError

from ingestion.errors import KafkaUnavailable
from ingestion.loader.batch import Record, message_at
from ingestion.loader.rows import NULL, DeadLetter, column_texts, ride_columns
from ingestion.loader.source import Bounds, Source
from ingestion.loader.store import Store
from ingestion.settings import KafkaSettings
from ingestion.topic import unavailable

_WITHIN_SECONDS = 15.0
_POLL_MILLISECONDS = 250


class Reader:
    """Reads single messages of the topic, beside the loader that reads on."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._source: Source | None = None

    def close(self) -> None:
        """Leave the broker, if it was ever asked."""
        if self._source:
            self._source.close()

    def first(self, partition: int, from_offset: int, to_offset: int) -> Record | None:
        """The first message in a range of offsets; None if there is none.

        Raises:
            CorruptRecordError: it is not as it was written.
            KafkaUnavailable: the broker does not answer.
        """
        self._source = self._source or Source.open(self._settings)
        self._source.read_from(partition, from_offset)
        deadline = time.monotonic() + _WITHIN_SECONDS
        try:
            while self._source.position(partition) < to_offset:
                records: list[Any] = self._source.poll(_POLL_MILLISECONDS).get(partition, [])
                if records:
                    return records[0] if records[0].offset < to_offset else None
                if time.monotonic() > deadline:
                    raise KafkaUnavailable(
                        f"Kafka sent nothing for {_WITHIN_SECONDS:.0f} s of {self._settings.topic}, partition "
                        f"{partition}, offset {from_offset}."
                    )
        except CorruptRecordError:
            raise
        except KafkaError as error:
            raise unavailable(self._settings, error) from error
        finally:
            self._source.stop_reading(partition)
        return None

    def first_readable(self, partition: int, from_offset: int, to_offset: int) -> Record | None:
        """The first message in a range of offsets that is as it was written; None if there is none."""
        while from_offset < to_offset:
            try:
                return self.first(partition, from_offset, to_offset)
            except CorruptRecordError:
                from_offset = self.readable_from(partition, from_offset, to_offset)
        return None

    def is_readable(self, partition: int, offset: int, end: int) -> bool:
        """Whether what lies at an offset is as it was written."""
        try:
            self.first(partition, offset, end)
        except CorruptRecordError:
            return False
        return True

    def readable_from(self, partition: int, corrupt: int, end: int) -> int:
        """The first offset after a corrupt one from which on messages can be read; the end if there is none.

        A corrupt batch is refused from wherever in it one begins to read, and the next one is not.
        """
        step, below = 1, corrupt
        while below + step < end and not self.is_readable(partition, below + step, end):
            below += step
            step *= 2
        above = min(below + step, end)
        while below + 1 < above:
            middle = (below + above) // 2
            if self.is_readable(partition, middle, end):
                above = middle
            else:
                below = middle
        return above


def lost_from(reader: Reader, store: Store, partition: int, stored: int, bounds: Bounds) -> int | None:
    """The first offset below the stored one that does not hold what is stored of it; None if the topic lost nothing.

    Args:
        reader: of the topic.
        store: which knows what is stored.
        partition: where.
        stored: the next offset as stored.
        bounds: of the partition.

    Raises:
        KafkaUnavailable: the broker does not answer.
    """
    end = min(stored, bounds.readable)
    differs = end
    for stored_as, first in store.ranges(partition):
        if first >= differs:
            continue
        lowest = max(first, bounds.first)
        differs = _first_difference(reader, store, stored_as, partition, lowest, differs)
        if differs > lowest:
            break
    if differs < end and reader.first_readable(partition, differs, end) is not None:
        return differs
    return differs if bounds.readable < stored else None


def _first_difference(reader: Reader, store: Store, stored_as: UUID, partition: int, lowest: int, end: int) -> int:
    """Below it all is as stored, from it on nothing: a binary search over the messages that the topic holds."""
    low, high = lowest, end
    while low < high:
        middle = (low + high) // 2
        record = reader.first_readable(partition, middle, high)
        if record is None:
            high = middle
            continue
        stored = store.stored_hash(stored_as, partition, lowest, record.offset)
        # Where nothing older is stored, retention took it away.
        if stored is None or (stored[0] == record.offset and stored[1] in _hashes(record)):
            low = record.offset + 1
        else:
            high = middle
    return low


def _hashes(record: Record) -> set[str]:
    """What raw.stored_hash gives for a message: stored as a row, or with its bytes."""
    contents = [record.value or b""]
    try:
        texts = column_texts(ride_columns(record.value))
    except DeadLetter:
        pass
    else:
        contents.append("\x1f".join("\x1e" if text is None else text for text in texts).encode())
    moment = b"-" if message_at(record.timestamp) == NULL else str(record.timestamp).encode()
    md5: Callable[..., Any] = hashlib.md5
    return {md5(b"%b|%b" % (moment, content), usedforsecurity=False).hexdigest() for content in contents}
