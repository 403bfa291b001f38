"""Connect the event loop with the producer without ever blocking the loop.

Messages are sent on a thread of their own, and acknowledgements are awaited.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from ingestion.errors import IngestionError, KafkaUnavailable
from ingestion.front_door.errors import Undelivered
from ingestion.message.record import Outgoing
from ingestion.settings import KafkaSettings
from ingestion.topic.producer import MessageProducer, Position, SendOutcome

ANSWER_WITHIN_SECONDS = 10.0
"""Seconds that a request waits for the broker before the answer is that Kafka is unreachable."""

_BROKER_DEADLINE_SECONDS = 8.0
_LINGER_SECONDS = 0.002


class MessageSender:
    """One producer for all requests; a context manager.

    kafka-python may block in `send` (while connecting, or when its buffer is full), so one thread sends everything, in
    the order of arrival. A request that has waited too long gets its answer; if its turn has not come, it is never
    sent.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = MessageProducer(settings, _BROKER_DEADLINE_SECONDS, _LINGER_SECONDS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="messages")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._producer.__exit__(kind, error, at)

    async def deliver(self, messages: Sequence[Outgoing], headers: Sequence[tuple[str, bytes]] = ()) -> list[Position]:
        """Publish messages and wait until the broker has acknowledged all of them.

        Returns:
            Their positions, in order.

        Raises:
            Undelivered: some were not acknowledged; holds the positions of the others. Its cause is a KafkaUnavailable,
                or an InputError if the topic does not take a message of that size.
        """
        if not messages:
            return []
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[list[SendOutcome | None]] = loop.create_future()

        def finish(outcomes: list[SendOutcome | None]) -> None:
            if not finished.done():  # the request may already have been answered
                finished.set_result(outcomes)

        gathered = _Gathered(len(messages), lambda outcomes: loop.call_soon_threadsafe(finish, outcomes))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                await loop.run_in_executor(self._thread, self._send, messages, headers, gathered)
                outcomes = await finished
        except TimeoutError:
            outcomes = gathered.so_far()
        positions = [outcome if isinstance(outcome, Position) else None for outcome in outcomes]
        acknowledged = [position for position in positions if position]
        if len(acknowledged) == len(messages):
            return acknowledged
        failures = [outcome for outcome in outcomes if isinstance(outcome, IngestionError)]
        failure = failures[0] if failures else KafkaUnavailable("Kafka did not acknowledge in time.")
        raise Undelivered(
            f"{len(acknowledged)} of {len(messages)} messages are acknowledged. {failure}", positions
        ) from failure

    def _send(self, messages: Sequence[Outgoing], headers: Sequence[tuple[str, bytes]], gathered: "_Gathered") -> None:
        for place, message in enumerate(messages):
            try:
                self._producer.send(message.value, message.key, headers).on_done(gathered.slot(place))
            except IngestionError as error:
                for unsent in range(place, len(messages)):
                    gathered.slot(unsent)(error)
                return


class _Gathered:
    """Collects the outcomes of one request's messages, and signals when all are known.

    The outcomes arrive on Kafka's thread.
    """

    def __init__(self, expected: int, when_all: Callable[[list[SendOutcome | None]], object]) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[SendOutcome | None] = [None] * expected
        self._missing = expected
        self._when_all = when_all

    def slot(self, place: int) -> Callable[[SendOutcome], None]:
        """The callback for the message at `place`."""

        def fill(outcome: SendOutcome) -> None:
            with self._lock:
                self._outcomes[place] = outcome
                self._missing -= 1
                all_known = not self._missing
            if all_known:
                self._when_all(self.so_far())

        return fill

    def so_far(self) -> list[SendOutcome | None]:
        """The outcomes, in order; None where one is not known yet."""
        with self._lock:
            return list(self._outcomes)
