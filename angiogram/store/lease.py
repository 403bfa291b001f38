"""Takes the lease of a run, or holds the tables of the dye for a build from the seeds.

Of each pipeline one at a time.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection, cursor

from angiogram.core.errors import RunInHand
from angiogram.store import run_ids
from angiogram.store.runs import CHANNEL, work_for

WAIT = 1800.0
"""Maximum number of seconds that a run waits for another one."""

_LOOK_AGAIN = 5.0
"""Seconds after which a waiting run checks again without a notification that the other one ended."""
_SOMEBODY_BUILDS = (
    "Somebody builds the models from the input seeds (`angiogram run --from-seeds` or `angiogram accept`)"
)


def _locking(function: LiteralString, of: LiteralString) -> LiteralString:
    """Return a call of a PostgreSQL advisory lock function on a lock of the session's pipeline.

    Args:
        function: such as pg_advisory_lock.
        of: tables (the dye's tables of a pipeline) or runs (who holds them).
    """
    pipeline: LiteralString = "coalesce(current_setting('angiogram.pipeline', true), '')"
    return f"select {function}(hashtext('angiogram'), hashtext('{of} ' || {pipeline}))"


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
        query.execute(f"listen {CHANNEL}")
    while (other := _try_to_take(database, run_id, lease, say)) is not None:
        if patience <= 0:
            raise RunInHand(f"{other.told} after {wait:g} s of waiting. {other.way_out}")
        if waited_for != other.told:
            say(f"{other.told}. Waiting for it to end.")
            waited_for = other.told
        pause = min(patience, other.remaining, _LOOK_AGAIN)
        patience -= pause
        _wait_for_an_end(database, pause)
    with database.cursor() as query:
        query.execute(f"unlisten {CHANNEL}")
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
    work_for(database, pipeline)
    with database.cursor() as query:
        query.execute(f"listen {CHANNEL}")
        while True:
            other, has_lock = _try_to_hold(query, has_lock)
            if other is None:
                query.execute(f"unlisten {CHANNEL}")
                return
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise RunInHand(f"{other} after {wait:g} s of waiting. Run again when that is done.")
            if waited_for != other:
                say(f"{other}. Waiting for it to end.")
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
            "'verdict', 'could_not_run', 'error', 'its lease expired and another run took over'), taken_over_by = %s"
            " where in_hand and lease_until <= clock_timestamp() returning run_id",
            (run_id,),
        )
        for (dead,) in query.fetchall():
            say(f"The lease of run {dead} expired. Taking over.")
        query.execute(
            "select run_id, owner, extract(epoch from lease_until - clock_timestamp())::float8"
            " from angiogram.runs where in_hand"
        )
        if held := query.fetchone():
            holder, started_by, remaining = held
            return _Other(
                _is_in_hand(holder, started_by),
                remaining,
                f"It ends by itself, or in {remaining:.0f} s when its lease expires; then run again. "
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
