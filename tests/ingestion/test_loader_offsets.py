"""Every offset is accounted for once: gaps, transactions, offsets that something else wrote, rows that went missing."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import psycopg2
import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from psycopg2.extensions import connection
from typer.testing import CliRunner, Result

from ingestion.cli import app
from ingestion.errors import MessagesLost, OffsetsSetBack, OpenTransaction, TopicLosesMessages
from ingestion.loader import waits, work
from ingestion.loader.ledger import Place, record_gap
from ingestion.loader.reading.clients import Client
from ingestion.loader.reading.reader import Reader
from ingestion.loader.run import follow, load_until_caught_up
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin, topic_id
from sandbox.services import Sandbox
from tests.ingestion.support import Message, await_condition, count, publish, rows

TOTALS = "next_offset, live_rows, gaps, empty_offsets, not_counted"


@pytest.fixture
def session(
    sandbox: Sandbox,
    fresh_database: str,
    fresh_topic: str,
    connect_as: Callable[..., connection],
    monkeypatch: pytest.MonkeyPatch,
) -> connection:
    """A superuser's session."""
    monkeypatch.setenv("DYE_KEY", "key of the dye for tests")
    return connect_as("postgres")


def delete_from_topic(**ends: int) -> None:
    """Let the topic delete all before an offset: p0=15 of partition 0."""
    topic = KafkaSettings.from_environment().topic
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.delete_records({TopicPartition(topic, int(name[1:])): end for name, end in ends.items()})


def gaps(session: connection) -> list[tuple[int, int, int, str, bool]]:
    return [
        (partition, from_offset, to_offset, reason, passed_at is not None)
        for partition, from_offset, to_offset, reason, passed_at in rows(
            session, "raw.gaps", "partition, from_offset, to_offset, reason, passed_at", "partition"
        )
    ]


def execute(session: connection, statement: str) -> None:
    with session.cursor() as query:
        query.execute(statement)


def repair(*options: str) -> Result:
    return CliRunner().invoke(app, ["offsets", "repair", *options], catch_exceptions=False)


def test_a_gap_that_two_loaders_found_is_as_long_as_the_longer_of_both(session: connection) -> None:
    """The second one asked the topic earlier, and records later."""
    place = Place(0, topic_id(), None)
    with session.cursor() as query:
        for to_offset in (15, 10):
            record_gap(query, "a topic", 0, place, to_offset, "deleted_before_loaded")
    assert gaps(session) == [(0, 0, 15, "deleted_before_loaded", False)]


def test_a_gap_grows_with_what_the_topic_deletes_and_is_counted_once(session: connection) -> None:
    publish(Message() for _ in range(100))
    assert load_until_caught_up().live_rows == 100
    publish(Message() for _ in range(150))
    for end in (150, 150, 200):
        delete_from_topic(p0=end)
        with pytest.raises(MessagesLost, match=f"Offsets 100 to {end - 1}"):
            load_until_caught_up()
        assert gaps(session) == [(0, 100, end, "deleted_before_loaded", False)]
    assert load_until_caught_up(accept_loss=True).live_rows == 50
    assert gaps(session) == [(0, 100, 200, "deleted_before_loaded", True)]
    assert rows(session, "raw.loaded_totals", TOTALS, "partition")[0] == (250, 150, 100, 0, 0)
    publish(Message() for _ in range(10))
    delete_from_topic(p0=255)
    assert load_until_caught_up(accept_loss=True).live_rows == 5
    assert [gap[1:3] for gap in gaps(session)] == [(100, 200), (250, 255)]


def test_the_database_refuses_a_gap_that_overlaps_another(session: connection) -> None:
    insert = (
        'insert into raw.gaps (topic_id, topic, "partition", from_offset, to_offset, reason)'
        " values ('00000000-0000-0000-0000-000000000001', 'rides', 0, %s, %s, 'deleted_before_loaded')"
    )
    with session.cursor() as query:
        query.execute(insert, (100, 150))
        query.execute(insert, (150, 160))
        for overlapping in ((90, 101), (120, 130), (149, 150), (50, 300)):
            with pytest.raises(psycopg2.errors.ExclusionViolation, match="overlaps"):
                query.execute(insert, overlapping)


def test_all_partitions_with_a_gap_are_named_and_the_others_are_loaded(session: connection) -> None:
    publish(Message(partition=n % 4) for n in range(80))
    delete_from_topic(p1=5, p3=20)
    with pytest.raises(MessagesLost) as told:
        load_until_caught_up()
    assert "Offsets 0 to 4 of" in str(told.value)
    assert "partition 1" in str(told.value)
    assert "Offsets 0 to 19 of" in str(told.value)
    assert "partition 3" in str(told.value)
    assert count(session, "raw.taxi_rides") == 40
    assert load_until_caught_up(accept_loss=True).live_rows == 15
    assert [total[:3] for total in rows(session, "raw.loaded_totals", TOTALS, "partition")] == [
        *((20, 20, 0), (20, 15, 5), (20, 20, 0), (20, 0, 20))
    ]


