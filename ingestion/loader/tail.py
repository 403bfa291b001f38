"""Find where the topic stops being what was loaded: the broker lost messages at its end.

After a power cut, or a restore of older data, a partition ends earlier than before, and new messages get offsets that
are already stored. What was loaded before that place is still on the topic; a binary search finds the place.
"""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from ingestion.loader.batch import message_at
from ingestion.loader.reading.reader import Reader
from ingestion.loader.reading.source import Bounds
from ingestion.loader.store import Store
from ingestion.message.record import Record
from ingestion.message.rows import NULL, NotStorable, RowEncoder, column_texts


def lost_from(
    reader: Reader, store: Store, encoder: RowEncoder, partition: int, stored: int, bounds: Bounds
) -> int | None:
    """The first offset below the stored one whose message differs from what is stored.

    None if the topic lost nothing.

    Args:
        reader: reader of the topic.
        store: session that knows what is stored.
        encoder: encoder of the topic's messages.
        partition: number of the partition.
        stored: the next offset as stored.
        bounds: bounds of the partition.

    Raises:
        KafkaUnavailable: the broker does not answer.
    """
    end = min(stored, bounds.readable)
    differs = end
    for stored_as, first in store.ranges(partition):
        if first >= differs:
            continue
        lowest = max(first, bounds.first)
        differs = _first_difference(reader, store, encoder, stored_as, partition, lowest, differs)
        if differs > lowest:
            break
    if differs < end and reader.first_readable(partition, differs, end) is not None:
        return differs
    return differs if bounds.readable < stored else None


def _first_difference(
    reader: Reader, store: Store, encoder: RowEncoder, stored_as: UUID, partition: int, lowest: int, end: int
) -> int:
    """The offset below which all is as stored, and from which nothing is.

    It is found by binary search over the messages that the topic holds.
    """
    low, high = lowest, end
    while low < high:
        middle = (low + high) // 2
        record = reader.first_readable(partition, middle, high)
        if record is None:
            high = middle
            continue
        stored = store.stored_hash(stored_as, partition, lowest, record.offset)
        # If nothing older is stored, retention deleted it.
        if stored is None or (stored[0] == record.offset and stored[1] in _hashes(record, encoder)):
            low = record.offset + 1
        else:
            high = middle
    return low


def _hashes(record: Record, encoder: RowEncoder) -> set[str]:
    """What raw.stored_hash returns for a message: stored as a row, or with its bytes."""
    contents = [record.value or b""]
    try:
        texts = column_texts(encoder.columns(record.value))
    except NotStorable:
        pass
    else:
        contents.append("\x1f".join("\x1e" if text is None else text for text in texts).encode())
    moment = b"-" if message_at(record.timestamp) == NULL else str(record.timestamp).encode()
    md5: Callable[..., Any] = hashlib.md5
    return {md5(b"%b|%b" % (moment, content), usedforsecurity=False).hexdigest() for content in contents}
