"""Several workers in one command: they share the work, add up, end together, and one that dies is noticed."""

import json
import os
import signal
from collections.abc import Callable

import psutil
import pytest
from psycopg2.extensions import connection

from sandbox.services import Sandbox
from tests.ingestion.support import Message, await_condition, count, publish, rows
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
    assert (report["rides"], report["dead_letters"]) == (40_000, 1)
    assert [(p["first_offset"], p["next_offset"]) for p in report["partitions"]] == [(0, 10_000)] * 3 + [(0, 10_001)]
    assert count(session, "raw.loaders") == 4
    assert count(session, "raw.taxi_rides") == 40_000


def test_more_workers_than_partitions_are_no_harm(session: connection, fresh_topic: str) -> None:
    publish([Message()] * 10)
    with loader("--workers", "6") as process:
        out, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert json.loads(out)["rides"] == 10


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
        [first, second] = psutil.Process(process.pid).children()
        first.kill()
        await_condition(
            lambda: len({first, second} ^ set(psutil.Process(process.pid).children())) == 2, "there was another worker"
        )
        await_condition(lambda: sorted(owners(session).values()) == [2, 2], "each had two partitions again")
        publish(Message(partition=n % 4) for n in range(400))
        await_condition(lambda: count(session, "raw.taxi_rides") == 400, "all was loaded")
        process.send_signal(signal.SIGTERM)
        out, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk
    assert json.loads(out)["rides"] == 400


def test_an_error_of_one_worker_ends_all_with_its_exit_code(session: connection, fresh_topic: str) -> None:
    publish(Message(partition=n) for n in range(4))
    with loader() as process:
        process.communicate(timeout=60)
    with session.cursor() as query:
        query.execute('update raw.loaded_offsets set next_offset = 50 where "partition" = 0')
    with loader("--workers", "2") as process:
        out, talk = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, ""), talk
    assert "Offsets 1 to 49" in talk
    assert "Traceback" not in talk
    assert rows(session, "raw.gaps", "from_offset, to_offset", "partition") == [(1, 50)]


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