SET_BACK = {
    "offsets truncated": ("truncate raw.loaded_offsets", "partition 0: none in raw.loaded_offsets, 30 in"),
    "one offset set back": (
        'update raw.loaded_offsets set next_offset = 5 where "partition" = 0',
        "partition 0: 5 in raw.loaded_offsets, 30 in raw.loaded_totals",
    ),
    "one offset set beyond": (
        'update raw.loaded_offsets set next_offset = 50 where "partition" = 0',
        "partition 0: 50 in raw.loaded_offsets, 30 in raw.loaded_totals",
    ),
    "totals truncated": ("truncate raw.loaded_totals", "partition 0: 30 in raw.loaded_offsets, 0 in raw.loaded_totals"),
}


@pytest.mark.parametrize(("accident", "told"), SET_BACK.values(), ids=SET_BACK.keys())
def test_offsets_that_something_else_wrote_are_named_and_repaired(
    session: connection, accident: str, told: str
) -> None:
    publish(Message(partition=n % 2) for n in range(60))
    assert load_until_caught_up().live_rows == 60
    publish(Message() for _ in range(7))
    execute(session, accident)
    with pytest.raises(OffsetsSetBack) as refused:
        load_until_caught_up()
    assert told in str(refused.value)
    assert "ingestion offsets repair" in str(refused.value)
    done = repair()
    assert done.exit_code == 0, done.output
    [first] = [line for line in map(json.loads, done.stdout.splitlines()) if line["partition"] == 0]
    assert (first["topic_id"], first["next_offset"], first["missing"]) == (str(topic_id()), 30, 0)
    assert load_until_caught_up().live_rows == 7
    assert count(session, "raw.taxi_rides") == 67
    assert rows(session, "raw.loaded_totals", TOTALS, "partition")[:2] == [(37, 37, 0, 0, 0), (30, 30, 0, 0, 0)]


def test_where_all_records_of_offsets_are_gone_stored_rows_are_not_loaded_again(session: connection) -> None:
    """What is stored says how far it goes: rows, dead letters, gaps, offsets that hold no message."""
    publish(Message(partition=0) for _ in range(10))
    publish([Message(b"no message", partition=1), Message(headers=[("dye-run-id", b"x")], partition=2)])
    publish(Message(partition=3) for _ in range(5))
    delete_from_topic(p3=5)
    load_until_caught_up(accept_loss=True)
    before = rows(session, "raw.loaded_offsets", "partition, next_offset", "partition")
    assert before == [(0, 10), (1, 1), (2, 1), (3, 5)]
    execute(session, "truncate raw.loaded_offsets, raw.loaded_totals")
    publish([Message()])
    with pytest.raises(OffsetsSetBack, match="partition 0: offset 0 is next, but messages up to 9 are stored"):
        load_until_caught_up()
    assert repair().exit_code == 0
    assert rows(session, "raw.loaded_offsets", "partition, next_offset", "partition") == before
    assert load_until_caught_up().live_rows == 1
    assert count(session, "raw.taxi_rides") == 11


def test_rows_that_went_missing_are_counted_until_they_are_back_or_given_up(session: connection) -> None:
    publish(Message() for _ in range(20))
    load_until_caught_up()
    execute(session, "create table kept as select * from raw.taxi_rides")
    execute(session, 'delete from raw.taxi_rides where "offset" < 5')
    done = repair()
    assert (done.exit_code, json.loads(done.stdout.splitlines()[0])["missing"]) == (1, 5)
    execute(session, 'insert into raw.taxi_rides select * from kept where "offset" < 3')
    assert json.loads(repair().stdout.splitlines()[0])["missing"] == 2
    assert repair("--accept-loss").exit_code == 0
    assert repair().exit_code == 0
    assert load_until_caught_up().live_rows == 0


@pytest.mark.parametrize("client", Client)
def test_nothing_below_the_stored_offset_is_loaded_however_far_back_the_last_message_lies(
    session: connection, client: Client
) -> None:
    """From the last message on the topic is looked at, but loaded from the stored offset on alone."""
    publish(Message() for _ in range(10))
    load_until_caught_up(client=client)
    publish(Message() for _ in range(10))
    execute(
        session,
        'update raw.loaded_totals set next_offset = 15, empty_offsets = 5 where "partition" = 0;'
        'update raw.loaded_offsets set next_offset = 15 where "partition" = 0',
    )
    publish([Message(partition=1)])
    assert load_until_caught_up(client=client).live_rows == 6
    assert [offset for (offset,) in rows(session, "raw.taxi_rides", "offset") if offset > 9] == [15, 16, 17, 18, 19]


