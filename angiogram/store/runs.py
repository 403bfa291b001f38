"""The runs of the dye in angiogram.runs, at most one of them active.

A run is active (in hand) for as long as it renews its lease. Its row also carries what one step leaves to the next, so
that each step may run in a process of its own. Each pipeline has its own lease and its own runs: a session declares
which pipeline it works for (migration 0022).
"""

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg2
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection, cursor
from psycopg2.extras import Json, RealDictCursor

from angiogram.core.errors import LeaseLost, RunInHand, UnknownRun
from angiogram.core.stage_id import StageId, as_json, from_json
from angiogram.store import run_ids
from angiogram.store.old_reports import as_current
from ingestion.database.errors import sentence
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable
from ingestion.settings.pipeline import pipeline

RUNS_ROLE = "angiogram"

WAIT = 1800.0
"""Maximum number of seconds that a run waits for another one."""

_CHANNEL: LiteralString = "angiogram_runs"
_LOOK_AGAIN = 5.0
"""Seconds after which a waiting run checks again without a notification that the other one ended."""
_SOMEBODY_BUILDS = (
    "Somebody builds the models from the input seeds (`angiogram run --from-seeds` or `angiogram accept`)"
)


@dataclass(frozen=True, slots=True)
class Run:
    """One row of angiogram.runs.

    Attributes:
        run_id: the start time and a random suffix, such as `20261121T074500Z-ab12cd`.
        in_hand: whether this is the active run, whose messages the models see.
        pipeline: name of the dbt project that is tested.
        batch: highest batch that the models may see; 0 before the first.
        lease_until: when it stops being active unless the lease is renewed.
        owner: host and process that started it.
        verdict: healthy, blocked or could_not_run; None while it is running.
        blockage: the blocked stages.
        report: what is known so far, and at the end the whole report.
        steps: what each step left to later ones, by step name.
        batches_taken_at: when each batch became visible to the models, by its number.
        failed_with: the error that ended a step; None if none did.
    """

    run_id: str
    in_hand: bool
    batch: int
    lease_until: datetime | None
    owner: str | None
    started_at: datetime
    finished_at: datetime | None
    verdict: str | None
    blockage: list[StageId] | None
    report: dict[str, Any]
    pipeline: str = ""
    steps: dict[str, Any] = field(default_factory=dict)
    batches_taken_at: dict[str, str] = field(default_factory=dict)
    failed_with: str | None = None

    def step(self, name: str) -> dict[str, Any]:
        """Return the result that a step left behind, or an empty one if it has not run."""
        result: dict[str, Any] = self.steps.get(name, {})
        return result

    @property
    def seconds(self) -> float | None:
        """Return the time to its verdict, or to its end without one.

        It is the same wherever it is shown.
        """
        told: float | None = self.report.get("seconds")
        if told is None and self.finished_at is not None:
            return (self.finished_at - self.started_at).total_seconds()
        return told


_SELECT: LiteralString = (
    "select run_id, in_hand, batch, lease_until, owner, started_at, finished_at, verdict, blockage,"
    " coalesce(report, '{}') as report, pipeline, steps, batches_taken_at, failed_with from angiogram.runs"
)


def _locking(function: LiteralString, of: LiteralString) -> LiteralString:
    """Return a call of a PostgreSQL advisory lock function on a lock of the session's pipeline.

    Args:
        function: such as pg_advisory_lock.
        of: tables (the dye's tables of a pipeline) or runs (who holds them).
    """
    pipeline: LiteralString = "coalesce(current_setting('angiogram.pipeline', true), '')"
    return f"select {function}(hashtext('angiogram'), hashtext('{of} ' || {pipeline}))"


