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

from ingestion.bulk.reading.columns import Chunk, RowPlace
from ingestion.bulk.reading.files import SMALL_BYTES, BadFile, FileFormat, SourceFile
from ingestion.bulk.reading.opened import OpenFile
from ingestion.bulk.reading.rows import RowRange
from ingestion.bulk.records import FileClaim, stored_name
from ingestion.bulk.standing import Earlier, Standing
from ingestion.bulk.store import BulkStore, FileSource, Outrun
from ingestion.database.outages import in_our_words
from ingestion.errors import DatabaseRefused, DatabaseUnavailable, Interrupted
from ingestion.settings.pipeline import contract
from ingestion.stop import SIGNALS

log = logging.getLogger("ingestion.bulk")

_HELD_BYTES = 16 << 20  # bytes of a small file's lines: a file with more (well compressed) is streamed like a large one
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(slots=True)
class GroupResult:
    """The result for a group of files.

    Attributes:
        files: number of files processed.
        size: their bytes.
        written: rows and dead letters written.
        already_loaded: number of files whose content was loaded before.
        bad: name and error of each file that could not be loaded.
        appended: by file, the number of its rows that were loaded before; only later ones were loaded now.
        restored: by file, the number of lost rows that were loaded again.
        changed: by file, the topic ids of other contents that were loaded from its path; both are loaded now.
    """

    files: int
    size: int
    written: int = 0
    already_loaded: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    appended: dict[str, int] = field(default_factory=dict)
    restored: dict[str, int] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)

    def note(self, standing: Standing) -> None:
        """Record how a file that is now loaded relates to what was loaded before."""
        name = standing.opened.file.name
        if standing.continues:
            self.appended[name] = standing.continues.end_row
        if standing.changed:
            self.changed[name] = [str(record.topic_id) for record in standing.changed]


_Alike = tuple[Sequence[Standing], FileSource]
"""A file to load, and all files with the same content: loaded once, requested by each."""


