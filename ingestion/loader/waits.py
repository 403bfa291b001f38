"""What a load waits for, in words: partitions that others hold, open transactions, a broker that sends nothing."""

import logging
import time
from collections.abc import Mapping

from ingestion.errors import KafkaUnavailable, OpenTransaction
from ingestion.loader.reading.source import Source
from ingestion.loader.store import Store

log = logging.getLogger("ingestion.loader")

LONG_SECONDS = 5.0  # time to say for what
_AGAIN_SECONDS = 60.0
SILENCE_SECONDS = 15.0  # the topic holds more, but Kafka sends nothing
TRANSACTION_SECONDS = 10.0  # what an open transaction holds back is waited for as long


class Waits:
    """Says for what a load waits, each thing once, and again after a while."""

    def __init__(self, source: Source, store: Store, topic: str) -> None:
        self._source = source
        self._store = store
        self._topic = topic
        self._transactions: dict[int, int] = {}  # partitions that an open transaction holds back, and where
        self._others: Mapping[int, int] = {}  # what others hold, with the offsets stored when it last moved
        self._next_word = 0.0  # when to say that it does not move

    @staticmethod
    def is_long(seconds: float) -> bool:
        """Whether a wait was long enough to say something."""
        return seconds >= LONG_SECONDS

    def for_others(self, stored: Mapping[int, int]) -> None:
        """Say now and then for whom this loader waits, where what others hold does not move.

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
                    "Waiting for partition %d of %s: offset %d is next, and %s loads it. If that hangs, end it.",
                    partition,
                    self._topic,
                    stored[partition],
                    holders.get(partition, "nobody"),
                )

    def for_messages(self, owned: Mapping[int, int], ends: Mapping[int, int], seconds: float) -> None:
        """Say what holds back what is still to come, and end if it never comes.

        Args:
            owned: the next offset of each partition that this loader holds.
            ends: where each is to be loaded to.
            seconds: since anything came.

        Raises:
            OpenTransaction: a transaction does not end.
            KafkaUnavailable: Kafka sends nothing although there is more.
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
                f"Not all was loaded: {'; '.join(words)}. What was committed before is loaded. End the transaction "
                "(the broker does so after its transaction.timeout.ms if the producer is dead), then load again."
            )
        if seconds > SILENCE_SECONDS:
            raise KafkaUnavailable(
                f"Kafka sent nothing for {SILENCE_SECONDS:.0f} s although {self._topic} holds more messages "
                f"(partitions {', '.join(map(str, sorted(owned)))})."
            )
