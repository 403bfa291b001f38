"""What a worker process does: load one group of files after another, through outages."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from threading import Thread
from uuid import UUID

import psycopg2

from ingestion.bulk.columns import Chunk
from ingestion.bulk.files import SMALL_BYTES, BadFile, RidesFile
from ingestion.bulk.reading import OpenFile
from ingestion.bulk.store import BulkStore, Source
from ingestion.errors import DatabaseRefused, DatabaseUnavailable, Interrupted
from ingestion.loader.store import in_our_words
from ingestion.stop import SIGNALS

log = logging.getLogger("ingestion.bulk")

_HELD_BYTES = 16 << 20  # lines of a small file: more (it is compressed well) and it is streamed like a large one
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(slots=True)
class GroupResult:
    """What became of a group of files.

    Attributes:
        files: how many were taken in hand.
        size: their bytes.
        rows: rides and dead letters written.
        already_loaded: files whose content was loaded before.
        bad: name and reason of each file that could not be loaded.
    """

    files: int
    size: int
    rows: int = 0
    already_loaded: int = 0
    bad: dict[str, str] = field(default_factory=dict)


class Worker:
    """Loads groups of files over one session, opened anew after an outage.

    Args:
        load_id: the key of the files in raw.loaded_files.
        stop: has something to read once the load shall end.
    """

    def __init__(self, load_id: UUID, stop: Connection) -> None:
        self._load_id = load_id
        self._stop = stop
        self._store: BulkStore | None = None

    def load(self, group: Sequence[RidesFile]) -> GroupResult:
        """Load a group; an outage of PostgreSQL is waited out.

        Raises:
            SettingsError, SchemaOutdated: see BulkStore.open.
            DatabaseRefused: PostgreSQL refused a statement for another reason than what is in a file.
            Interrupted: told to stop in an outage or within a large file; nothing of the group or the file was written.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._load_once(group)
            except DatabaseUnavailable as error:
                outage = error
            except psycopg2.Error as error:
                told = in_our_words(error)
                if isinstance(told, DatabaseRefused):
                    raise told from error
                outage = told
            self.close()
            log.warning("%s Going on in %.1f s.", outage, pause)
            if self._stop.poll(pause):
                raise Interrupted("Told to stop while PostgreSQL was away.")
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """End the session."""
        if self._store:
            self._store.close()
            self._store = None

    def _load_once(self, group: Sequence[RidesFile]) -> GroupResult:
        if self._store is None:
            self._store = BulkStore.open()
        result = GroupResult(len(group), sum(file.size for file in group))
        opened: dict[UUID, OpenFile] = {}
        for file in group:
            try:
                source = OpenFile(file)
            except BadFile as bad:
                result.bad[file.name] = str(bad)
                continue
            if source.topic_id in opened:
                result.already_loaded += 1
            opened.setdefault(source.topic_id, source)
        known = self._store.known(opened)
        result.already_loaded += len(known)
        together = []
        for source in (source for topic_id, source in opened.items() if topic_id not in known):
            held = self._held(source, result)
            if held is not None:
                together.append(held)
        if together:
            self._write_together(together, result)
        return result

    def _held(self, opened: OpenFile, result: GroupResult) -> Source | None:
        """A small file with its lines; None if it is bad or was streamed into a transaction of its own."""
        try:
            if opened.size <= SMALL_BYTES:
                chunks = []
                size = 0
                for chunk in opened.chunks():
                    chunks.append(chunk)
                    if (size := size + chunk.size) > _HELD_BYTES:
                        break
                else:
                    return Source(opened.file, opened.topic_id, opened.size, chunks)
                del chunks
            self._write([Source(opened.file, opened.topic_id, opened.size, self._chunks(opened))], result)
        except BadFile as bad:
            result.bad[opened.file.name] = str(bad)
        except psycopg2.DataError as error:
            result.bad[opened.file.name] = _refused(error)
        return None

    def _chunks(self, opened: OpenFile) -> Iterator[Chunk]:
        for chunk in opened.chunks():
            if self._stop.poll():
                raise Interrupted(f"Told to stop within {opened.file.name}.")
            yield chunk

    def _write_together(self, sources: list[Source], result: GroupResult) -> None:
        try:
            self._write(sources, result)
        except psycopg2.DataError:  # which of them it was, each alone will tell
            for source in sources:
                try:
                    self._write([source], result)
                except psycopg2.DataError as error:
                    result.bad[source.file.name] = _refused(error)

    def _write(self, sources: list[Source], result: GroupResult) -> None:
        assert self._store  # noqa: S101  # opened by _load_once, the only caller
        result.rows += self._store.load(self._load_id, sources)


def _refused(error: psycopg2.Error) -> str:
    return f"PostgreSQL refused it: {error.diag.message_primary or type(error).__name__}"


_worker: Worker | None = None


def begin(load_id: UUID, stop: Connection) -> None:
    """Make this process a worker, see `Worker`; it ends at once if the process that started it is gone."""
    global _worker
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the parent hears them too, and lets the groups under way end
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _worker = Worker(load_id, stop)


def load_group(group: Sequence[RidesFile]) -> GroupResult:
    """Load a group in this worker process."""
    if _worker is None:
        raise RuntimeError("load_group runs in a process that begin() made a worker")
    return _worker.load(group)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # PostgreSQL rolls back what is under way
