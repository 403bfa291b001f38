"""The same source with confluent-kafka: `ingestion load --client confluent`.

Its consumer works outside of Python. It needs the optional extra `fast`, and is imported only when it is used.
"""

import time
from collections import defaultdict
from operator import methodcaller
from typing import Any, NamedTuple, Self

import confluent_kafka as confluent
from kafka.errors import CorruptRecordError

from ingestion.errors import KafkaUnavailable, SettingsError
from ingestion.loader.reading.source import Source
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin

_POLL_RECORDS = 5_000
_TIMEOUT_MS = 10_000
_QUEUED_KILOBYTES = 32 << 10  # what librdkafka may buffer, for all partitions together
_headers_of = methodcaller("headers")
"""Calls `message.headers()` so that Python always checks for an error.

For a name that is not UTF-8, confluent-kafka sets an error and yet returns a list with a hole in it. A plain call, once
Python has specialised it, lets that list pass, and the code that reads it crashes.
"""


class FastRecord(NamedTuple):
    """A message as `Batch` expects it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any


class FastSource(Source):
    """A source that reads with confluent-kafka.

    It asks kafka-python's admin client about the topic.
    """

    _consumer: confluent.Consumer

    @classmethod
    def open(cls, settings: KafkaSettings) -> Self:
        """Connect to the broker.

        Raises:
            SettingsError: librdkafka refuses the connection settings.
            KafkaUnavailable: the broker cannot be reached.
        """
        consumer = _consumer(settings)
        try:
            return cls(settings, open_admin(settings), consumer)
        except BaseException:
            consumer.close()
            raise

    def __init__(self, settings: KafkaSettings, admin: Any, consumer: confluent.Consumer) -> None:
        super().__init__(settings, admin, consumer)
        self._positions: dict[int, int] = {}
        self._corrupt: dict[int, int] = {}  # partition: where a corrupt batch begins; nothing after it is returned
        self._tolerant: Source | None = None

    def close(self) -> None:
        """Disconnect from the broker."""
        if self._tolerant:
            self._tolerant.close()
        self._consumer.close()
        self._admin.close()

    def read_from(self, partition: int, offset: int) -> None:
        """As `Source.read_from`."""
        if partition in self._positions:
            self.stop_reading(partition)
        self._consumer.incremental_assign([confluent.TopicPartition(self._settings.topic, partition, offset)])
        self._positions[partition] = offset

    def stop_reading(self, partition: int) -> None:
        """As `Source.stop_reading`."""
        self._consumer.incremental_unassign([confluent.TopicPartition(self._settings.topic, partition)])
        del self._positions[partition]
        if self._corrupt.pop(partition, None) is not None:
            self._begin_anew()

    def poll(self, milliseconds: int) -> dict[int, list[Any]]:
        """As `Source.poll`.

        Raises:
            CorruptRecordError: the next batch of a partition is corrupt; what came before it was returned.
            KafkaUnavailable: the broker failed, or no longer holds the next message.
        """
        if self._corrupt:
            raise CorruptRecordError(f"partition and offset: {self._corrupt}")
        messages = self._consumer.consume(_POLL_RECORDS, 0)
        # A message without a value has length 0 and is false, but is still a message.
        if not messages and milliseconds and (message := self._consumer.poll(milliseconds / 1000)) is not None:
            messages = [message]
        polled: dict[int, list[Any]] = defaultdict(list)
        for message in messages:
            partition, offset = message.partition(), message.offset()
            if partition is None or offset is None:
                raise self._failed(message.error(), partition)
            if error := message.error():
                self._note(error, partition, offset)
            elif partition in self._positions and partition not in self._corrupt:
                polled[partition].append(
                    FastRecord(
                        offset,
                        message.timestamp()[1],
                        message.key(),
                        message.value(),
                        self._headers(message, partition, offset),
                    )
                )
                self._positions[partition] = offset + 1
        return polled

    def position(self, partition: int) -> int:
        """As `Source.position`."""
        return self._positions[partition]

    def _begin_anew(self) -> None:
        """Continue with a new consumer.

        A consumer that met a corrupt batch takes bytes in the middle of it for offsets.
        """
        self._consumer.close()
        self._consumer = _consumer(self._settings)
        places = [confluent.TopicPartition(self._settings.topic, p, offset) for p, offset in self._positions.items()]
        self._consumer.incremental_assign(places)

    def _headers(self, message: confluent.Message, partition: int, offset: int) -> Any:
        try:
            return _headers_of(message)
        except SystemError:  # how confluent-kafka fails if a header's name is not UTF-8; kafka-python reads it
            self._tolerant = self._tolerant or Source.open(self._settings)
            self._tolerant.read_from(partition, offset)
            end = time.monotonic() + _TIMEOUT_MS / 1000
            while time.monotonic() < end:
                for record in self._tolerant.poll(_TIMEOUT_MS).get(partition, []):
                    if record.offset == offset:
                        return record.headers
            raise self._failed(None, partition) from None

    def _note(self, error: confluent.KafkaError, partition: int, offset: int) -> None:
        """Handle what comes instead of a message: a partition's end, a corrupt batch, a failure.

        At its end, a partition's position moves past offsets without a message. A failure is raised.
        """
        if partition in self._corrupt:
            return  # librdkafka continues in the middle of the corrupt batch, and takes its bytes for the next one
        if error.code() == confluent.KafkaError._BAD_MSG and partition in self._positions:
            self._corrupt[partition] = offset
        elif error.code() != confluent.KafkaError._PARTITION_EOF:
            raise self._failed(error, partition)
        elif partition in self._positions:
            self._positions[partition] = max(self._positions[partition], offset)

    def _failed(self, error: confluent.KafkaError | None, partition: int | None) -> KafkaUnavailable:
        return KafkaUnavailable(
            f"Kafka at {self._settings.bootstrap_servers} failed ({error.name() if error else 'no reason given'}) in "
            f"{self._settings.topic}, partition {partition}."
        )


def _consumer(settings: KafkaSettings) -> confluent.Consumer:
    """A consumer, which connects later."""
    try:
        return confluent.Consumer(
            {
                **_librdkafka_options(settings),
                "allow.auto.create.topics": False,
                "auto.offset.reset": "error",
                "check.crcs": True,  # otherwise a bit flipped on the broker's disk is loaded as another value
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "error_cb": lambda _: None,  # errors that stop reading come with the messages; the rest are temporary
                "fetch.message.max.bytes": 2 << 20,
                "fetch.queue.backoff.ms": 5,  # the default of 1 s would be the bottleneck, not the processor
                "fetch.wait.max.ms": 250,
                "group.id": "unused",  # a group is required, but partitions are assigned and nothing is committed
                "isolation.level": "read_committed",
                "log_level": 0,
                "queued.max.messages.kbytes": _QUEUED_KILOBYTES // 4,
                "reconnect.backoff.max.ms": 1_000,
            }
        )
    except confluent.KafkaException as error:
        raise SettingsError(
            f"confluent-kafka cannot connect to Kafka with these settings: {error.args[0].str()}. "
            "Correct the variables that begin with KAFKA_SECURITY, KAFKA_SASL and KAFKA_SSL."
        ) from error


def _librdkafka_options(settings: KafkaSettings) -> dict[str, Any]:
    options = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": settings.sasl_password.get_secret_value() if settings.sasl_password else None,
        "ssl.ca.location": settings.ssl_cafile,
    }
    return {name: value for name, value in options.items() if value is not None}
