"""Kills, outages, several loaders at once, a topic that changes: each message exactly once, nothing vanishes."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from kafka.admin import NewPartitions
from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.errors import DatabaseUnavailable
from ingestion.key_fingerprint import key_fingerprint
from ingestion.loader.run import load_until_caught_up
from ingestion.loader.store import follower_alive, follower_key_fingerprints
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import ensure_topic, open_admin, topic_id
from sandbox.services import Sandbox
from tests.ingestion.support import Message, await_condition, count, publish, rows

KEY = "key of the dye for tests"


@pytest.fixture(autouse=True)
def dye_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dye key of the tests' own, after the sandbox has set its environment."""
    monkeypatch.setenv("DYE_KEY", KEY)


@pytest.fixture
def session(fresh_database: str, connect_as: Callable[..., connection]) -> connection:
    """A superuser's session."""
    return connect_as("postgres")


@contextmanager
def loader(*options: str, before: str = "") -> Iterator["subprocess.Popen[str]"]:
    """`ingestion load` as a process of its own, which first does what is to be done `before`; ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{before}\nfrom ingestion.cli import main; main()", "load", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_all(process)
        process.communicate()


def kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a loader and its workers, as a machine that fails would."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def each_message_once(session: connection) -> bool:
    """Whether the rows are exactly the offsets below the stored ones."""
    stored = dict(rows(session, "raw.loaded_offsets", "partition, next_offset", "partition"))
    loaded = Counter(partition for (partition,) in rows(session, "raw.taxi_rides", "partition"))
    return loaded == Counter(stored)


def loader_sessions(session: connection) -> list[int]:
    """Backends of loaders on this database."""
    with session.cursor() as query:
        query.execute("select pid from pg_stat_activity where usename = 'taxi_loader' and datname = current_database()")
        return [pid for (pid,) in query.fetchall()]


@pytest.mark.parametrize("options", [["--workers", "1"], ["--workers", "2"], ["--client", "confluent"]], ids=" ".join)
def test_killed_half_way_each_message_is_loaded_once(
    session: connection, fresh_topic: str, connect_as: Callable[..., connection], options: list[str]
) -> None:
    messages = 160_000
    publish(Message(partition=n % 4) for n in range(messages))
    with loader(*options) as process, closing(connect_as("postgres")) as holder, holder.cursor() as query:
        await_condition(lambda: count(session, "raw.taxi_rides") > 0, "the first batch was committed")
        query.execute("begin; lock raw.taxi_rides in exclusive mode")  # the batch under way waits here
        kill_all(process)
        process.wait()
    await_condition(lambda: not loader_sessions(session), "PostgreSQL noticed the kill")
    half = count(session, "raw.taxi_rides")
    assert 0 < half < messages
    assert each_message_once(session)
    assert load_until_caught_up().live_rows == messages - half
    assert count(session, "raw.taxi_rides") == messages


def test_a_session_cut_in_the_middle_is_waited_out(session: connection, fresh_topic: str) -> None:
    messages = 80_000
    publish(Message(partition=n % 4) for n in range(messages))
    with loader() as process:
        await_condition(lambda: count(session, "raw.taxi_rides") > 0, "the first batch was committed")
        with session.cursor() as query:
            for pid in loader_sessions(session):
                query.execute("select pg_terminate_backend(%s)", (pid,))
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert "PostgreSQL failed" in talk
    assert count(session, "raw.taxi_rides") == messages
    assert count(session, "raw.dead_letters") == 0


def test_followers_share_and_one_goes_on_alone_when_the_other_is_killed(session: connection, fresh_topic: str) -> None:
    with loader("--follow", "--workers", "1") as first, loader("--follow", "--workers", "1") as second:
        await_condition(lambda: len(follower_key_fingerprints(session)) == 2, "both were at work")
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions")
        kill_all(first)
        publish(Message(partition=n % 4) for n in range(400))
        await_condition(lambda: count(session, "raw.taxi_rides") == 400, "the other had loaded all")
        assert each_message_once(session)
        assert follower_alive(session)
        assert not follower_alive(session, "of_another_pipeline")
        assert follower_key_fingerprints(session) == [[key_fingerprint(KEY.encode())]]
        second.send_signal(signal.SIGTERM)
        report, talk = second.communicate(timeout=30)
        assert second.returncode == 0, talk
        assert json.loads(report)["live_rows"] == 400
    assert not follower_alive(session)


def owners(session: connection) -> dict[int, int]:
    """Per backend the number of partitions it holds."""
    with session.cursor() as query:
        query.execute(
            "select pid, count(*) from pg_locks where locktype = 'advisory' and granted and mode = 'ExclusiveLock' "
            "and database = (select oid from pg_database where datname = current_database()) group by pid"
        )
        return dict(query.fetchall())


def test_two_loads_at_once_load_each_message_once(session: connection, fresh_topic: str) -> None:
    publish(Message(partition=n % 4) for n in range(40_000))
    with loader() as one, loader() as other:
        reports = [json.loads(process.communicate(timeout=60)[0]) for process in (one, other)]
    assert sum(report["live_rows"] for report in reports) == 40_000
    assert count(session, "raw.taxi_rides") == 40_000
    assert each_message_once(session)


def test_a_load_beside_a_follower_ends_when_all_is_loaded(session: connection, fresh_topic: str) -> None:
    """Whoever loads it: afterwards it is there."""
    with loader("--follow"):
        await_condition(lambda: sum(owners(session).values()) == 4, "the follower had all partitions")
        publish(Message(partition=n % 4) for n in range(5_000))
        report = load_until_caught_up()
        assert report.live_rows == 0
        assert count(session, "raw.taxi_rides") == 5_000


def test_a_load_that_waits_for_another_says_for_whom(
    session: connection, fresh_topic: str, connect_as: Callable[..., connection]
) -> None:
    """Again and again, as long as nothing moves."""
    publish([Message(), Message(partition=1)])
    holder = connect_as("postgres")
    with holder.cursor() as query:
        query.execute("select pg_advisory_lock(hashtext(%s), 0)", (str(topic_id()),))
    with loader("--workers", "1") as process:
        assert process.stderr
        told = process.stderr.readline()
        assert f"partition 0 of {fresh_topic}" in told
        assert f"backend {holder.info.backend_pid} (tests)" in told
        assert count(session, "raw.taxi_rides") == 1
        holder.close()
        out, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert json.loads(out)["live_rows"] == 2


def test_kafka_that_is_not_there_ends_the_command_with_2(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with loader() as process:
        out, talk = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "127.0.0.1:1" in talk
    assert "Traceback" not in talk


def test_a_follower_waits_for_kafka_and_leaves_when_told(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with loader("--follow") as process:
        assert process.stderr
        assert "127.0.0.1:1 did not answer" in process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert json.loads(out)["live_rows"] == 0


def test_a_topic_made_again_starts_at_its_beginning(session: connection, fresh_topic: str) -> None:
    publish([Message()] * 3)
    assert load_until_caught_up().live_rows == 3
    former = topic_id()
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.delete_topics([fresh_topic])
        await_condition(lambda: fresh_topic not in admin.list_topics(), "the topic was gone")
    ensure_topic()
    publish([Message()] * 2)
    assert load_until_caught_up().live_rows == 2
    assert topic_id() != former
    assert Counter(rows(session, "raw.taxi_rides", "topic_id")) == {(str(former),): 3, (str(topic_id()),): 2}


def test_new_partitions_are_loaded_from_their_beginning(session: connection, fresh_topic: str) -> None:
    load_until_caught_up()
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.create_partitions({fresh_topic: NewPartitions(6)})
    publish([Message(partition=5)] * 3)
    assert load_until_caught_up().live_rows == 3
    assert rows(session, "raw.taxi_rides", "partition, offset") == [(5, 0), (5, 1), (5, 2)]


OUTAGES = {
    "disk-full": (
        """
        create function raw.fail() returns trigger language plpgsql as
        $$begin raise exception 'could not extend file' using errcode = '53100'; end$$;
        create trigger failing before insert on raw.taxi_rides execute function raw.fail();
        """,
        "drop trigger failing on raw.taxi_rides",
    ),
    "lock-time-out": (
        "begin; alter role taxi_loader in database {} set lock_timeout = '100ms'; commit; "
        "begin; lock raw.taxi_rides in exclusive mode",
        "commit",
    ),
    "read-only": (
        "alter role taxi_loader in database {} set default_transaction_read_only = on",
        "alter role taxi_loader in database {} reset default_transaction_read_only",
    ),
}
"""Statements that begin an outage of the database, and those that end it."""


@pytest.mark.parametrize(("begin", "end"), OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_is_waited_out_and_is_no_poison(
    session: connection, fresh_topic: str, fresh_database: str, begin: str, end: str
) -> None:
    """No message becomes a dead letter for what is wrong with the server, and every one is loaded afterwards."""
    publish(Message(partition=n % 4) for n in range(400))
    with session.cursor() as query, loader("--follow", "--workers", "1") as process:
        database = sql.Identifier(fresh_database)
        query.execute(sql.SQL(begin).format(database) if "{}" in begin else begin)
        assert process.stderr
        assert "PostgreSQL failed" in process.stderr.readline()
        query.execute(sql.SQL(end).format(database) if "{}" in end else end)
        await_condition(lambda: count(session, "raw.taxi_rides") == 400, "all was loaded")
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert count(session, "raw.dead_letters") == 0
    assert each_message_once(session)


def test_a_read_only_database_ends_a_load_at_its_start(
    session: connection, fresh_topic: str, fresh_database: str
) -> None:
    with session.cursor() as query:
        query.execute(sql.SQL(OUTAGES["read-only"][0]).format(sql.Identifier(fresh_database)))
    with pytest.raises(DatabaseUnavailable, match="set PGHOST to the primary"):
        load_until_caught_up()
