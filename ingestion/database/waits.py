"""Report which sessions a command waits for in PostgreSQL, before anyone has to look."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg2
from psycopg2.extensions import connection

from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable

_log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 2.0  # a shorter wait is not worth reporting
_AGAIN_SECONDS = 60.0


class Waits:
    """Checks now and then which sessions of a command wait for a lock, and who holds it.

    Args:
        role: the job of the sessions' role, one of the contract's.
        application_name: their name in pg_stat_activity.
        tell: called with a sentence for each wait; the same one is repeated after a minute.
    """

    def __init__(self, role: str, application_name: str, tell: Callable[[str], None]) -> None:
        self._role = role
        self._application_name = application_name
        self._tell = tell
        self._session: connection | None = None
        self._next_look = 0.0
        self._told: dict[tuple[int, int], float] = {}

    def close(self) -> None:
        """End the session used for checking."""
        if self._session:
            self._session.close()
            self._session = None

    def look(self) -> None:
        """Check for waits, unless that was just done; report nothing while PostgreSQL is away."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY_SECONDS
        try:
            found = self._found()
        except (DatabaseUnavailable, psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            _log.debug("Could not find out which session waits for which: %s", error)
            self.close()
            return
        for waiter, holder, name, what, seconds in found:
            if now >= self._told.get((waiter, holder), 0.0):
                self._told[waiter, holder] = now + _AGAIN_SECONDS
                self._tell(
                    f"Waiting for {seconds:.0f} s for {what}, held by {name} (backend {holder}). "
                    "If that hangs, end it: select pg_terminate_backend("
                    f"{holder})."
                )

    def _found(self) -> list[tuple[int, int, str, str, float]]:
        if self._session is None:
            self._session = connect(self._role, "ingestion waits")
            self._session.autocommit = True
        with self._session.cursor() as query:
            query.execute(
                "select waiting.pid, holding.pid, coalesce(nullif(holding.application_name, ''), 'a session') || "
                "coalesce(' of role ' || holding.usename, ''), "
                "coalesce('a lock on ' || locks.relation::regclass::text, 'a lock'), "
                "extract(epoch from clock_timestamp() - locks.waitstart)::float "
                "from pg_stat_activity as waiting "
                "inner join pg_locks as locks on waiting.pid = locks.pid and not locks.granted "
                "cross join unnest(pg_blocking_pids(waiting.pid)) as blocking (pid) "
                "inner join pg_stat_activity as holding on blocking.pid = holding.pid "
                "where waiting.datname = current_database() and waiting.application_name = %s "
                "and locks.waitstart < clock_timestamp() - make_interval(secs => %s) order by waiting.pid, holding.pid",
                (self._application_name, _PATIENCE_SECONDS),
            )
            return query.fetchall()


@contextmanager
def watched(role: str, application_name: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Report on a thread, while the block runs, which sessions the command waits for.

    For processes that do not fork in the meantime.
    """
    waits = Waits(role, application_name, tell)
    done = Event()

    def keep_looking() -> None:
        while not done.wait(_LOOK_EVERY_SECONDS):
            waits.look()
        waits.close()

    thread = Thread(target=keep_looking, name="waits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
