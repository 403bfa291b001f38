"""Several workers in one command: they share the work, add up, end together, and one that dies is noticed."""

import json
import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import closing

import psutil
import pytest
from kafka import TopicPartition
from psycopg2.extensions import connection

from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin
from sandbox.ports import choose
from sandbox.services import Sandbox
from tests.ingestion.support import Message, await_condition, count, publish
from tests.ingestion.test_loader_outages import each_message_once, loader, owners

KEY = "key of the dye for tests"


@pytest.fixture(autouse=True)
def dye_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dye key of the tests' own, after the sandbox has set its environment."""
    monkeypatch.setenv("DYE_KEY", KEY)


@pytest.fixture
def session(fresh_database: str, connect_as: Callable[..., connection]) -> connection:
    """A superuser's session."""
    return connect_as("postgres")


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_workers_share_the_partitions_and_their_reports_add_up(
    session: connection, fresh_topic: str, client: str
) -> None:
    publish(Message(partition=n % 4) for n in range(40_000))
    publish([Message(b"no ride", partition=3)])
    with loader("--workers", "4", "--client", client) as process:
        out, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    report = json.loads(out)
    assert (report["live_rows"], report["dead_letters"]) == (40_000, 1)
    assert [(p["first_offset"], p["next_offset"]) for p in report["partitions"]] == [(0, 10_000)] * 3 + [(0, 10_001)]
    assert count(session, "raw.loaders") == 4
    assert count(session, "raw.taxi_rides") == 40_000


def test_more_workers_than_partitions_are_no_harm(session: connection, fresh_topic: str) -> None:
    publish([Message()] * 10)
    with loader("--workers", "6") as process:
        out, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert json.loads(out)["live_rows"] == 10


def test_a_killed_worker_is_noticed_and_its_work_done_by_the_others(
    session: connection, fresh_topic: str, connect_as: Callable[..., connection]
) -> None:
    publish(Message(partition=n % 4) for n in range(160_000))
    holder = connect_as("postgres")
    with loader("--workers", "2") as process:
        await_condition(lambda: count(session, "raw.taxi_rides") > 0, "the first batch was committed")
        with holder.cursor() as query:
            query.execute("begin; lock raw.taxi_rides in exclusive mode")  # the batches under way wait here
            victim = psutil.Process(process.pid).children()[0]
            victim.kill()
            query.execute("commit")
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert f"Worker {victim.pid} was ended by SIGKILL" in talk
    assert count(session, "raw.taxi_rides") == 160_000
    assert each_message_once(session)


def test_a_killed_worker_that_followed_is_replaced(session: connection, fresh_topic: str) -> None:
    with loader("--follow", "--workers", "2") as process:
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions")
        before = set(owners(session))
        psutil.Process(process.pid).children()[0].kill()
        await_condition(lambda: len(before & set(owners(session))) == 1, "its partitions were free")
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions again")
        publish(Message(partition=n % 4) for n in range(400))
        await_condition(lambda: count(session, "raw.taxi_rides") == 400, "all was loaded")
        process.send_signal(signal.SIGTERM)
        out, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert json.loads(out)["live_rows"] == 400


FORKED = "import os, signal; os.register_at_fork({}=lambda: os.kill(os.getpid(), signal.{}))"


@pytest.mark.parametrize("who", ["after_in_child", "after_in_parent"])
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_told_to_stop_while_the_workers_start_all_end(
    session: connection, fresh_topic: str, who: str, number: str
) -> None:
    """In the moment of the fork, when a worker has no handler of its own yet, and its parent does not know it."""
    with loader("--follow", "--workers", "4", before=FORKED.format(who, number)) as process:
        out, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert json.loads(out)["live_rows"] == 0
    assert talk == ""


@pytest.mark.parametrize("replaced", [False, True], ids=["before", "at its start"])
def test_told_to_stop_when_a_worker_is_replaced_all_end(session: connection, fresh_topic: str, replaced: bool) -> None:
    with loader("--follow", "--workers", "2") as process:
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions")
        workers = psutil.Process(process.pid).children()
        workers[0].kill()
        assert process.stderr
        assert f"Worker {workers[0].pid} was ended by SIGKILL" in process.stderr.readline()
        if replaced:
            await_condition(
                lambda: len(psutil.Process(process.pid).children()) > 1, "something was started in its place"
            )
        process.send_signal(signal.SIGTERM)
        out, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert json.loads(out)["live_rows"] == 0
    assert talk == ""


