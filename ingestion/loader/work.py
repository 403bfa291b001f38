"""One attempt of a loader, from connecting to the first outage or the end of its work.

Reading and parsing (this thread) overlap with COPY (a second thread): at most one batch is being written. Partitions
change hands only between batches.
"""

import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from kafka.errors import CorruptRecordError

from ingestion.contract import Contract
from ingestion.errors import KafkaUnavailable, MessagesLost
from ingestion.loader import tail
from ingestion.loader.batch import Batch, Last
from ingestion.loader.ledger import Place
from ingestion.loader.losses import Loss, Why, in_words
from ingestion.loader.reading.reader import Reader
from ingestion.loader.reading.source import Bounds, Source
from ingestion.loader.store import Store
from ingestion.loader.waits import LoadWaits
from ingestion.message.rows import encoder
from ingestion.topic.admin import compacts_messages_away

log = logging.getLogger("ingestion.loader")

_BATCH_ROWS = 20_000
_BATCH_BYTES = 8 << 20
_BATCH_SECONDS = 1.0
_POLL_MILLISECONDS = 250
_SHARE_SECONDS = 1.0  # how often followers rebalance their share of the partitions
_SETTINGS_SECONDS = 10.0  # how often followers look at the topic's settings
_SETTLED_SECONDS = 3.0  # a partition that changes its leader may briefly seem to end too early


