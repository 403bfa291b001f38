"""The same source with confluent-kafka: `ingestion load --client confluent`.

Its consumer works outside of Python. It needs the optional extra `fast`, and is imported only when it is used.
"""

import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

import confluent_kafka as confluent
import msgspec
from confluent_kafka import Message
from kafka.errors import CorruptRecordError

from ingestion.errors import KafkaUnavailable, SettingsError
from ingestion.loader.reading.source import Source
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin

_POLL_RECORDS = 5_000
_TIMEOUT_MS = 10_000
_QUEUED_KILOBYTES = 32 << 10  # what librdkafka may buffer, for all partitions together
_milliseconds = itemgetter(1)
_UNREADABLE = object()
"""Stands for headers that confluent-kafka cannot read."""


class FastRecord(msgspec.Struct, gc=False):
    """A message as `Batch` expects it: quickly made, and quickly read."""

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
            _await_leaders(settings, consumer)
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
        if not any(map(Message.error, messages)):
            self._take(messages, polled)
            return polled
        for message in messages:
            if error := message.error():
                self._note(error, message.partition(), message.offset())
            else:
                self._take([message], polled)
        return polled

    def _take(self, messages: list[Message], polled: dict[int, list[Any]]) -> None:
        """Add messages to what was polled, one run of a partition after the other."""
        headers, all_read = _headers(messages)
        times = map(_milliseconds, map(Message.timestamp, messages))
        places, keys, values = map(Message.offset, messages), map(Message.key, messages), map(Message.value, messages)
        columns: tuple[Iterable[Any], ...] = (places, times, keys, values, headers)
        records = list(map(FastRecord, *columns))  # outside of Python, in a third of the time
        begin = 0
        for partition, run in groupby(map(Message.partition, messages)):
            end = begin + len(list(run))
            if partition in self._positions and partition not in self._corrupt:
                taken = records[begin:end]
                if not all_read:
                    self._read_headers(partition, taken)
                polled[partition] += taken
                self._positions[partition] = taken[-1].offset + 1
            begin = end

    def position(self, partition: int) -> int:
        """As `Source.position`."""
        return self._positions[partition]

    def _begin_anew(self) -> None:
        """Continue with a new consumer.

        A consumer that met a corrupt batch takes bytes in the middle of it for offsets.
        """
        self._consumer.close()
        self._consumer = _consumer(self._settings)
        _await_leaders(self._settings, self._consumer)
        places = [confluent.TopicPartition(self._settings.topic, p, offset) for p, offset in self._positions.items()]
        self._consumer.incremental_assign(places)

    def _read_headers(self, partition: int, records: list[FastRecord]) -> None:
        """Read the headers that confluent-kafka cannot read with kafka-python."""
        for record in records:
            if record.headers is _UNREADABLE:
                record.headers = self._headers(partition, record.offset)

    def _headers(self, partition: int, offset: int) -> Any:
        """The headers of one message, read with kafka-python."""
        self._tolerant = self._tolerant or Source.open(self._settings)
        self._tolerant.read_from(partition, offset)
        end = time.monotonic() + _TIMEOUT_MS / 1000
        while time.monotonic() < end:
            for record in self._tolerant.poll(_TIMEOUT_MS).get(partition, []):
                if record.offset == offset:
                    return record.headers
        raise self._failed(None, partition)

    def _note(self, error: confluent.KafkaError, partition: int | None, offset: int | None) -> None:
        """Handle what comes instead of a message: a partition's end, a corrupt batch, a failure.

        At its end, a partition's position moves past offsets without a message. A failure is raised.
        """
        if partition is None or offset is None:
            raise self._failed(error, partition)
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


def _headers(messages: list[Message]) -> tuple[list[Any], bool]:
    """The headers of each message, and whether all were read.

    Those with a name that is not UTF-8 are `_UNREADABLE`: confluent-kafka sets an error and yet returns a list with a
    hole in it. `map` checks each call for an error. A plain call, once Python has specialised it, lets that list pass,
    and the code that reads it crashes. So does a second call for the same message, which sets no error.
    """
    each = map(Message.headers, messages)
    headers: list[Any] = []
    all_read = True
    while len(headers) < len(messages):
        try:
            headers.extend(each)
        except SystemError:  # what was read before it is in the list; `each` continues after it
            headers.append(_UNREADABLE)
            all_read = False
    return headers, all_read


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


def _await_leaders(settings: KafkaSettings, consumer: confluent.Consumer) -> None:
    """Wait until a consumer knows who leads the topic's partitions.

    What is assigned before that is read only after librdkafka's next look, up to a second later.

    Raises:
        KafkaUnavailable: the broker does not answer.
    """
    try:
        consumer.list_topics(settings.topic, _TIMEOUT_MS / 1000)
    except confluent.KafkaException as error:
        raise KafkaUnavailable(
            f"Kafka at {settings.bootstrap_servers} did not answer: {error.args[0].name()}. "
            "Is it running (`sandbox status`), and is KAFKA_BOOTSTRAP_SERVERS right?"
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