class Worker:
    """Loads groups of files through one session, which is opened again after an outage.

    Args:
        load_id: the key of the files in raw.loaded_files.
        time_column: the column that says when a row was sent.
        stop: becomes readable when the load is to end.
        application_name: the session's name in pg_stat_activity.
    """

    def __init__(self, load_id: UUID, time_column: str, stop: Connection, application_name: str) -> None:
        self._load_id = load_id
        self._contract = contract()
        self._time_column = time_column
        self._stop = stop
        self._application_name = application_name
        self._store: BulkStore | None = None

    def load(self, group: Sequence[SourceFile]) -> GroupResult:
        """Load a group; wait out outages of PostgreSQL.

        Raises:
            SettingsError, SchemaOutdated: see BulkStore.open.
            DatabaseRefused: PostgreSQL refused a statement for a reason other than a file's content.
            Interrupted: stopped during an outage or within a large file; nothing of the group or the file was written.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._load_once(group)
            except Outrun:
                continue
            except DatabaseUnavailable as error:
                outage = error
            except psycopg2.Error as error:
                told = in_our_words(error)
                if isinstance(told, DatabaseRefused):
                    raise told from error
                outage = told
            self.close()
            log.warning("%s Retrying in %.1f s.", outage, pause)
            if self._stop.poll(pause):
                raise Interrupted("Stopped by a signal while PostgreSQL could not be reached.")
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """End the session."""
        if self._store:
            self._store.close()
            self._store = None

    def _load_once(self, group: Sequence[SourceFile]) -> GroupResult:
        if self._store is None:
            self._store = BulkStore.open(self._application_name)
        result = GroupResult(len(group), sum(file.size for file in group))
        earlier = self._store.earlier(group)
        found = self._store.standings(list(self._opened(group, earlier, result)), earlier)
        known = [standing for standing in found if standing.record]
        result.already_loaded = len(known)
        for standing in known:
            self._restore(standing, result)
        new: dict[UUID, list[Standing]] = {}
        for standing in found:
            if not standing.record:
                new.setdefault(standing.opened.topic_id, []).append(standing)
        result.already_loaded += sum(len(alike) - 1 for alike in new.values())
        together = [(alike, held) for alike in new.values() if (held := self._held(alike, result))]
        self._write_together(together, [s.claim() for s in known if not s.is_claimed], result)
        return result

    def _opened(self, group: Sequence[SourceFile], earlier: Earlier, result: GroupResult) -> Iterator[OpenFile]:
        for file in group:
            try:
                yield OpenFile(
                    file, self._contract, beginnings=beginnings(file, earlier), time_column=self._time_column
                )
            except BadFile as bad:
                result.bad[file.name] = str(bad)

    def _restore(self, standing: Standing, result: GroupResult) -> None:
        assert self._store  # noqa: S101  # opened by _load_once
        if not standing.lost:
            return
        try:
            if rows := self._store.restore(standing, self._chunks):
                result.restored[standing.opened.file.name] = rows
                result.written += rows
        except BadFile as bad:
            result.bad[standing.opened.file.name] = str(bad)

    def _held(self, alike: Sequence[Standing], result: GroupResult) -> FileSource | None:
        """A small file with its lines.

        None if it is bad, or was streamed in a transaction of its own.
        """
        standing = alike[0]
        opened = standing.opened
        try:
            self._restore(standing, result)
            if opened.size <= SMALL_BYTES:
                chunks = []
                size = 0
                for chunk in opened.chunks(standing.rows):
                    chunks.append(chunk)
                    if (size := size + chunk.size) > _HELD_BYTES:
                        break
                else:
                    return FileSource(opened, chunks, standing.continues)
                del chunks
            streamed = FileSource(opened, self._chunks(opened, standing.rows, None), standing.continues)
            self._write([(alike, streamed)], [], result)
        except BadFile as bad:
            result.bad[opened.file.name] = str(bad)
        except psycopg2.DataError as error:
            result.bad[opened.file.name] = _refused(error)
        return None

    def _chunks(self, opened: OpenFile, rows: RowRange, place: RowPlace | None) -> Iterator[Chunk]:
        for chunk in opened.chunks(rows, place):
            if self._stop.poll():
                raise Interrupted(f"Stopped by a signal while {opened.file.name} was loaded.")
            yield chunk

    def _write_together(self, sources: Sequence[_Alike], claims: Sequence[FileClaim], result: GroupResult) -> None:
        try:
            self._write(sources, claims, result)
        except psycopg2.DataError:  # loading each alone shows which file it was
            self._write([], claims, result)
            for alike, source in sources:
                try:
                    self._write([(alike, source)], [], result)
                except psycopg2.DataError as error:
                    result.bad[source.opened.file.name] = _refused(error)

    def _write(self, sources: Sequence[_Alike], claims: Sequence[FileClaim], result: GroupResult) -> None:
        """Write files, and record the days that these and others were requested for."""
        assert self._store  # noqa: S101  # opened by _load_once, the only caller
        if not (sources or claims):
            return
        asked = [*claims, *(standing.claim() for alike, _ in sources for standing in alike)]
        result.written += self._store.load(self._load_id, [source for _, source in sources], asked)
        for alike, _ in sources:
            result.note(alike[0])


def beginnings(file: SourceFile, earlier: Earlier) -> set[int]:
    """Where earlier contents of a file may have ended; a Parquet file cannot be appended to."""
    if file.format == FileFormat.PARQUET:
        return set()
    return {record.size for _, record in earlier.get(stored_name(file), ())}


def _refused(error: psycopg2.Error) -> str:
    return f"PostgreSQL refused it: {error.diag.message_primary or type(error).__name__}"


_worker: Worker | None = None


def begin(load_id: UUID, time_column: str, stop: Connection, application_name: str) -> None:
    """Make this process a worker, see `Worker`.

    It ends at once if the process that started it is gone.
    """
    global _worker
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the parent gets them too, and lets the current groups finish
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _worker = Worker(load_id, time_column, stop, application_name)


def load_group(group: Sequence[SourceFile]) -> GroupResult:
    """Load a group in this worker process."""
    if _worker is None:
        raise RuntimeError("load_group runs in a process that begin() made a worker")
    return _worker.load(group)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # PostgreSQL rolls back the open transaction
