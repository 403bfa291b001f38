"""Ends runs that have no verdict: records could_not_run, releases the run, sends an alert.

This applies however far the run came: one that fails before it has a row in angiogram.runs gets one. Where PostgreSQL
cannot store the row, the alert is still sent.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.core.errors import NotReady, Terminated
from angiogram.core.words import COULD_NOT_RUN, ENDED_EARLY, INTERRUPTED
from angiogram.judge.verdict import could_not_run
from angiogram.operate import alert
from angiogram.store import run_ids, runs
from angiogram.store.local import LOCAL_FILE, LocalRecord, unrecorded
from ingestion.addresses import without_user_info
from ingestion.errors import IngestionError, SettingsError
from ingestion.settings import DatabaseSettings
from ingestion.settings.pipeline import project_folder


def in_words(error: BaseException) -> str:
    """Format an error as reports show it: its class and its message."""
    if isinstance(error, KeyboardInterrupt):
        return f"{INTERRUPTED} by SIGTERM" if isinstance(error, Terminated) else INTERRUPTED
    return without_user_info(f"{type(error).__name__}: {error}")


@contextmanager
def ended_if_it_fails(run_id: str, alerts: bool = True) -> Iterator[None]:
    """End a run with any error that the block raises.

    An alert is sent unless somebody pressed Ctrl-C.

    Args:
        run_id: the run.
        alerts: whether to send an alert at all.
    """
    try:
        yield
    except BaseException as error:
        is_known = isinstance(error, KeyboardInterrupt) and not isinstance(error, Terminated)
        with suppress(IngestionError, psycopg2.Error):  # `end` has reported it; the first error is the one to raise
            end(run_id, in_words(error), alerts=alerts and not is_known)
        raise


def note_failure(database: connection, run_id: str, error: BaseException) -> None:
    """Store the error that ended a step, for whatever ends the run.

    A run that has ended already is not changed.
    """
    with database.cursor() as query:
        query.execute(
            "update angiogram.runs set failed_with = %s where run_id = %s and verdict is null",
            (in_words(error), run_id),
        )


def end(run_id: str, error: str | None = None, alerts: bool = True) -> None:
    """Release a run. If it has no verdict, record could_not_run and send an alert.

    Args:
        run_id: the run; one that has a verdict is only released.
        error: why it has no verdict; None: the error that its latest step noted.
        alerts: whether to send an alert.

    Raises:
        SettingsError, DatabaseUnavailable, psycopg2.Error: the database could not record it; the alert was sent.
    """
    try:
        with runs.database("finish") as database:
            is_new = _record(database, run_id, error)
            runs.release(database, run_id)
            if is_new and alerts:
                alert.after_verdict(database, run_id)
    except (IngestionError, psycopg2.Error) as failure:
        why = in_words(failure)
        print(
            f"Run {run_id} could not be recorded or released; if it has the lease, that expires by itself. {why}",
            file=sys.stderr,
            flush=True,
        )
        _keep_for_the_next_run(run_id, error or ENDED_EARLY)
        if alerts:
            alert.unrecorded(error or ENDED_EARLY, why)
        raise


def _keep_for_the_next_run(run_id: str, error: str) -> None:
    """Record in the local file that a run could not run. The next run takes it over."""
    try:
        with LocalRecord.opened(project_folder().resolve()) as record:
            report = could_not_run(run_id, error)
            database = DatabaseSettings.from_environment().name
            record.put(unrecorded(run_id, run_ids.began(run_id), report), waiting_for=database)
    except (NotReady, SettingsError) as failure:  # without settings no database will ask for it
        print(str(failure), file=sys.stderr, flush=True)


def take_over_local(database: connection) -> list[str]:
    """Record the tries that could not run while PostgreSQL was away, and return their IDs.

    Args:
        database: as role angiogram, in autocommit.
    """
    if not (project_folder().resolve() / LOCAL_FILE).is_file():
        return []
    with LocalRecord.opened(project_folder().resolve()) as record:
        waiting = record.waiting(database.info.dbname)
        with database.cursor() as query:
            for run in waiting:
                query.execute(
                    "insert into angiogram.runs (run_id, started_at, finished_at, verdict, blockage, report)"
                    " values (%s, %s, %s, %s, '[]', %s) on conflict (run_id) do nothing",
                    (run.run_id, run.started_at, run.finished_at, run.verdict, Json(run.report)),
                )
        record.taken_over(run.run_id for run in waiting)
    return [run.run_id for run in waiting]


def alert_taken_over(database: connection, run_id: str) -> None:
    """Send an alert on each run whose lease expired and that a run has taken over from.

    Its process was killed.
    """
    with database.cursor() as query:
        query.execute("select run_id from angiogram.runs where taken_over_by = %s", (run_id,))
        for (dead,) in query.fetchall():
            alert.after_verdict(database, dead)


def _record(database: connection, run_id: str, error: str | None) -> bool:
    """Record that a run could not run, and return whether it had no verdict before."""
    with database.cursor() as query:
        query.execute(
            # The ID holds whole seconds, so take the end of that second, which is after whatever started in it before.
            "insert into angiogram.runs (run_id, owner, started_at, report)"
            " values (%s, %s, least(clock_timestamp(), %s + interval '999999 microseconds'), '{}')"
            " on conflict (run_id) do nothing",
            (run_id, f"{socket.gethostname()}/{os.getpid()}", run_ids.began(run_id)),
        )
    noted = runs.read(database, run_id).failed_with
    report = could_not_run(run_id, error or noted or ENDED_EARLY)
    return runs.record(database, run_id, COULD_NOT_RUN, [], report)
