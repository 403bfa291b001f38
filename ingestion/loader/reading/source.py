"""Read committed messages from given offsets of given partitions."""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Self
from uuid import UUID

from kafka import IsolationLevel, KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from ingestion.settings import KafkaSettings
from ingestion.topic.admin import configuration, leaders, open_admin, unavailable
from ingestion.topic.client import open_client
from ingestion.topic.header_names import tolerate_header_names

_TIMEOUT_MS = 10_000
_NEW_TOPIC_SECONDS = 5.0
_POLL_RECORDS = 5_000
_FETCH_BYTES_PER_PARTITION = 2 << 20  # a larger single message still arrives


class Bounds(NamedTuple):
    """What the topic holds of a partition.

    Attributes:
        first: the first offset that it still holds.
        readable: the end of what is committed; an open transaction holds back what comes after it.
        end: the end of the partition.
    """

    first: int
    readable: int
    end: int


class Source:
    """A consumer that is told what to read, with an admin client that knows the topic's id."""

    def __init__(self, settings: KafkaSettings, admin: KafkaAdminClient, consumer: KafkaConsumer) -> None:
        self._settings = settings
        self._admin = admin
        self._consumer = consumer
        self._assigned: set[int] = set()

    @classmethod
    def open(cls, settings: KafkaSettings) -> Self:
        """Connect to the broker.

        Raises:
            KafkaUnavailable: the broker cannot be reached.
        """
        tolerate_header_names()
        admin = open_admin(settings)
        try:
            consumer = open_client(
                KafkaConsumer,
                **settings.client_options(),
                allow_auto_create_topics=False,
                auto_offset_reset="none",
                bootstrap_timeout_ms=_TIMEOUT_MS,
                enable_auto_commit=False,
                fetch_max_wait_ms=250,
                isolation_level="read_committed",
                max_partition_fetch_bytes=_FETCH_BYTES_PER_PARTITION,
                max_poll_records=_POLL_RECORDS,
                metrics_enabled=False,
                reconnect_backoff_max_ms=1_000,
            )
        except KafkaError as error:
            admin.close()
            raise unavailable(settings, error) from error
        return cls(settings, admin, consumer)

    def close(self) -> None:
        """Disconnect from the broker."""
        self._consumer.close(autocommit=False)
        self._admin.close()

    def topic(self) -> tuple[UUID, dict[int, int]]:
        """Ask for the topic's id and its partitions, with the epochs of their leaders.

        Raises:
            KafkaUnavailable: the broker does not answer.
            InputError: there is no such topic.
        """
        return leaders(self._admin, self._settings)

    def configuration(self) -> dict[str, str]:
        """The settings of the topic.

        Raises:
            KafkaUnavailable: the broker does not answer.
        """
        return configuration(self._admin, self._settings)

    def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        """What the topic holds of each partition.

        Raises:
            KafkaUnavailable: the broker does not answer.
        """
        wanted = [self._place(partition) for partition in partitions]
        asked = (
            (OffsetSpec.EARLIEST, IsolationLevel.READ_UNCOMMITTED),
            # In this order: everything readable was written before, no matter how fast others write.
            (OffsetSpec.LATEST, IsolationLevel.READ_COMMITTED),
            (OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED),
        )
        deadline = time.monotonic() + _NEW_TOPIC_SECONDS
        while True:
            try:
                first, readable, end = (
                    self._admin.list_partition_offsets(dict.fromkeys(wanted, what), level, _TIMEOUT_MS)
                    for what, level in asked
                )
                break
            except UnknownTopicOrPartitionError as error:  # just created, and not yet known to its leader
                if time.monotonic() > deadline:
                    raise unavailable(self._settings, error) from error
                time.sleep(0.1)
            except KafkaError as error:
                raise unavailable(self._settings, error) from error
        return {
            place.partition: Bounds(first[place].offset, readable[place].offset, end[place].offset) for place in wanted
        }

    def read_from(self, partition: int, offset: int) -> None:
        """Start reading a partition from an offset."""
        self._assigned.add(partition)
        self._consumer.assign([self._place(p) for p in self._assigned])
        self._consumer.seek(self._place(partition), offset)

    def stop_reading(self, partition: int) -> None:
        """Stop reading a partition."""
        self._assigned.discard(partition)
        self._consumer.assign([self._place(p) for p in self._assigned])

    def poll(self, milliseconds: int) -> dict[int, list[Any]]:
        """The next messages, by partition; empty if none arrive in time.

        Raises:
            KafkaError: kafka-python's own.
        """
        polled = self._consumer.poll(timeout_ms=milliseconds)
        return {place.partition: records for place, records in polled.items()}

    def position(self, partition: int) -> int:
        """The next offset to read.

        It moves past offsets without a message: transaction markers, aborted and compacted messages.
        """
        position = self._consumer.position(self._place(partition), timeout_ms=_TIMEOUT_MS)
        return int(position)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.topic, partition)
