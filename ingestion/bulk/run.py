"""The bulk load from outside: find the files, share them out among worker processes, say what became of them."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Event
from uuid import UUID, uuid4

import psycopg2

from ingestion.bulk.columns import Chunk
from ingestion.bulk.files import BadFile, RidesFile, groups, rides_files
from ingestion.bulk.reading import OpenFile
from ingestion.bulk.store import BulkStore, Loaded, Source
from ingestion.bulk.work import GroupResult, begin, load_group
from ingestion.errors import InputError, Interrupted
from ingestion.loader.store import in_our_words

_WAIT_SECONDS = 0.5  # how long a signal may go unnoticed


@dataclass(slots=True)
class Progress:
    """How far a bulk load is.

    Attributes:
        files, size: files to go through, and their bytes.
        files_done, size_done: those gone through.
        rows: rides and dead letters written.
    """

    files: int
    size: int
    files_done: int = 0
    size_done: int = 0
    rows: int = 0


@dataclass(slots=True)
class BulkReport:
    """What one bulk load did.

    Attributes:
        load_id: the key of its files in raw.loaded_files.
        found: files of rides in the folder (with a day to replace: those of the day).
        loaded: files loaded.
        already_loaded: files whose content was loaded before.
        rides, dead_letters: rows written.
        replaced: what was taken away for the new files of a day; None without one.
        bad_files: name and reason of each file of which nothing was loaded.
        workers: worker processes.
        seconds: how long it took.
    """

    load_id: UUID
    found: int
    workers: int
    loaded: int = 0
    already_loaded: int = 0
    rides: int = 0
    dead_letters: int = 0
    replaced: Loaded | None = None
    bad_files: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def bulk_load(
    folder: Path,
    workers: int | None = None,
    replace_day: date | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> BulkReport:
    """Load the files of rides in a folder, each exactly once, bad ones aside. Call it from a single-threaded process.

    Args:
        folder: where the files are, also in folders below.
        workers: processes; by default as many as there are cores.
        replace_day: take only the files whose path names this day, and take away all others of that day that were
            loaded before: one transaction, by this process alone; one bad file and nothing changes.
        stop: set it to end after the groups of small files under way; a large file and a day are given up.
        progress: called after each group of files.

    Raises:
        InputError: there is nothing to load in the folder.
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL is not there at the start (later outages are waited out, but not while a day is
            replaced).
        DatabaseRefused: PostgreSQL refused a statement, as for want of a right.
        SchemaOutdated: a migration is missing.
        Interrupted: `stop` was set, or a worker was killed; what was committed stays.
    """
    started = time.monotonic()
    stop = stop or Event()
    files = rides_files(folder)
    load_id = uuid4()
    if replace_day is not None:
        report = _replace(load_id, folder, files, replace_day, stop)
        report.seconds = time.monotonic() - started
        return report
    with closing(BulkStore.open()):  # fail at once, and once, if PostgreSQL or a migration is not there
        pass
    cores = len(os.sched_getaffinity(0))
    report = BulkReport(load_id, len(files), min(workers or cores, len(files)))
    state = Progress(len(files), sum(file.size for file in files))
    for result in _results(load_id, files, report.workers, stop):
        state.files_done += result.files
        state.size_done += result.size
        state.rows += result.rows
        report.already_loaded += result.already_loaded
        report.bad_files.update(result.bad)
        progress(state)
    if state.files_done < len(files):
        raise Interrupted(
            f"Told to stop after {state.files_done} of {len(files)} files. What was committed stays; "
            "the same command goes on from there."
        )
    _add_loaded(report)
    report.seconds = time.monotonic() - started
    return report


def _results(load_id: UUID, files: list[RidesFile], workers: int, stop: Event) -> Iterator[GroupResult]:
    """What became of each group, as workers end with it; after `stop` only of those that they could still end."""
    waiting = groups(files)
    under_way: set[Future[GroupResult]] = set()
    # Forked before there is any thread: the workers share this process's memory instead of importing anew.
    context = multiprocessing.get_context("fork")
    told, tell = context.Pipe(duplex=False)  # not an Event: a worker killed while it waits for one would lock it
    with told, tell, ProcessPoolExecutor(workers, context, initializer=begin, initargs=(load_id, told)) as pool:
        try:
            while True:
                if stop.is_set() and not told.poll():
                    tell.send_bytes(b"stop")  # nobody reads it: it stays there for all
                while not stop.is_set() and len(under_way) < 2 * workers and (group := next(waiting, None)):
                    under_way.add(pool.submit(load_group, group))
                if not under_way:
                    return
                done, under_way = wait(under_way, _WAIT_SECONDS, FIRST_COMPLETED)
                for future in done:
                    with suppress(Interrupted):
                        yield future.result()
        except BrokenProcessPool as error:
            for worker in multiprocessing.active_children():  # the pool waits for them, and they heed no SIGTERM
                worker.kill()
            raise Interrupted(
                "A worker process was ended from outside (out of memory?). What was committed stays; "
                "the same command goes on from there, --workers with a smaller number takes less memory."
            ) from error
        finally:
            tell.send_bytes(b"stop")  # also after an error: no worker waits for PostgreSQL for ever
            pool.shutdown(cancel_futures=True)


def _add_loaded(report: BulkReport) -> None:
    with closing(BulkStore.open()) as store:
        loaded = store.loaded_by(report.load_id)
    report.loaded, report.rides, report.dead_letters = loaded.files, loaded.rides, loaded.dead_letters


def _replace(load_id: UUID, folder: Path, files: list[RidesFile], day: date, stop: Event) -> BulkReport:
    of_day = [file for file in files if file.day == day]
    if not of_day:
        raise InputError(
            f"No file in {folder} names the day {day} in its path (2026-01-31, 2026_01_31, 2026/01/31 or 20260131). "
            "Nothing was replaced."
        )
    report = BulkReport(load_id, len(of_day), workers=1)
    opened: dict[UUID, OpenFile] = {}
    for file in of_day:
        _heed(stop, day)
        try:
            source = OpenFile(file, keep=False)  # a day's files together are too much to hold
            opened.setdefault(source.topic_id, source)
        except BadFile as bad:
            report.bad_files[file.name] = str(bad)
    if report.bad_files:
        return report
    with closing(BulkStore.open()) as store:
        sources = [
            Source(source.file, topic_id, source.size, _chunks(source, report.bad_files, day, stop))
            for topic_id, source in opened.items()
        ]
        try:
            report.already_loaded = len(store.known(opened)) + len(of_day) - len(opened)
            report.replaced = store.replace_day(load_id, day, sources)
        except BadFile:
            return report
        except psycopg2.DataError as error:
            raise InputError(
                f"PostgreSQL refused a row of {day}: {error.diag.message_primary}. Nothing was replaced. "
                "Load the files without --replace-day to learn which one it is."
            ) from error
        except psycopg2.Error as error:
            told = in_our_words(error)
            raise type(told)(
                f"While {day} was replaced: {told} The day is as it was, or whole as it shall be; run it again."
            ) from error
        _add_loaded(report)
    return report


def _chunks(source: OpenFile, bad_files: dict[str, str], day: date, stop: Event) -> Iterator[Chunk]:
    try:
        for chunk in source.chunks():
            _heed(stop, day)
            yield chunk
    except BadFile as bad:
        bad_files[source.file.name] = str(bad)
        raise


def _heed(stop: Event, day: date) -> None:
    if stop.is_set():
        raise Interrupted(f"Told to stop while {day} was replaced. The day is as it was; run the command again.")
