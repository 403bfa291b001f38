"""Find messages on the topic by a header.

It shows whether a message that a killed command was about to publish arrived.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from ingestion.errors import KafkaUnavailable
from ingestion.settings import KafkaSettings
from ingestion.topic import header_names as kafka_records
from ingestion.topic.admin import describe, open_admin, unavailable
from ingestion.topic.client import open_client
from ingestion.topic.producer import Position

_TIMEOUT_MS = 10_000
_SILENCE_SECONDS = 15.0  # the topic holds more, but Kafka sends nothing


class Unclear(Exception):  # a signal inside the replay of dead letters, never shown
    """The part of the topic to search no longer exists."""


class TopicSearch:
    """Searches the whole topic, including messages of open transactions; a context manager.

    Args:
        settings: Kafka's address, and the topic.

    Raises:
        KafkaUnavailable: the broker cannot be reached.
        InputError: there is no such topic.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        kafka_records.tolerate_header_names()
        admin = open_admin(settings)
        try:
            self.topic_id, partitions = describe(admin, settings)
        finally:
            admin.close()
        self._places = [TopicPartition(settings.topic, partition) for partition in partitions]
        try:
            self._consumer = open_client(
                KafkaConsumer,
                **settings.client_options(),
                allow_auto_create_topics=False,
                auto_offset_reset="none",
                bootstrap_timeout_ms=_TIMEOUT_MS,
                enable_auto_commit=False,
                isolation_level="read_uncommitted",
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise unavailable(settings, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(KafkaError):  # no offsets were committed through it
            self._consumer.close(autocommit=False)

    def ends(self) -> list[int]:
        """The end of each partition.

        Raises:
            KafkaUnavailable: the broker does not answer.
        """
        return self._bounds()[1]

    def find(
        self, header: str, values: Collection[bytes], topic_id: UUID, ends: Sequence[int]
    ) -> Mapping[bytes, Position]:
        """Find messages whose header has one of some values, from given offsets on.

        Args:
            header: the header's name.
            values: the values to look for.
            topic_id: the topic's id at the time of `ends`.
            ends: by partition, the offset to begin at; a partition added since is read from its beginning.

        Returns:
            The position of each value; a value that is not on the topic is left out.

        Raises:
            Unclear: the topic was recreated since, or part of it was deleted.
            KafkaUnavailable: the broker does not answer.
        """
        if topic_id != self.topic_id:
            raise Unclear(f"The topic {self._settings.topic} has since been deleted and created again.")
        firsts, now = self._bounds()
        starts = [*ends, *[0] * (len(now) - len(ends))]
        if any(first > start for first, start in zip(firsts, starts, strict=True)):
            raise Unclear(
                f"Part of the topic {self._settings.topic} has since been deleted, for example by its retention."
            )
        found: dict[bytes, Position] = {}
        open_places = {place: end for place, start, end in zip(self._places, starts, now, strict=True) if start < end}
        try:
            self._consumer.assign(list(open_places))
            for place, start in zip(self._places, starts, strict=True):
                if place in open_places:
                    self._consumer.seek(place, start)
            last_progress = time.monotonic()
            while open_places and len(found) < len(values):
                for place, records in self._consumer.poll(timeout_ms=250).items():
                    last_progress = time.monotonic()
                    for record in records:
                        for name, value in record.headers:
                            if name == header and value in values:
                                found.setdefault(value, Position(place.partition, record.offset))
                open_places = {place: end for place, end in open_places.items() if self._consumer.position(place) < end}
                if time.monotonic() - last_progress > _SILENCE_SECONDS:
                    raise KafkaUnavailable(
                        f"Kafka sent nothing for {_SILENCE_SECONDS:.0f} s although {self._settings.topic} holds more."
                    )
        except KafkaError as error:
            raise unavailable(self._settings, error) from error
        return found

    def _bounds(self) -> tuple[list[int], list[int]]:
        try:
            firsts = self._consumer.beginning_offsets(self._places, timeout_ms=_TIMEOUT_MS)
            ends = self._consumer.end_offsets(self._places, timeout_ms=_TIMEOUT_MS)
        except KafkaError as error:
            raise unavailable(self._settings, error) from error
        return [firsts[place] for place in self._places], [ends[place] for place in self._places]
