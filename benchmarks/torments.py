"""The torments of the loader: each does one thing to it at random moments, several times."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection

from benchmarks.servers import administrator
from sandbox.services import Sandbox

Loader = subprocess.Popen[bytes]
Torment = Callable[[Sandbox, random.Random, int], None]

_LONGEST_SECONDS = 120.0
_LOADS = (
    ["--workers", "1"],
    ["--workers", "2"],
    ["--client", "confluent"],
    ["--client", "confluent", "--workers", "1"],
)


def start(*options: str) -> Loader:
    """Start `ingestion load` as its own process group.

    Its output goes to the file named by TORTURE_LOG.
    """
    command = [str(Path(sys.executable).with_name("ingestion")), "load", *options]
    with open(os.environ.get("TORTURE_LOG", os.devnull), "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603


def kill(loader: Loader) -> None:
    """End the command and its workers as a failing machine would."""
    if loader.poll() is None:
        os.killpg(loader.pid, signal.SIGKILL)
    loader.wait()


@contextmanager
def follower(*options: str) -> Iterator[Loader]:
    """A loader that follows the topic, and is stopped politely at the end of the block."""
    loader = start("--follow", *options)
    try:
        yield loader
        loader.send_signal(signal.SIGTERM)
        if code := loader.wait(_LONGEST_SECONDS):
            raise AssertionError(f"the loader ended with {code} when it was told to stop")
    finally:
        kill(loader)


def await_true(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: it never does.
    """
    end = time.monotonic() + _LONGEST_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {_LONGEST_SECONDS:.0f} s in vain until {what}")
        time.sleep(0.02)


def stored(session: connection) -> int:
    """Sum of all stored offsets."""
    with session.cursor() as query:
        query.execute("select coalesce(sum(next_offset), 0) from raw.loaded_offsets")
        return int(query.fetchall()[0][0])


def await_progress() -> float:
    """Wait until more was committed; return the seconds it took."""
    began = time.monotonic()
    with closing(administrator()) as session:
        before = stored(session)
        await_true(lambda: stored(session) > before, "the loader had committed more")
    return time.monotonic() - began


def killed_at_random_moments(_: Sandbox, chance: random.Random, times: int) -> None:
    """Kill the command and its workers with kill -9.

    Half of the kills come while it loads, half at any moment from its start on.
    """
    for number in range(times):
        loader = start("--follow", *_LOADS[number % len(_LOADS)])
        try:
            if number % 8 < len(_LOADS):
                await_progress()
            time.sleep(chance.uniform(0, 1.5))  # the random moment
        finally:
            kill(loader)
    with follower():
        await_progress()


def joining_and_leaving(_: Sandbox, chance: random.Random, times: int) -> None:
    """Run three loaders; again and again kill or stop one of them, and start another."""
    crew = [start("--follow", "--workers", "1") for _ in range(3)]
    try:
        await_progress()
        for number in range(times):
            leaving = crew.pop(chance.randrange(3))
            if number % 2:
                kill(leaving)
            else:
                leaving.send_signal(signal.SIGTERM)
                code = leaving.wait(_LONGEST_SECONDS)
                if code not in (0, -signal.SIGTERM):  # the signal itself ends a loader that has not begun to work
                    raise AssertionError(f"a loader that was told to leave ended with {code}")
            crew.append(start("--follow", *_LOADS[number % len(_LOADS)]))
            time.sleep(chance.uniform(0.2, 1.5))  # the random moment
        await_progress()
    finally:
        for loader in crew:
            kill(loader)


def postgres_restarted(sandbox: Sandbox, chance: random.Random, times: int) -> None:
    """Stop and start PostgreSQL; every second stop is a crash."""
    with follower():
        for number in range(times):
            await_progress()
            time.sleep(chance.uniform(0, 1))  # the random moment
            if number % 2:
                sandbox.kill_postgres()
            sandbox.restart_postgres()
        await_progress()


def kafka_restarted(sandbox: Sandbox, chance: random.Random, times: int) -> None:
    """Stop and start Kafka, with either client; every second stop is a crash."""
    for number in range(times):
        with follower("--client", "confluent" if number % 2 else "kafka-python"):
            await_progress()
            time.sleep(chance.uniform(0, 1))  # the random moment
            if number % 4 > 1:
                sandbox.kill_kafka()
            sandbox.restart_kafka()
            await_progress()


def cut_in_copy(_: Sandbox, chance: random.Random, times: int) -> None:
    """Cut the connection on the server while it receives rows by COPY."""
    with follower("--workers", "2"):
        for _number in range(times):
            await_progress()
            time.sleep(chance.uniform(0, 0.3))  # the random moment
            _cut(sql.SQL("query like 'copy %'"))
        await_progress()


def cut_in_commit(_: Sandbox, chance: random.Random, times: int) -> None:
    """Cut the connection after the transaction is durable, before the loader hears of it.

    A missing standby makes every commit wait at exactly that point.
    """
    with follower("--workers", "2"):
        for _number in range(times):
            await_progress()
            time.sleep(chance.uniform(0, 0.3))  # the random moment
            _wait_for_standby("nobody")
            try:
                _cut(sql.SQL("wait_event = 'SyncRep'"))
            finally:
                _wait_for_standby("")
        await_progress()


def _cut(condition: sql.SQL) -> None:
    """Cut a loader's session the moment the condition on its state holds."""
    statement = sql.SQL(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'taxi_loader' "
        "and datname = current_database() and state = 'active' and {}"
    ).format(condition)

    def cut() -> bool:
        with session.cursor() as query:
            query.execute(statement)
            return bool(query.fetchall()[0][0])

    with closing(administrator()) as session:
        with session.cursor() as query:
            query.execute("set synchronous_commit = local")
        await_true(cut, f"a session of the loader could be cut where {condition.string}")


def _wait_for_standby(name: str) -> None:
    with closing(administrator()) as session, session.cursor() as query:
        query.execute("alter system set synchronous_standby_names = %s", (name,))
        query.execute("select pg_reload_conf()")


TORMENTS: dict[str, tuple[Torment, int]] = {
    "kill -9 at random moments": (killed_at_random_moments, 50),
    "three loaders joining and leaving": (joining_and_leaving, 12),
    "connection cut in COPY": (cut_in_copy, 10),
    "connection cut in COMMIT": (cut_in_commit, 10),
    "PostgreSQL restarted or crashed": (postgres_restarted, 4),
    "Kafka restarted or crashed": (kafka_restarted, 4),
}
"""Each torment, with the number of times it strikes in `make torture`."""