def test_no_worker_is_forked_beside_a_thread(
    session: connection, fresh_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have for ever what locks that thread held; neither progress nor metrics may be such a thread."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # progress is shown as on a terminal
    count_threads = (
        "import os, psutil; "
        "os.register_at_fork(before=lambda: os.write(2, b'%d threads.' % psutil.Process().num_threads()))"
    )
    options = ("--follow", "--workers", "2", "--metrics-port", str(choose()))
    with loader(*options, before=count_threads) as process:
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions")
        before = set(owners(session))
        psutil.Process(process.pid).children()[0].kill()
        await_condition(lambda: len(before & set(owners(session))) == 1, "its partitions were free")
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions again")
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert re.findall(r"(\d+) threads\.", talk) == ["1", "1"]


def test_a_replacement_logs_as_the_others_do(session: connection, fresh_topic: str) -> None:
    """It is started anew, and inherits nothing."""
    with loader("--follow", "--workers", "2", "--log-format", "json") as process:
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions")
        before = set(owners(session))
        for worker in psutil.Process(process.pid).children():
            worker.kill()
        await_condition(lambda: _two_others(session, before), "both were replaced")
        cut = set(owners(session))
        with session.cursor() as query:
            for pid in cut:
                query.execute("select pg_terminate_backend(%s)", (pid,))
        await_condition(lambda: _two_others(session, cut), "they had their partitions again")
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert sum("PostgreSQL failed" in json.loads(line)["message"] for line in talk.splitlines()) == 2, talk


def _two_others(session: connection, former: set[int]) -> bool:
    found = set(owners(session))
    return len(found) == 2 and not found & former


def test_a_port_that_is_taken_ends_the_command_and_its_workers(session: connection, fresh_topic: str) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with loader("--follow", "--workers", "2", "--metrics-port", str(port)) as process:
            out, talk = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert f"Metrics cannot be served at port {port}" in talk
    assert "Traceback" not in talk


def test_an_error_of_one_worker_ends_all_with_its_exit_code(session: connection, fresh_topic: str) -> None:
    publish(Message(partition=n) for n in range(4))
    with loader() as process:
        process.communicate(timeout=60)
    with session.cursor() as query:
        query.execute('update raw.loaded_offsets set next_offset = 50 where "partition" = 0')
    with loader("--workers", "2") as process:
        out, talk = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, ""), talk
    assert "partition 0: 50 in raw.loaded_offsets, 1 in raw.loaded_totals" in talk
    assert "Traceback" not in talk


def test_what_the_topic_lost_is_named_by_one_error_and_the_rest_is_loaded(
    session: connection, fresh_topic: str
) -> None:
    """Workers that find a gap do not end the others."""
    publish(Message(partition=n % 4) for n in range(80))
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.delete_records({TopicPartition(fresh_topic, 0): 3, TopicPartition(fresh_topic, 1): 4})
    with loader("--workers", "2") as process:
        out, talk = process.communicate(timeout=60)
    assert process.returncode == 1, talk
    report = json.loads(out)
    assert report["live_rows"] == 40
    assert [(loss["partition"], loss["from_offset"], loss["to_offset"]) for loss in report["lost"]] == [
        *((0, 0, 3), (1, 0, 4))
    ]
    assert talk.count("Offsets 0 to") == 2
    assert "--accept-loss" in talk


def test_a_right_that_is_missing_ends_all_that_follow(session: connection, fresh_topic: str) -> None:
    """No worker is replaced again and again for what waiting does not mend."""
    with session.cursor() as query:
        query.execute("revoke insert on raw.taxi_rides from taxi_loader")
    publish(Message(partition=n) for n in range(4))
    with loader("--follow", "--workers", "2") as process:
        out, talk = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, ""), talk
    assert "permission denied for table taxi_rides" in talk
    assert "Traceback" not in talk


def test_workers_end_when_their_parent_is_killed(session: connection, fresh_topic: str) -> None:
    with loader("--follow", "--workers", "2") as process:
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions")
        orphans = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        await_condition(lambda: not any(orphan.is_running() for orphan in orphans), "the workers had ended", 30)
    await_condition(lambda: not owners(session), "all partitions were free")