def say_on_stderr(text: str) -> None:
    """Print on stderr what is waited for. stdout is for the report."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def database(purpose: str) -> Iterator[connection]:
    """Open a connection as role angiogram in autocommit, and close it at the end.

    Raises:
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached, or the connection was lost.
    """
    opened = connect(RUNS_ROLE, f"angiogram {purpose}")
    try:
        opened.autocommit = True
        _work_for(opened, pipeline().name)
        yield opened
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise DatabaseUnavailable(f"During {purpose}: {sentence(error) or str(error).strip()}") from error
    finally:
        opened.close()


def _work_for(database: connection, pipeline: str) -> None:
    """Restrict a session to the rows of one pipeline, both for reading and for writing."""
    with database.cursor() as query:
        query.execute("select set_config('angiogram.pipeline', %s, false)", (pipeline,))


def take(database: connection, lease: float, wait: float, say: Callable[[str], None], run_id: str | None = None) -> str:
    """Start a new run and take the lease, waiting and saying so while another run is active.

    A run whose lease expired is ended as could_not_run; its report names the run that took over.

    Args:
        database: in autocommit.
        lease: seconds that the lease lasts after each renewal.
        wait: maximum number of seconds to wait for another run.
        say: called with what is waited for.
        run_id: the new run's ID; None: a new one.

    Raises:
        RunInHand: another run, or a build from the input seeds, did not end within `wait` seconds.
    """
    run_id = run_id or run_ids.new()
    patience = wait
    waited_for = None
    with database.cursor() as query:
        query.execute(f"listen {_CHANNEL}")
    while (other := _try_to_take(database, run_id, lease, say)) is not None:
        if patience <= 0:
            raise RunInHand(f"{other.told} after {wait:g} s of waiting. {other.way_out}")
        if waited_for != other.told:
            say(f"{other.told}. Waiting until it ends.")
            waited_for = other.told
        pause = min(patience, other.remaining, _LOOK_AGAIN)
        patience -= pause
        _wait_for_an_end(database, pause)
    with database.cursor() as query:
        query.execute(f"unlisten {_CHANNEL}")
    return run_id


def hold_tables(database: connection, pipeline: str, wait: float, say: Callable[[str], None]) -> None:
    """Lock the dye's tables for a build from the input seeds until the session ends.

    No run starts meanwhile. An active run, or another session that builds from the seeds, is waited for. Runs are
    looked for only where they are recorded and the session's role may read them.

    Args:
        database: in autocommit.
        pipeline: whose tables.
        wait: maximum number of seconds to wait.
        say: called with what is waited for.

    Raises:
        RunInHand: the tables were not free within `wait` seconds.
    """
    deadline = time.monotonic() + wait
    waited_for, has_lock = None, False
    _work_for(database, pipeline)
    with database.cursor() as query:
        query.execute(f"listen {_CHANNEL}")
        while True:
            other, has_lock = _try_to_hold(query, has_lock)
            if other is None:
                query.execute(f"unlisten {_CHANNEL}")
                return
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise RunInHand(f"{other} after {wait:g} s of waiting. Run again when that is done.")
            if waited_for != other:
                say(f"{other}. Waiting until it ends.")
                waited_for = other
            pause = min(remaining, _LOOK_AGAIN)
            if other == _SOMEBODY_BUILDS:
                has_lock = _wait_for_lock(query, pause)
            else:
                _wait_for_an_end(database, pause)


def _try_to_hold(query: cursor, has_lock: bool) -> tuple[str | None, bool]:
    """Take the lock on the tables unless a run is active.

    Returns who holds the tables, in words, and whether this session holds the lock now.
    """
    query.execute(
        "select exists (select from pg_class where relnamespace = to_regnamespace('angiogram') and relname = 'runs'"
        " and has_schema_privilege(relnamespace, 'usage') and has_table_privilege(oid, 'select'))"
    )
    keeps_runs = query.fetchone() == (True,)
    with _one_at_a_time(query):
        if not has_lock:
            query.execute(_locking("pg_try_advisory_lock", "tables"))
            if query.fetchone() != (True,):
                return _SOMEBODY_BUILDS, False
        if keeps_runs:
            query.execute("select run_id, owner from angiogram.runs where in_hand and lease_until > clock_timestamp()")
            if held := query.fetchone():
                query.execute(_locking("pg_advisory_unlock", "tables"))
                return _is_in_hand(*held), False
    return None, True


def _wait_for_lock(query: cursor, seconds: float) -> bool:
    """Wait for the lock on the tables, and return whether it was taken in time."""
    query.execute("select set_config('lock_timeout', %s, false)", (f"{max(int(seconds * 1000), 1)}ms",))
    try:
        query.execute(_locking("pg_advisory_lock", "tables"))
        return True
    except LockNotAvailable:
        return False
    finally:
        query.execute("reset lock_timeout")


def _is_in_hand(run_id: str, owner: str) -> str:
    return f"Run {run_id} (started by {owner}) is in hand"


@dataclass(frozen=True, slots=True)
class _Other:
    """What prevents a run from starting.

    It has a description, the maximum time left in seconds, and what can be done.
    """

    told: str
    remaining: float
    way_out: str


@contextmanager
def _one_at_a_time(query: cursor) -> Iterator[None]:
    """Open a transaction in which no other session can decide who holds the tables."""
    query.execute("begin")
    try:
        query.execute(_locking("pg_advisory_xact_lock", "runs"))
        yield
    except BaseException:
        query.execute("rollback")
        raise
    query.execute("commit")


def _try_to_take(database: connection, run_id: str, lease: float, say: Callable[[str], None]) -> _Other | None:
    """Take the lease, or return what prevents that."""
    owner = f"{socket.gethostname()}/{os.getpid()}"
    with database.cursor() as query, _one_at_a_time(query):
        query.execute(
            "update angiogram.runs set in_hand = false, finished_at = clock_timestamp(),"
            " verdict = 'could_not_run', blockage = '[]',"
            " report = coalesce(report, '{}') || jsonb_build_object("
            "'verdict', 'could_not_run', 'error', 'its lease ran out and another run took over'), taken_over_by = %s"
            " where in_hand and lease_until <= clock_timestamp() returning run_id",
            (run_id,),
        )
        for (dead,) in query.fetchall():
            say(f"The lease of run {dead} ran out. Taking over.")
        query.execute(
            "select run_id, owner, extract(epoch from lease_until - clock_timestamp())::float8"
            " from angiogram.runs where in_hand"
        )
        if held := query.fetchone():
            holder, started_by, remaining = held
            return _Other(
                _is_in_hand(holder, started_by),
                remaining,
                f"It ends by itself, or {remaining:.0f} s from now when its lease runs out; then run again. "
                f"If that run is dead, release it: `angiogram release {holder}`.",
            )
        query.execute(_locking("pg_try_advisory_xact_lock", "tables"))
        if query.fetchone() != (True,):
            return _Other(_SOMEBODY_BUILDS, _LOOK_AGAIN, "Run again when that is done.")
        query.execute(
            "insert into angiogram.runs (run_id, in_hand, owner, started_at, lease_until, lease_seconds, report) values"
            " (%s, true, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => %s), %s, '{}')",
            (run_id, owner, lease, lease),
        )
    return None


def _wait_for_an_end(database: connection, seconds: float) -> None:
    """Wait until a run reports its end, for some seconds at most."""
    select.select([database], [], [], max(seconds, 0.05))
    database.poll()
    database.notifies.clear()


def renew(database: connection, run_id: str) -> None:
    """Renew the lease.

    Raises:
        LeaseLost: the run is no longer active.
    """
    _update_in_hand(database, run_id, "", ())


def save_step(database: connection, run_id: str, step: str, result: dict[str, Any]) -> None:
    """Store a step's result in the run's row, and renew the lease.

    Raises:
        LeaseLost: the run is no longer active.
    """
    _update_in_hand(
        database,
        run_id,
        ", steps = steps || jsonb_build_object(%s::text, %s::jsonb)",
        (step, Json(result)),
    )


def take_batch(database: connection, run_id: str, batch: int, batch_1_last_message: int) -> None:
    """Make the messages of a batch, and of those before it, visible to the models.

    Raises:
        LeaseLost: the run is no longer active.
    """
    _update_in_hand(
        database,
        run_id,
        ", batch = %s, batch_1_last_message = %s,"
        " batches_taken_at = batches_taken_at || jsonb_build_object(%s::text, clock_timestamp())",
        (batch, batch_1_last_message, batch),
    )


def _update_in_hand(database: connection, run_id: str, assignments: LiteralString, values: tuple[Any, ...]) -> None:
    with database.cursor() as query:
        query.execute(
            "update angiogram.runs set"
            " lease_until = clock_timestamp() + make_interval(secs => lease_seconds)"
            + assignments
            + " where run_id = %s and in_hand",
            (*values, run_id),
        )
        if query.rowcount == 0:
            raise LeaseLost(
                f"Run {run_id} is no longer in hand: its lease ran out or it was finished. Start a new run."
            )


def record(database: connection, run_id: str, verdict: str, blockage: list[StageId], report: dict[str, Any]) -> bool:
    """Record a run's verdict, and return whether it had none before.

    The first verdict is kept: a late clean-up does not overwrite it.
    """
    with database.cursor() as query:
        query.execute(
            "update angiogram.runs set verdict = %s, blockage = %s, report = coalesce(report, '{}') || %s,"
            " finished_at = clock_timestamp() where run_id = %s and verdict is null",
            (verdict, Json(as_json(blockage)), Json(report), run_id),
        )
        return query.rowcount > 0


def release(database: connection, run_id: str) -> None:
    """Release a run's lease so that the next run can start. Does nothing if it is not active."""
    with database.cursor() as query:
        query.execute("update angiogram.runs set in_hand = false where run_id = %s and in_hand", (run_id,))
        query.execute("select pg_notify(%s, %s)", (_CHANNEL, run_id))


