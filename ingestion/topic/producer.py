"""Publish to the topic: a message is delivered only once the broker has acknowledged it."""

import logging
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from ingestion.errors import IngestionError, InputError, KafkaUnavailable
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import MAX_MESSAGE_BYTES
from ingestion.topic.client import open_client

DEADLINE_SECONDS = 10.0
"""Time for the broker to acknowledge a message before it counts as not delivered."""

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Bytes that may wait for acknowledgement; when they are reached, `send` waits.

kafka-python itself sets no limit.
"""

_log = logging.getLogger(__name__)


class Position(NamedTuple):
    """The broker's position of a message."""

    partition: int
    offset: int


SendOutcome = Position | IngestionError
"""The outcome of a message: its position, or why it is not known to be on the topic."""


class Delivery:
    """A message that is being sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._outcome: SendOutcome | None = None
        self._callbacks: list[Callable[[SendOutcome], None]] = []

    def wait(self, timeout_seconds: float) -> Position:
        """Wait for the acknowledgement.

        Raises:
            KafkaUnavailable: it did not come in time.
            InputError: the topic does not take a message of this size.
        """
        self._done.wait(timeout_seconds)
        if self._outcome is None:
            raise KafkaUnavailable(f"Kafka acknowledged nothing within {timeout_seconds:g} s. Is the broker running?")
        if isinstance(self._outcome, IngestionError):
            raise self._outcome
        return self._outcome

    def on_done(self, callback: Callable[[SendOutcome], None]) -> None:
        """Call `callback` once with the outcome, at once if it is known already.

        Otherwise it is called on Kafka's own thread.
        """
        with self._lock:
            if self._outcome is None:
                self._callbacks.append(callback)
                return
        callback(self._outcome)

    def settle(self, outcome: SendOutcome) -> None:
        """Set the outcome of the message. Called by the producer, once."""
        with self._lock:
            self._outcome = outcome
        self._done.set()
        for callback in self._callbacks:
            callback(outcome)


class MessageProducer:
    """Publishes messages to the topic; a context manager. Only one thread may send.

    Every message is either acknowledged by all in-sync replicas or reported as not delivered. It is on the topic once,
    no matter how often the client library retries, and the broker sets its timestamp. Topics are never created. The
    connection is made at the first send. After a failed delivery the connection is replaced, because one failure can
    make all later sends of kafka-python's idempotent producer fail.
    """

    def __init__(
        self,
        settings: KafkaSettings | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        linger_seconds: float = 0.0,
    ) -> None:
        """Prepare a producer.

        Args:
            settings: Kafka's settings; None: from the environment.
            deadline_seconds: time limit for the broker to acknowledge each message.
            linger_seconds: how long a message may wait to be batched with others: throughput against latency.

        Raises:
            SettingsError: Kafka's address is not set.
        """
        self._settings = settings or KafkaSettings.from_environment()
        self._deadline = deadline_seconds
        self._linger = linger_seconds
        self._kafka: KafkaProducer | None = None
        self._closers: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._waiting = self._waiting_bytes = self._delivered = self._failed = 0
        self._first_failure: IngestionError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._changed:
            if self._kafka is not None:
                self._replace_later(self._kafka)
        for closer in self._closers:
            closer.join()

    def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> Delivery:
        """Hand a message to Kafka without waiting for its acknowledgement.

        Args:
            value: its bytes, published unchanged; None for a tombstone (which gets an empty key if it has none, because
                kafka-python sends nothing without both).
            key: chooses the partition; None: any.
            headers: names and values.
            partition: overrides the key.

        Raises:
            KafkaUnavailable: the broker cannot be reached, the topic does not exist, or too many bytes wait already.
            InputError: the message is larger than the topic accepts, or the partition does not exist.
        """
        if value is None and key is None:
            key = b""
        size = len(value or b"") + len(key or b"")
        delivery = Delivery()
        kafka = self._connected()
        self._wait_for_room(size)
        try:
            future = kafka.send(self._settings.topic, value, key, list(headers), partition)
        except ValueError as error:
            self._forget(size)
            raise InputError(f"The topic {self._settings.topic} has no partition {partition}.") from error
        except KafkaError as error:
            self._forget(size)
            if not isinstance(error, MessageSizeTooLargeError):
                self._replace(kafka)
            raise self._explained(error, size) from error

        def acknowledged(record: "_Record") -> None:
            self._settled(delivery, Position(record.partition, record.offset), size)

        def failed(error: KafkaError) -> None:
            self._replace(kafka)
            self._settled(delivery, self._explained(error, size), size)

        future.add_callback(acknowledged)
        future.add_errback(failed)
        return delivery

    def publish(
        self,
        value: bytes | None,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> Position:
        """Send one message and wait for its acknowledgement. Arguments and errors as in `send`."""
        return self.send(value, key, headers, partition).wait(2 * self._deadline)

    def flush(self) -> int:
        """Wait until every message sent is acknowledged.

        Returns:
            Number of messages acknowledged since the producer was created.

        Raises:
            KafkaUnavailable: some were not acknowledged within the deadline; says how many.
            InputError: some were larger than the topic accepts.
        """
        with self._changed:
            # Each message has its own deadline; the last one sent cannot take twice as long.
            self._changed.wait_for(lambda: not self._waiting, 2 * self._deadline)
            open_ones, delivered = self._failed + self._waiting, self._delivered
            failure = self._first_failure or KafkaUnavailable("The broker did not answer in time.")
        if open_ones:
            raise type(failure)(
                f"{open_ones} of {open_ones + delivered} messages are not known to be on the topic. {failure}"
            )
        return delivered

    def _connected(self) -> KafkaProducer:
        with self._changed:
            kafka = self._kafka
        if kafka is None:
            milliseconds = int(self._deadline * 1000)
            try:
                kafka = open_client(
                    KafkaProducer,
                    **self._settings.client_options(),
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    compression_type="lz4",
                    linger_ms=int(self._linger * 1000),
                    batch_size=128 * 1024,
                    max_request_size=MAX_MESSAGE_BYTES,
                    request_timeout_ms=milliseconds // 2,
                    delivery_timeout_ms=milliseconds,
                    max_block_ms=milliseconds,
                    bootstrap_timeout_ms=milliseconds,
                    reconnect_backoff_max_ms=1000,
                )
            except KafkaError as error:
                raise self._explained(error, 0) from error
            with self._changed:
                self._kafka = kafka
        return kafka

    def _wait_for_room(self, size: int) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting_bytes < MAX_WAITING_BYTES, self._deadline):
                raise KafkaUnavailable(
                    f"Kafka at {self._settings.bootstrap_servers} has not acknowledged {self._waiting} messages yet; "
                    "no more are accepted. Try again later."
                )
            self._waiting += 1
            self._waiting_bytes += size

    def _forget(self, size: int) -> None:
        with self._changed:
            self._waiting -= 1
            self._waiting_bytes -= size
            self._changed.notify_all()

    def _settled(self, delivery: Delivery, outcome: SendOutcome, size: int) -> None:
        delivery.settle(outcome)
        with self._changed:
            if isinstance(outcome, IngestionError):
                self._failed += 1
                self._first_failure = self._first_failure or outcome
            else:
                self._delivered += 1
            self._waiting -= 1
            self._waiting_bytes -= size
            self._changed.notify_all()

    def _replace(self, kafka: KafkaProducer) -> None:
        with self._changed:
            if self._kafka is kafka:
                self._replace_later(kafka)

    def _replace_later(self, kafka: KafkaProducer) -> None:
        # Closing waits for messages being sent, and failures are reported on the very thread that closing joins.
        self._kafka = None
        closer = threading.Thread(target=_close, args=(kafka, 2 * self._deadline), name="kafka-close", daemon=True)
        self._closers = [thread for thread in self._closers if thread.is_alive()]
        self._closers.append(closer)
        closer.start()

    def _explained(self, error: KafkaError, size: int) -> IngestionError:
        if isinstance(error, MessageSizeTooLargeError):
            return InputError(f"A message of {size} bytes is larger than the topic {self._settings.topic} allows.")
        return KafkaUnavailable(
            f"Kafka at {self._settings.bootstrap_servers} did not take a message for the topic {self._settings.topic} "
            f"within {self._deadline:g} s: {type(error).__name__}. Is it running (`sandbox status`), and is the topic "
            "made (`ingestion topic`)?"
        )


class _Record(NamedTuple):
    """The part of kafka-python's RecordMetadata used here."""

    partition: int
    offset: int


def _close(kafka: KafkaProducer, timeout_seconds: float) -> None:
    try:
        kafka.close(timeout=timeout_seconds)
    except KafkaError as error:
        # Nothing waits for these messages any more: their deliveries have failed or been reported as open.
        _log.warning("A connection to Kafka did not close in time: %s", type(error).__name__)
