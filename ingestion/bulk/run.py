"""Run a bulk load: find the files, share them out among worker processes, report results."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Event
from uuid import UUID, uuid4

from ingestion.bulk.reading.files import SourceFile, groups, source_files
from ingestion.bulk.reading.times import TIME_COLUMN
from ingestion.bulk.replace import replace_day as exchange_day
from ingestion.bulk.report import BulkReport
from ingestion.bulk.store import BulkStore
from ingestion.bulk.work import GroupResult, begin, load_group
from ingestion.contract import LOADER
from ingestion.database.waits import Waits
from ingestion.errors import Interrupted

_WAIT_SECONDS = 0.5  # longest delay before a signal is noticed


@dataclass(slots=True)
class Progress:
    """The progress of a bulk load.

    Attributes:
        files, size: number of files, and their bytes.
        files_done, size_done: files processed so far, and their bytes.
        written: rows and dead letters written so far.
    """

    files: int
    size: int
    files_done: int = 0
    size_done: int = 0
    written: int = 0


def bulk_load(
    folder: Path,
    workers: int | None = None,
    replace_day: date | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    time_column: str = TIME_COLUMN,
    dry_run: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> BulkReport:
    """Load the files of messages in a folder, each exactly once; bad files are skipped.

    Call it from a single-threaded process.

    Args:
        folder: where the files are; folders below it are searched too.
        workers: processes; by default as many as there are cores.
        replace_day: load only the files whose path names this day, and remove all others that were requested for that
            day alone. This is one transaction in this process; a single bad file leaves everything unchanged.
        stop: set it to end after the current groups of small files; a large file or a day is rolled back.
        progress: called after each group of files.
        time_column: the column that says when a row was sent, if it is there.
        dry_run: with a day to replace, report what would be removed, and change nothing.
        tell: called with messages for the user: what replacing a day removes, and which session the load waits for.

    Raises:
        InputError: the folder holds nothing to load.
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached at the start (later outages are waited out, except while a day
            is replaced).
        DatabaseRefused: PostgreSQL refused a statement, for example because a privilege is missing.
        SchemaOutdated: a migration is missing.
        Interrupted: `stop` was set, or a worker was killed; what was committed stays.
    """
    started = time.monotonic()
    stop = stop or Event()
    files = source_files(folder)
    load_id = uuid4()
    if replace_day is not None:
        report = exchange_day(load_id, folder, files, replace_day, stop, time_column, dry_run, tell)
        report.seconds = time.monotonic() - started
        return report
    with closing(BulkStore.open()):  # fail early, and only once, if PostgreSQL or a migration is missing
        pass
    cores = len(os.sched_getaffinity(0))
    report = BulkReport(load_id, len(files), min(workers or cores, len(files)))
    state = Progress(len(files), sum(file.size for file in files))
    for result in _results(load_id, files, report.workers, time_column, stop, tell):
        state.files_done += result.files
        state.size_done += result.size
        state.written += result.written
        report.add(result)
        progress(state)
    if state.files_done < len(files):
        raise Interrupted(
            f"Stopped by a signal after {state.files_done} of {len(files)} files. What was committed stays; "
            "run the same command to continue."
        )
    report.add_loaded()
    report.seconds = time.monotonic() - started
    return report


def _results(
    load_id: UUID, files: list[SourceFile], workers: int, time_column: str, stop: Event, tell: Callable[[str], None]
) -> Iterator[GroupResult]:
    """The result of each group, as workers finish it.

    After `stop`, only the groups that were already being loaded are finished.
    """
    waiting = groups(files)
    under_way: set[Future[GroupResult]] = set()
    name = f"ingestion bulk-load {load_id.hex[:8]}"
    # Forked before any thread starts: the workers share this process's memory and need no imports.
    context = multiprocessing.get_context("fork")
    told, to_tell = context.Pipe(duplex=False)  # not an Event: a worker killed while waiting would lock it
    begun_with = (load_id, time_column, told, name)
    with (
        told,
        to_tell,
        closing(Waits(LOADER, name, tell)) as waits,
        ProcessPoolExecutor(workers, context, initializer=begin, initargs=begun_with) as pool,
    ):
        try:
            while True:
                if stop.is_set() and not told.poll():
                    to_tell.send_bytes(b"stop")  # nobody reads it, so it stays there for all
                while not stop.is_set() and len(under_way) < 2 * workers and (group := next(waiting, None)):
                    under_way.add(pool.submit(load_group, group))
                if not under_way:
                    return
                done, under_way = wait(under_way, _WAIT_SECONDS, FIRST_COMPLETED)
                if not done:
                    waits.look()
                for future in done:
                    with suppress(Interrupted):
                        yield future.result()
        except BrokenProcessPool as error:
            for worker in multiprocessing.active_children():  # the pool waits for them, and they ignore SIGTERM
                worker.kill()
            raise Interrupted(
                "A worker process was killed (out of memory?). What was committed stays; "
                "run the same command to continue; fewer --workers need less memory."
            ) from error
        finally:
            to_tell.send_bytes(b"stop")  # after an error too, so that no worker waits for PostgreSQL forever
            pool.shutdown(cancel_futures=True)
