"""Say what a load waits for.

It may be partitions that others hold, open transactions, or a broker that sends nothing.
"""

import logging
import time
from collections.abc import Mapping

from ingestion.errors import KafkaUnavailable, OpenTransaction
from ingestion.loader.reading.source import Source
from ingestion.loader.store import Store

log = logging.getLogger("ingestion.loader")

LONG_SECONDS = 5.0  # time to say what for
_AGAIN_SECONDS = 60.0
SILENCE_SECONDS = 15.0  # the topic holds more, but Kafka sends nothing
TRANSACTION_SECONDS = 10.0  # how long to wait for what an open transaction holds back


class LoadWaits:
    """Says what a load waits for: each thing once, and again after a while."""

    def __init__(self, source: Source, store: Store, topic: str) -> None:
        self._source = source
        self._store = store
        self._topic = topic
        self._transactions: dict[int, int] = {}  # partition: where an open transaction holds messages back
        self._others: Mapping[int, int] = {}  # partition that others hold: the offset stored when it last moved
        self._next_word = 0.0  # when to report that it does not move

    @staticmethod
    def is_long(seconds: float) -> bool:
        """Whether the wait was long enough to report."""
        return seconds >= LONG_SECONDS

    def for_others(self, stored: Mapping[int, int]) -> None:
        """Report now and then which loaders this one waits for, if their partitions do not move.

        Args:
            stored: the next offset of each partition that others hold.
        """
        now = time.monotonic()
        if stored != self._others:
            self._others, self._next_word = stored, now + LONG_SECONDS
        elif now >= self._next_word:
            self._next_word = now + _AGAIN_SECONDS
            holders = self._store.holders(stored)
            for partition in sorted(stored):
                log.warning(
                    "Waiting for partition %d of %s: offset %d is next, and %s loads it. If it hangs, end it.",
                    partition,
                    self._topic,
                    stored[partition],
                    holders.get(partition, "nobody"),
                )

    def for_messages(self, owned: Mapping[int, int], ends: Mapping[int, int], seconds: float) -> None:
        """Report what holds back the remaining messages, and fail if they never come.

        Args:
            owned: the next offset of each partition that this loader holds.
            ends: the offset to reach in each partition.
            seconds: time since the last message.

        Raises:
            OpenTransaction: a transaction does not end.
            KafkaUnavailable: Kafka sends nothing although the topic holds more.
        """
        bounds = self._source.bounds(owned)
        held = {p: part.readable for p, part in bounds.items() if part.readable <= owned[p] < min(part.end, ends[p])}
        words = [
            f"an open transaction on {self._topic}, partition {p}, that begins at offset {offset} and holds back "
            f"{bounds[p].end - offset} offsets"
            for p, offset in sorted(held.items())
        ]
        if held != self._transactions:
            self._transactions = held
            for transaction in words:
                log.warning("Waiting for %s to end.", transaction)
        if held and seconds > TRANSACTION_SECONDS:
            raise OpenTransaction(
                f"Some messages were not loaded: {'; '.join(words)}. What was committed before is "
                "loaded. End the transaction, or wait for its transaction.timeout.ms, then load again."
            )
        if seconds > SILENCE_SECONDS:
            raise KafkaUnavailable(
                f"Kafka sent nothing for {SILENCE_SECONDS:.0f} s although {self._topic} holds more messages "
                f"(partitions {', '.join(map(str, sorted(owned)))})."
            )
