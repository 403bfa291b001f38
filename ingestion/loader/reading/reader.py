"""Read single messages of the topic, beside the loader that keeps reading."""

import time
from typing import Any

from kafka.errors import CorruptRecordError, KafkaError

from ingestion.errors import KafkaUnavailable
from ingestion.loader.reading.source import Source
from ingestion.message.record import Record
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import unavailable

_WITHIN_SECONDS = 15.0
_POLL_MILLISECONDS = 250


class Reader:
    """Reads single messages of the topic, beside the loader that keeps reading."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._source: Source | None = None

    def close(self) -> None:
        """Disconnect from the broker, if it was ever asked."""
        if self._source:
            self._source.close()

    def first(self, partition: int, from_offset: int, to_offset: int) -> Record | None:
        """The first message in a range of offsets; None if there is none.

        Raises:
            CorruptRecordError: the message is corrupt.
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
        """The first message in a range of offsets that is not corrupt; None if there is none."""
        while from_offset < to_offset:
            try:
                return self.first(partition, from_offset, to_offset)
            except CorruptRecordError:
                from_offset = self.readable_from(partition, from_offset, to_offset)
        return None

    def is_readable(self, partition: int, offset: int, end: int) -> bool:
        """Whether the message at an offset is not corrupt."""
        try:
            self.first(partition, offset, end)
        except CorruptRecordError:
            return False
        return True

    def readable_from(self, partition: int, corrupt: int, end: int) -> int:
        """The first offset after a corrupt one that can be read; the end if there is none.

        Kafka refuses a corrupt batch from any offset within it, but not the batch after it.
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
