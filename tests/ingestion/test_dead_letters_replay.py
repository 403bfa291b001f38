"""Dead letters are published again once, to their own topic, whatever is killed or runs beside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from psycopg2.extensions import connection, cursor

from ingestion.bulk.run import bulk_load
from ingestion.dead_letters.replay import REPLAY_HEADER, Replay, replay, replay_corrected
from ingestion.errors import InputError
from ingestion.loader.run import load_until_caught_up
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import ensure_topic, open_admin, topic_id
from tests.ingestion.support import Message, await_condition, count, publish, rows
from tests.ingestion.topic_reader import records
from tests.services import new_topic

COMMAND = str(Path(sys.executable).with_name("ingestion"))
RIDE = b'{"taxi_id": "t1"}'
Connect = Callable[..., connection]


@pytest.fixture
def session(fresh_database: str, fresh_topic: str, connect_as: Connect, monkeypatch: pytest.MonkeyPatch) -> connection:
    """A superuser's session in a database of the test's own."""
    monkeypatch.setenv("DYE_KEY", "key of the dye for tests")
    return connect_as("postgres")


@pytest.fixture
def admin(session: connection) -> Iterator[KafkaAdminClient]:
    opened = open_admin(KafkaSettings.from_environment())
    yield opened
    opened.close()


def letters_that_are_rides_today(session: connection, number: int) -> None:
    """As after an earlier loader was stricter."""
    publish([Message(b"no ride")] * number)
    load_until_caught_up()
    with session.cursor() as query:
        query.execute("update raw.dead_letters set value = %s where value = 'no ride'", (RIDE,))


def published() -> int:
    """Rides on the topic."""
    return sum(record.value == RIDE for record in records().values())


@contextmanager
def marking_held(session: connection) -> Iterator[cursor]:
    """No dead letter can be marked before the block commits: what is published is not noted."""
    with session.cursor() as query:
        query.execute("begin; select from raw.dead_letters for share")
        yield query
        query.execute("rollback")


@contextmanager
def started(*options: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [COMMAND, "dead-letters", "replay", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_replay_publishes_nothing_twice(session: connection) -> None:
    letters_that_are_rides_today(session, 3)
    with marking_held(session), started() as process:
        await_condition(lambda: published() == 1, "the first was on the topic")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert replay() == Replay(published=2, found_again=1)
    assert published() == 3
    assert load_until_caught_up().live_rows == 3
    with session.cursor() as query:
        query.execute("select count(*) from raw.replays where published_at is not null")
        assert query.fetchall() == [(3,)]


def test_a_claim_that_was_never_sent_is_sent(session: connection) -> None:
    letters_that_are_rides_today(session, 1)
    claim(session, topic_id())
    assert replay() == Replay(published=1)
    assert published() == 1


def claim(session: connection, into: object) -> None:
    """What a command leaves that was killed before it sent."""
    with session.cursor() as query:
        query.execute(
            'insert into raw.replays (topic_id, "partition", "offset", replay_id, into_topic, into_topic_id, '
            'end_offsets) select topic_id, "partition", "offset", gen_random_uuid(), topic, %s, \'{0,0,0,0}\' '
            "from raw.dead_letters",
            (str(into),),
        )


def test_where_the_topic_no_longer_tells_nothing_is_published_unasked(
    session: connection, admin: KafkaAdminClient
) -> None:
    letters_that_are_rides_today(session, 1)
    claim(session, topic_id())
    admin.delete_records({TopicPartition(os.environ["KAFKA_TOPIC"], 0): 1})
    assert replay() == Replay(unclear=1)
    with pytest.raises(InputError, match="may already have been published"):
        replay_corrected(0, 0, RIDE)
    assert published() == 0
    assert replay(unclear_again=True) == Replay(published=1)
    assert published() == 1


def test_a_topic_made_again_since_does_not_tell(session: connection) -> None:
    letters_that_are_rides_today(session, 1)
    claim(session, uuid4())
    assert replay() == Replay(unclear=1)


def test_two_replays_at_once_publish_once_and_the_second_says_for_whom_it_waits(session: connection) -> None:
    letters_that_are_rides_today(session, 3)
    with marking_held(session) as held, started() as first:
        await_condition(lambda: published() == 1, "the first was on the topic")
        with started() as second:
            assert second.stderr
            told = second.stderr.readline()
            held.execute("rollback")
            results = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert f"held by ingestion dead-letters replay {first.pid} of role taxi_owner" in told
    assert [result["published"] for result in results] == [3, 0]
    assert published() == 3


def test_two_corrections_at_once_publish_one(session: connection, tmp_path: Path) -> None:
    publish([Message(b"no ride")])
    load_until_caught_up()
    file = tmp_path / "corrected"
    file.write_bytes(RIDE)
    one = ("--partition", "0", "--offset", "0", "--corrected", str(file))
    with marking_held(session) as held, started(*one) as first, started(*one) as second:
        await_condition(lambda: published() == 1, "one was on the topic")
        held.execute("rollback")
        codes = sorted([first.wait(timeout=60), second.wait(timeout=60)])
    assert codes == [0, 2]
    assert published() == 1


def test_letters_of_another_topic_stay_until_it_is_named(session: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    letters_that_are_rides_today(session, 2)
    own = os.environ["KAFKA_TOPIC"]
    with new_topic():
        assert replay() == Replay(of_other_topics={own: 2})
        with pytest.raises(InputError, match=f"belongs to the topic {own}"):
            replay_corrected(0, 0, RIDE)
        assert records() == {}
    monkeypatch.setenv("KAFKA_TOPIC", own)
    ensure_topic()
    assert replay() == Replay(published=2)
    assert published() == 2


def test_a_letter_of_a_file_becomes_a_row_of_the_file(session: connection, tmp_path: Path) -> None:
    """And goes with the file: the corrected day has the ride once."""
    file = tmp_path / "2026-01-05.ndjson"
    file.write_text('{"taxi_id": "t0"}\nno ride\n')
    bulk_load(tmp_path)
    replay_corrected(0, 1, RIDE)
    assert records() == {}
    taken = rows(session, "raw.taxi_rides", "taxi_id, topic, partition, offset", "partition")
    assert taken == [("t0", f"file:{file.name}", 0, 0), ("t1", f"file:{file.name}", 1, 0)]
    ((at_loading, at_correcting),) = {tuple(at for (at,) in rows(session, "raw.taxi_rides", "message_at"))}
    assert at_loading == at_correcting
    assert bulk_load(tmp_path).restored == {}
    with pytest.raises(InputError, match="already"):
        replay_corrected(0, 1, RIDE)
    file.write_text('{"taxi_id": "t0"}\n' + RIDE.decode() + "\n")
    bulk_load(tmp_path, replace_day=date(2026, 1, 5))
    assert rows(session, "raw.taxi_rides", "taxi_id", "taxi_id") == [("t0",), ("t1",)]
    assert (count(session, "raw.dead_letters"), count(session, "raw.replays")) == (0, 0)


def test_what_is_published_again_carries_its_claim(session: connection) -> None:
    letters_that_are_rides_today(session, 1)
    replay()
    ((replay_id, partition, offset),) = rows(session, "raw.replays", "replay_id, into_partition, into_offset")
    assert records()[partition, offset].headers == [(REPLAY_HEADER, str(replay_id).encode())]
