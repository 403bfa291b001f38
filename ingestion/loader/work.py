"""One engagement of a loader: from connecting to the first outage or to the end of its work.

Reading and parsing (this thread) overlap with COPY (a second one): at most one batch is under way. Partitions change
hands only between batches.
"""

import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Self
from uuid import UUID

from ingestion.errors import KafkaUnavailable, MessagesLost
from ingestion.loader.batch import Batch
from ingestion.loader.source import Source
from ingestion.loader.store import Store

log = logging.getLogger("ingestion.loader")

_BATCH_ROWS = 20_000
_BATCH_BYTES = 8 << 20
_BATCH_SECONDS = 1.0
_POLL_MILLISECONDS = 250
_SHARE_SECONDS = 1.0  # how often followers look for a fair share of the partitions
_HELD_SECONDS = 5.0  # what others hold does not move: time to say so
_HELD_AGAIN_SECONDS = 60.0
_SILENCE_SECONDS = 15.0  # the topic holds more, but Kafka sends nothing


class Work:
    """Loads partitions of one topic through one store, until told to stop.

    Args:
        source: where messages come from.
        store: where they go.
        topic: name of the topic.
        topic_id: its id.
        keys: dye keys whose signatures hold.
        accept_loss: go on after a gap, which is recorded all the same.
        stop: set from outside to end the work after the batch under way.
        committed: called after each batch that was committed.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        topic: str,
        topic_id: UUID,
        keys: list[bytes],
        accept_loss: bool,
        stop: Event,
        committed: Callable[[Batch], None],
    ) -> None:
        self._source = source
        self._store = store
        self._topic = topic
        self._topic_id = topic_id
        self._keys = keys
        self._accept_loss = accept_loss
        self._stop = stop
        self._committed = committed
        self._owned: dict[int, int] = {}  # partition: the next offset as stored, the batch under way included
        # partition: where the next batch begins; behind a gap beyond what is stored
        self._read_up_to: dict[int, int] = {}
        self._told: set[tuple[int, str]] = set()  # partitions and why offsets are missing there
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy")
        self._under_way: tuple[Future[None], Batch] | None = None
        self._last_progress = time.monotonic()
        self._waited_for: dict[int, int] = {}  # what others hold, with the offsets stored when it last moved
        self._next_word = 0.0  # when to say that it does not move

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown(wait=True)
        if self._under_way and self._under_way[0].exception() is None:
            self._committed(self._under_way[1])

    def until(self, ends: dict[int, int], workers: int) -> None:
        """Load until every partition's stored offset has reached its end, whoever loads it.

        Args:
            ends: per partition the end to reach.
            workers: how many loaders do this together; each takes its share, and what is left after it.
        """
        waiting = set(ends)
        share = math.ceil(len(ends) / workers)
        while waiting and not self._stop.is_set():
            self._finish()
            for partition in sorted(waiting - set(self._owned)):
                if len(self._owned) < share and self._take(partition) and self._owned[partition] >= ends[partition]:
                    self._release(partition)
            stored = self._store.next_offsets(waiting)
            waiting = {partition for partition in waiting if stored[partition] < ends[partition]}
            while self._owned and not self._stop.is_set():
                self._load_some()
                reached = [p for p, offset in self._owned.items() if offset >= ends[p]]
                if reached:
                    self._finish()
                for partition in reached:
                    self._release(partition)
                    waiting.discard(partition)
                self._notice_silence()
            if waiting:
                self._notice_wait({partition: stored[partition] for partition in waiting})
                self._stop.wait(_POLL_MILLISECONDS / 1000)  # others hold what is left
        self._finish()

    def follow(self) -> None:
        """Load a fair share of the partitions until told to stop."""
        next_share = 0.0
        while not self._stop.is_set():
            if time.monotonic() >= next_share:
                self._finish()
                self._share()
                next_share = time.monotonic() + _SHARE_SECONDS
            self._load_some()
        self._finish()

    def _share(self) -> None:
        """Give up partitions beyond the fair share, take free ones up to it."""
        _, partitions = self._checked_topic()
        fair = math.ceil(len(partitions) / max(1, self._store.followers()))
        for partition in sorted(self._owned)[fair:]:
            self._release(partition)
        for partition in partitions:
            if len(self._owned) < fair and partition not in self._owned:
                self._take(partition)

    def _take(self, partition: int) -> bool:
        """Own a partition if it is free and whole, and read it from where it was left."""
        if not self._store.try_to_own(partition):
            return False
        stored = self._store.next_offsets([partition])[partition]
        first, end = self._source.bounds([partition])[partition]
        if first <= stored <= end:
            self._tell_of_a_lost_tail(partition, stored)
            self._start_at(partition, stored, stored)
            return True
        if stored < first:
            self._notice_gap(partition, stored, first, "deleted_before_loaded")
            self._start_at(partition, stored, first)
            return True
        # Rows of these offsets are stored: what the broker hands out again below them cannot be told from them.
        self._notice_gap(partition, end, stored, "stored_offset_beyond_end")
        self._store.give_up(partition)
        return False

    def _start_at(self, partition: int, stored: int, position: int) -> None:
        self._owned[partition] = stored
        self._read_up_to[partition] = position
        self._source.read_from(partition, position)
        self._last_progress = time.monotonic()

    def _notice_gap(self, partition: int, from_offset: int, to_offset: int, reason: str) -> None:
        self._store.record_gap(partition, from_offset, to_offset, reason)
        what = (
            "were deleted from the topic before they were loaded"
            if reason == "deleted_before_loaded"
            else "were loaded, but the topic ends before them: the broker lost them"
        )
        found = f"Offsets {from_offset} to {to_offset - 1} of {self._topic}, partition {partition}, {what}"
        if not self._accept_loss:
            raise MessagesLost(
                f"{found}. The gap is recorded in raw.gaps. Find out why; "
                "then go on with `ingestion load --accept-loss`."
            )
        if (partition, reason) not in self._told:  # followers look again every second
            self._told.add((partition, reason))
            log.warning("%s. The gap is recorded in raw.gaps; going on.", found)

    def _tell_of_a_lost_tail(self, partition: int, stored: int) -> None:
        """Say what was passed over while the broker gave out offsets anew that it had lost."""
        if (lost := self._store.lost_before(partition, stored)) is not None:
            log.warning(
                "The broker had lost offsets %d to %d of %s, partition %d, and gave them out anew: the messages that "
                "have them now were not loaded. Going on behind them.",
                lost,
                stored - 1,
                self._topic,
                partition,
            )

    def _release(self, partition: int) -> None:
        self._source.stop_reading(partition)
        del self._owned[partition], self._read_up_to[partition]
        self._store.give_up(partition)

    def _load_some(self) -> None:
        """Read one batch, and hand it to the writer once the one before is committed."""
        batch = self._read()
        moves = {}
        for partition, stored in self._owned.items():
            position = self._source.position(partition)
            if position != stored:
                moves[partition] = (stored, position)
                batch.passed(partition, self._read_up_to[partition], position)
                self._read_up_to[partition] = position
        self._finish()
        if not moves:
            return
        # Read before this check, so of this topic and not of one made again under its name.
        self._checked_topic()
        batch.moves = moves
        self._owned.update((partition, after) for partition, (_, after) in moves.items())
        self._under_way = (self._writer.submit(self._write, batch), batch)
        self._last_progress = time.monotonic()

    def _write(self, batch: Batch) -> None:
        began = time.monotonic()
        self._store.commit(batch)
        batch.seconds = time.monotonic() - began

    def _read(self) -> Batch:
        batch = Batch(self._topic, self._topic_id, self._keys)
        end = time.monotonic() + _BATCH_SECONDS
        rows = 0
        while rows < _BATCH_ROWS and batch.size < _BATCH_BYTES and time.monotonic() < end and not self._stop.is_set():
            polled = self._source.poll(0 if rows else _POLL_MILLISECONDS)
            if not polled:
                break
            for partition, records in polled.items():
                batch.add(partition, records)
                rows += len(records)
        return batch

    def _finish(self) -> None:
        """Wait until the batch under way is committed."""
        if self._under_way:
            future, batch = self._under_way
            self._under_way = None
            future.result()
            self._committed(batch)

    def _checked_topic(self) -> tuple[UUID, list[int]]:
        topic_id, partitions = self._source.topic()
        if topic_id != self._topic_id:
            raise TopicMadeAgain(f"The topic {self._topic} was deleted and made again; starting at its beginning.")
        return topic_id, partitions

    def _notice_wait(self, stored: dict[int, int]) -> None:
        """Say now and then for whom this loader waits, where what others hold does not move."""
        now = time.monotonic()
        if stored != self._waited_for:
            self._waited_for, self._next_word = stored, now + _HELD_SECONDS
        elif now >= self._next_word:
            self._next_word = now + _HELD_AGAIN_SECONDS
            holders = self._store.holders(stored)
            for partition in sorted(stored):
                log.warning(
                    "Waiting for partition %d of %s: offset %d is next, and %s loads it. If that hangs, end it.",
                    partition,
                    self._topic,
                    stored[partition],
                    holders.get(partition, "nobody"),
                )

    def _notice_silence(self) -> None:
        if self._owned and time.monotonic() - self._last_progress > _SILENCE_SECONDS:
            raise KafkaUnavailable(
                f"Kafka sent nothing for {_SILENCE_SECONDS:.0f} s although {self._topic} holds more messages "
                f"(partitions {', '.join(map(str, sorted(self._owned)))})."
            )


class TopicMadeAgain(KafkaUnavailable):
    """The topic has another id than when this engagement began; the next one starts at its beginning."""