class Work:
    """Loads partitions of one topic through one store, until told to stop.

    Args:
        source: where messages are read from.
        store: where they are written to.
        topic: name of the topic.
        topic_id: id of the topic.
        keys: dye keys whose signatures are accepted.
        contract: the contract of the topic's messages.
        reader: reads single messages, to check that the topic still holds what was loaded from it.
        accept_loss: continue after a gap; it is recorded in any case.
        compacts: why the topic may delete messages by compaction, in words. None: it does not.
        stop: set from outside to end the work after the current batch.
        committed: called after each committed batch.
        lost: what the topic no longer holds as it was; the work adds to it.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        topic: str,
        topic_id: UUID,
        keys: list[bytes],
        contract: Contract,
        reader: Reader,
        accept_loss: bool,
        compacts: str | None,
        stop: Event,
        committed: Callable[[Batch], None],
        lost: set[Loss],
    ) -> None:
        self._source = source
        self._store = store
        self._topic = topic
        self._topic_id = topic_id
        self._keys = keys
        self._contract = contract
        self._reader = reader
        self._accept_loss = accept_loss
        self._compacts = compacts
        self._stop = stop
        self._committed = committed
        self._lost = lost
        self._owned: dict[int, int] = {}  # partition: the next offset as stored, including the batch being written
        # partition: where the next batch begins; after a gap, beyond what is stored
        self._read_up_to: dict[int, int] = {}
        self._stored_as: dict[int, UUID] = {}  # partition: the topic id of its rows
        self._unverified: dict[int, Last] = {}  # partition: the last message loaded, which the topic must still hold
        self._differs: set[int] = set()  # partitions where the topic holds a different message there, or none
        self._given_up: set[int] = set()  # partitions with a loss that nobody accepted
        self._epochs: dict[int, int] = {}  # partition: its leader's epoch when it was taken
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy")
        self._under_way: tuple[Future[None], Batch] | None = None
        self._last_progress = time.monotonic()
        self._waits = LoadWaits(source, store, topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown(wait=True)
        if self._under_way and self._under_way[0].exception() is None:
            self._committed(self._under_way[1])

    def until(self, ends: dict[int, int], workers: int) -> None:
        """Load until every partition's stored offset has reached its end, no matter who loads it.

        Args:
            ends: by partition, the end to reach.
            workers: number of loaders that do this together; each takes its share, and then what is left.
        """
        waiting = set(ends)
        share = math.ceil(len(ends) / workers)
        while waiting and not self._stop.is_set():
            self._finish()
            epochs = self._checked_topic()
            looked_at = set(self._owned)
            for partition in sorted(waiting - looked_at):
                if len(self._owned) < share:
                    self._take(partition, epochs)
                    looked_at.add(partition)
            self._release_reached(ends)
            waiting -= self._given_up
            stored = self._store.next_offsets(waiting)
            # A partition that others have loaded to its end was checked by them.
            waiting = {p for p in waiting if p in self._owned or p not in looked_at or stored[p] < ends[p]}
            while self._owned and not self._stop.is_set():
                self._load_some()
                waiting -= self._release_reached(ends) | self._given_up
                if self._owned and self._waits.is_long(silent := time.monotonic() - self._last_progress):
                    self._finish()
                    self._waits.for_messages(self._owned, ends, silent)
            if waiting:
                self._waits.for_others({partition: stored[partition] for partition in waiting})
                self._stop.wait(_POLL_MILLISECONDS / 1000)  # others hold what is left
        self._finish()

    def _release_reached(self, ends: dict[int, int]) -> set[int]:
        """Give up the partitions that are loaded to their ends and still hold what was loaded."""
        reached = {p for p, offset in self._owned.items() if offset >= ends[p] and p not in self._unverified}
        if reached:
            self._finish()
        for partition in sorted(reached):
            self._release(partition)
        return reached

    def follow(self) -> None:
        """Load a fair share of the partitions until told to stop.

        Raises:
            MessagesLost: the topic no longer holds messages that were never loaded, and nobody accepted that.
        """
        next_share = 0.0
        next_look = time.monotonic() + _SETTINGS_SECONDS
        while not self._stop.is_set():
            if time.monotonic() >= next_share:
                self._finish()
                self._share()
                next_share = time.monotonic() + _SHARE_SECONDS
            if time.monotonic() >= next_look:
                self._look_for_compaction()
                next_look = time.monotonic() + _SETTINGS_SECONDS
            self._load_some()
            if self._given_up:
                self._finish()
                raise MessagesLost(in_words(self._lost))
        self._finish()

    def _look_for_compaction(self) -> None:
        """Warn if the topic began to delete unseen messages; whoever starts now is refused."""
        was, self._compacts = self._compacts, compacts_messages_away(self._source.configuration(), self._contract)
        if self._compacts and not was:
            log.warning("A setting changed: %s. Offsets without a message now count as lost.", self._compacts)

    def _share(self) -> None:
        """Give up partitions beyond the fair share; take free ones up to it."""
        partitions = self._checked_topic()
        for partition in [p for p in self._owned if partitions.get(p) != self._epochs[p]]:
            self._release(partition)  # another broker leads it: it is checked when it is taken again
        fair = math.ceil(len(partitions) / max(1, self._store.followers()))
        for partition in sorted(self._owned)[fair:]:
            self._release(partition)
        for partition in sorted(partitions):
            if len(self._owned) < fair and partition not in self._owned:
                self._take(partition, partitions)

    def _take(self, partition: int, epochs: dict[int, int]) -> None:
        """Own a partition if it is free and intact, and read it from where it was left."""
        if not self._store.try_to_own(partition):
            return
        self._epochs[partition] = epochs[partition]
        place = self._store.places([partition])[partition]
        self._store.require_nothing_beyond(partition, place)
        bounds = self._source.bounds([partition])[partition]
        if missing := place.last and self._store.note_missing(place.stored_as, partition):
            log.warning(
                "%d messages that were loaded from %s, partition %d, are no longer stored: see `angiogram live`.",
                missing,
                self._topic,
                partition,
            )
        if bounds.readable < place.next_offset:
            self._look_for_a_lost_tail(partition, place, self._settled(partition, place, bounds))
        elif bounds.first > place.next_offset:
            self._pass_over(partition, place, bounds.first, Why.DELETED)
        elif place.last and place.last.offset >= bounds.first:
            self._start_at(partition, place, place.last.offset)
            self._unverified[partition] = place.last
        else:
            self._start_at(partition, place, place.next_offset)

    def _start_at(self, partition: int, place: Place, position: int) -> None:
        self._owned[partition] = place.next_offset
        self._read_up_to[partition] = max(position, place.next_offset)
        self._stored_as[partition] = place.stored_as
        self._unverified.pop(partition, None)
        self._source.read_from(partition, position)
        self._last_progress = time.monotonic()

    def _settled(self, partition: int, place: Place, bounds: Bounds) -> Bounds:
        """The bounds of a partition that ends before what is stored, once they stop changing."""
        until = time.monotonic() + _SETTLED_SECONDS
        while bounds.readable < place.next_offset and time.monotonic() < until and not self._stop.is_set():
            self._stop.wait(_POLL_MILLISECONDS / 1000)
            bounds = self._source.bounds([partition])[partition]
        return bounds

    def _look_for_a_lost_tail(self, partition: int, place: Place, bounds: Bounds) -> None:
        """Continue a partition where the topic stops being what was loaded from it."""
        found = tail.lost_from(
            self._reader, self._store, encoder(self._contract.fields), partition, place.next_offset, bounds
        )
        if found is None:
            self._start_at(partition, place, place.next_offset)
            return
        lost = Loss(self._topic, partition, found, place.next_offset, Why.LOST)
        place = self._store.start_anew(partition, place, found)
        self._lost.add(lost)
        log.warning("%s. It is recorded in raw.gaps. Continuing.", lost)
        self._start_at(partition, place, place.next_offset)

    def _pass_over(self, partition: int, place: Place, to_offset: int, why: Why) -> None:
        """Record that the next messages are gone, and continue after them if that is accepted."""
        self._store.record_gap(partition, place, to_offset, why)
        lost = Loss(self._topic, partition, place.next_offset, to_offset, why)
        if self._accept_loss:
            log.warning("%s. The gap is recorded in raw.gaps. Continuing.", lost)
            self._start_at(partition, place, to_offset)
            return
        self._lost.add(lost)
        self._given_up.add(partition)
        if partition in self._owned:
            self._release(partition)
        else:
            self._store.give_up(partition)

    def _release(self, partition: int) -> None:
        self._source.stop_reading(partition)
        del self._owned[partition], self._read_up_to[partition], self._stored_as[partition]
        self._unverified.pop(partition, None)
        self._differs.discard(partition)
        self._store.give_up(partition)

    def _load_some(self) -> None:
        """Read one batch, and hand it to the writer once the previous one is committed."""
        batch, is_corrupt = self._read()
        for partition, stored in self._owned.items():
            position = self._source.position(partition)
            if last := self._unverified.get(partition):
                if position > last.offset:  # there is no message there, or a different one
                    self._differs.add(partition)
            elif position > stored:
                batch.passed(partition, stored, self._read_up_to[partition], position)
                self._read_up_to[partition] = position
        self._finish()
        if batch.moves:
            # Read before this check, so it belongs to this topic and not to one recreated under its name.
            self._checked_topic()
            self._owned.update((partition, move.after) for partition, move in batch.moves.items())
            self._under_way = (self._writer.submit(self._write, batch), batch)
            self._last_progress = time.monotonic()
        for partition in sorted(self._differs):
            self._finish()
            self._differs.discard(partition)
            place, bounds = self._store.places([partition])[partition], self._source.bounds([partition])[partition]
            self._look_for_a_lost_tail(partition, place, bounds)
        if is_corrupt:
            self._finish()
            self._pass_over_corruption()

    def _write(self, batch: Batch) -> None:
        began = time.monotonic()
        self._store.commit(batch)
        batch.seconds = time.monotonic() - began

    def _read(self) -> tuple[Batch, bool]:
        """Read the next batch, and whether a corrupt message follows it."""
        stored_as, is_compacted = dict(self._stored_as), self._compacts is not None
        batch = Batch(self._topic, self._topic_id, self._keys, self._contract, stored_as, is_compacted)
        end = time.monotonic() + _BATCH_SECONDS
        rows = 0
        while rows < _BATCH_ROWS and batch.size < _BATCH_BYTES and time.monotonic() < end and not self._stop.is_set():
            try:
                polled = self._source.poll(0 if rows else _POLL_MILLISECONDS)
            except CorruptRecordError:
                return batch, True
            if not polled:
                break
            for partition, records in polled.items():
                if partition in self._unverified or partition in self._differs:
                    records = self._verified(partition, records)
                batch.add(partition, records)
                batch.note_offsets(partition, records)
                rows += len(records)
        return batch, False

    def _verified(self, partition: int, records: list[Any]) -> list[Any]:
        """The messages after the last one loaded, if that one comes first; else nothing."""
        last = self._unverified.get(partition)
        if last is not None and partition not in self._differs and records and Last.of(records[0]) == last:
            del self._unverified[partition]
            if last.offset + 1 == self._read_up_to[partition]:
                return records[1:]
            self._source.read_from(partition, self._read_up_to[partition])  # empty offsets were skipped after it
            return []
        self._differs.add(partition)
        return []

    def _pass_over_corruption(self) -> None:
        """Find the partition whose next message is corrupt; continue after it if that is accepted."""
        for partition in sorted(self._owned):
            place = self._store.places([partition])[partition]
            position = max(self._read_up_to[partition], place.next_offset)
            end = self._source.bounds([partition])[partition].readable
            if position < end and not self._reader.is_readable(partition, position, end):
                self._pass_over(partition, place, self._reader.readable_from(partition, position, end), Why.CORRUPT)
                return
        # A loaded message is corrupt, found while checking the last one; or the second try succeeded.
        self._unverified.clear()
        for partition, position in self._read_up_to.items():
            self._source.read_from(partition, position)

    def _finish(self) -> None:
        """Wait until the current batch is committed."""
        if self._under_way:
            future, batch = self._under_way
            self._under_way = None
            future.result()
            self._committed(batch)
            self._note_compacted(batch)

    def _note_compacted(self, batch: Batch) -> None:
        """Name what a committed batch records as compacted away."""
        for partition, move in batch.moves.items():
            if move.compacted:
                ends, lost = (move.compacted[0][0], move.compacted[-1][1]), move.lost - move.gap
                loss = Loss(self._topic, partition, *ends, Why.COMPACTED, lost)
                log.warning("%s. It is recorded in raw.gaps. Continuing.", loss)
                if not self._accept_loss:
                    self._lost.add(loss)

    def _checked_topic(self) -> dict[int, int]:
        """The topic's partitions, with the epochs of their leaders.

        Raises:
            TopicMadeAgain: the topic was recreated.
        """
        topic_id, partitions = self._source.topic()
        if topic_id != self._topic_id:
            raise TopicMadeAgain(f"The topic {self._topic} was deleted and created again. Starting at its beginning.")
        return partitions


class TopicMadeAgain(KafkaUnavailable):
    """The topic's id has changed since this attempt began; the next one begins at offset 0."""