@pytest.mark.parametrize("client", Client)
def test_a_topic_that_compacts_messages_away_is_loaded_only_if_that_is_accepted(
    session: connection, fresh_topic: str, client: Client
) -> None:
    """What compaction took away before it was loaded would pass for offsets that hold no message."""
    resource = ConfigResource(ConfigResourceType.TOPIC, fresh_topic, {"cleanup.policy": "compact,delete"})
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.alter_configs([resource])
    publish(Message(key=b"t1") for _ in range(3))
    with pytest.raises(TopicLosesMessages, match=r"cleanup.policy compact,delete: .*--accept-loss"):
        load_until_caught_up(client=client)
    assert count(session, "raw.taxi_rides") == 0
    assert load_until_caught_up(client=client, accept_loss=True).live_rows == 3


def alter(kind: ConfigResourceType, name: str, settings: dict[str, str]) -> None:
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.alter_configs([ConfigResource(kind, name, settings)])


@pytest.fixture
def compact(fresh_topic: str) -> Iterator[Callable[[], None]]:
    """Kafka compacts the topic whenever it can; what it gives waits until partition 0 begins with offset 4."""
    alter(ConfigResourceType.BROKER, "1", {"log.cleaner.backoff.ms": "100"})
    settings = {"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0"}

    def compacted() -> None:
        alter(ConfigResourceType.TOPIC, fresh_topic, settings)
        publish([Message(key=b"t1")])  # the segment before it is closed
        with closing(Reader(KafkaSettings.from_environment())) as reader:

            def first() -> int:
                found = reader.first(0, 0, 6)
                return found.offset if found else 6

            await_condition(lambda: first() == 4, "Kafka compacted the topic")

    yield compacted
    alter(ConfigResourceType.BROKER, "1", {"log.cleaner.backoff.ms": "15000"})


@pytest.mark.parametrize("client", Client)
def test_what_was_compacted_away_before_it_was_loaded_is_a_gap(
    session: connection, compact: Callable[[], None], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """It is lost, unlike offsets that never held a message."""
    publish(Message(key=b"t1") for _ in range(5))
    compact()
    report = load_until_caught_up(client=client, accept_loss=True)
    assert (report.live_rows, report.lost) == (2, ())
    assert gaps(session) == [(0, 0, 4, "compacted_before_loaded", True)]
    assert rows(session, "raw.loaded_totals", TOTALS, "partition")[0] == (6, 2, 4, 0, 0)
    (told,) = [record.message for record in caplog.records if "compacted" in record.message]
    assert re.match(r"Offsets 0 to 3 of rides_\w+, partition 0, were compacted away before they were loaded", told)
    assert repair().exit_code == 0
    assert rows(session, "raw.loaded_totals", TOTALS, "partition")[0] == (6, 2, 4, 0, 0)


def test_a_follower_names_a_topic_that_becomes_compacted(
    session: connection, fresh_topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever starts a loader now is refused. One that runs goes on: if it stopped, more would be lost."""
    monkeypatch.setattr(work, "_SETTINGS_SECONDS", 0.1)
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow, stop=stop)
        try:
            await_condition(lambda: count(session, "raw.loaded_offsets") > 0, "the follower was at work")
            alter(ConfigResourceType.TOPIC, fresh_topic, {"cleanup.policy": "compact"})
            told = "A setting changed: the topic has cleanup.policy compact"
            await_condition(lambda: told in caplog.text, "it said so")
            publish([Message(key=b"t1")])
            await_condition(lambda: count(session, "raw.taxi_rides") == 1, "it loaded all the same")
        finally:
            stop.set()
        assert following.result().lost == ()


@pytest.mark.parametrize("client", Client)
def test_an_open_transaction_that_holds_back_messages_is_named(
    session: connection, fresh_topic: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With topic, partition and offset; once it has ended, all is loaded."""
    monkeypatch.setattr(waits, "LONG_SECONDS", 0.5)
    monkeypatch.setattr(waits, "TRANSACTION_SECONDS", 1.0)
    publish(Message(partition=n % 2) for n in range(20))
    producer = KafkaProducer(**KafkaSettings.from_environment().client_options(), transactional_id=fresh_topic)
    producer.init_transactions()
    producer.begin_transaction()
    for _ in range(3):
        producer.send(fresh_topic, value=b'{"taxi_id": "held"}', partition=1).get(timeout=30)
    publish(Message(partition=1) for _ in range(5))
    with pytest.raises(OpenTransaction, match=f"{fresh_topic}, partition 1, that begins at offset 10") as told:
        load_until_caught_up(client=client)
    assert "holds back 8 offsets" in str(told.value)
    assert count(session, "raw.taxi_rides") == 20
    producer.commit_transaction()
    producer.close()
    assert load_until_caught_up(client=client).live_rows == 8
    assert rows(session, "raw.loaded_totals", TOTALS, "partition")[1] == (19, 18, 0, 1, 0)