def read(database: connection, run_id: str) -> Run:
    """Return one run.

    Raises:
        UnknownRun: there is no run with this ID.
    """
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(_SELECT + " where run_id = %s", (run_id,))
        row = query.fetchone()
    if row is None:
        raise UnknownRun(f"No run has the id {run_id}. `angiogram runs` lists the last ones.")
    return _run(row)


def read_or_last(database: connection, run_id: str | None) -> Run:
    """Return one run, or the run that started last if no ID is given.

    Raises:
        UnknownRun: there is no run with this ID, or no run at all.
    """
    if run_id:
        return read(database, run_id)
    if not (found := last(database, 1)):
        raise UnknownRun("There is no run yet. Start one with `angiogram run`.")
    return found[0]


def last(database: connection, limit: int) -> list[Run]:
    """Return the runs that started last, newest first."""
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(_SELECT + " order by started_at desc limit %s", (limit,))
        return [_run(row) for row in query.fetchall()]


def _run(row: Mapping[str, Any]) -> Run:
    """Build a run from its row, with times in UTC whatever the session's time zone."""
    cells: dict[str, Any] = {
        name: cell.astimezone(UTC) if isinstance(cell, datetime) else cell for name, cell in row.items()
    }
    blockage = cells.pop("blockage")
    report = as_current(cells.pop("report"))
    return Run(blockage=None if blockage is None else from_json(blockage), report=report, **cells)
