"""Let kafka-python read records with a header whose name is not valid UTF-8.

Kafka accepts any bytes as a header's name. kafka-python decodes them strictly: one such record stops the consumer
permanently, because it meets the record again after each restart. Here the invalid bytes of such a name are read as
`\\xff`. All other records take kafka-python's own path. This is the only place that touches its internals.
"""

from typing import Any

from kafka.record import memory_records
from kafka.record.default_records import ControlRecord, DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint


class TolerantRecordBatch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python carries no types
    """A batch of records in which a header's name may be any bytes."""

    _pos: int  # byte position of the next record

    def _read_msg(self, decode_varint: Any = decode_varint) -> DefaultRecord | ControlRecord:
        try:
            return super()._read_msg(decode_varint)
        except UnicodeDecodeError:
            return self._read_tolerantly()

    def _read_tolerantly(self) -> DefaultRecord | ControlRecord:
        """Read the record at the current place, which is well-formed except for a header's name."""
        buffer = self._buffer
        length, place = decode_varint(buffer, self._pos)
        end = place + length
        _attributes, place = decode_varint(buffer, place)
        delta, place = decode_varint(buffer, place)
        stamped_by_broker = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if stamped_by_broker else self.first_timestamp + delta
        offset_delta, place = decode_varint(buffer, place)
        key, place = _nullable(buffer, place)
        value, place = _nullable(buffer, place)
        count, place = decode_varint(buffer, place)
        headers = []
        for _ in range(count):
            name, place = _nullable(buffer, place)
            content, place = _nullable(buffer, place)
            headers.append(((name or b"").decode(errors="backslashreplace"), content))
        if place != end:
            raise ValueError(f"a record of {length} bytes was read as {length + place - end}")
        self._pos = place
        kind = ControlRecord if self.is_control_batch else DefaultRecord
        return kind(length, self.base_offset + offset_delta, timestamp, self.timestamp_type, key, value, headers)


def tolerate_header_names() -> None:
    """Make this process's kafka-python consumers read records with any header names."""
    memory_records.DefaultRecordBatch = TolerantRecordBatch


def _nullable(buffer: bytearray, place: int) -> tuple[bytes | None, int]:
    length, place = decode_varint(buffer, place)
    if length < 0:
        return None, place
    return bytes(buffer[place : place + length]), place + length
