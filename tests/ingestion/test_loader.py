"""The loader against a real broker and a real database: each message exactly once, poison beside its neighbours."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from threading import Event, Thread

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from psycopg2.extensions import connection

from ingestion.errors import DatabaseUnavailable, Fenced, Interrupted, SchemaOutdated, SettingsError
from ingestion.key_fingerprint import key_fingerprint
from ingestion.loader.batch import Batch
from ingestion.loader.reading.clients import Client
from ingestion.loader.run import load_until_caught_up
from ingestion.loader.store import Store, follower_alive, follower_key_fingerprints
from ingestion.message.rows import Reason
from ingestion.message.stamp import DYE_HEADERS, DyeStamp, signature
from ingestion.settings import DyeKeys, KafkaSettings
from ingestion.topic.admin import open_admin, topic_id
from sandbox.services import Sandbox
from taxi.contract import CONTRACT
from tests.ingestion.support import RIDE, Message, count, publish, rows
from tests.ingestion.test_loader_rows import POISON
from tests.services import connect_as_administrator, new_database

KEY = b"key of the dye for tests"
OLD_KEY = b"former key of the dye"
STAMP = DyeStamp("run-1", 7, datetime(2026, 6, 1, 8, tzinfo=UTC))


@pytest.fixture(autouse=True)
def dye_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dye key of the tests' own, after the sandbox has set its environment."""
    monkeypatch.setenv("DYE_KEY", KEY.decode())


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A database that the module's tests share: each has a topic, and so rows, of its own."""
    with new_database() as name:
        yield name


@pytest.fixture
def session(database: str) -> Iterator[connection]:
    """A superuser's session."""
    opened = connect_as_administrator(database)
    with opened.cursor() as query:
        query.execute(
            "truncate raw.taxi_rides, raw.dead_letters, raw.replays, raw.loaded_offsets, raw.loaders, raw.gaps, "
            "raw.empty_offsets, raw.unverified_dye, raw.loaded_totals, raw.loaded_marks, raw.taken_away, "
            "angiogram_raw.taxi_rides, angiogram_raw.dead_letters"
        )
    yield opened
    opened.close()


def test_loading_again_loads_nothing_more(session: connection, fresh_topic: str) -> None:
    publish(Message(partition=n % 4) for n in range(1000))
    first = load_until_caught_up()
    again = load_until_caught_up()
    assert (first.live_rows, again.live_rows) == (1000, 0)
    assert [(p.first_offset, p.next_offset) for p in first.partitions] == [(0, 250)] * 4
    assert again.partitions == ()
    assert count(session, "raw.taxi_rides") == 1000
    assert rows(session, "raw.loaded_offsets", "topic, next_offset", "partition") == [(fresh_topic, 250)] * 4


def test_an_empty_topic_is_caught_up_with(session: connection, fresh_topic: str) -> None:
    assert load_until_caught_up().messages == 0


@pytest.mark.parametrize(("value", "reason"), POISON.values(), ids=POISON.keys())
def test_poison_is_kept_with_its_bytes_and_its_neighbours_load(
    session: connection, fresh_topic: str, value: bytes | None, reason: Reason
) -> None:
    publish([Message(), Message(value, key=b"k\x00\xff"), Message()])
    report = load_until_caught_up()
    assert (report.live_rows, report.dead_letters) == (2, 1)
    assert rows(session, "raw.taxi_rides", "offset, taxi_id") == [(0, "t1"), (2, "t1")]
    [(kept, key, why, offset)] = rows(session, "raw.dead_letters", "value, message_key, reason, offset")
    assert (None if kept is None else bytes(kept), bytes(key), why, offset) == (value, b"k\x00\xff", reason.value, 1)


def test_values_are_stored_as_received(session: connection, fresh_topic: str) -> None:
    """Digits, control characters, COPY's own marks, unknown fields."""
    values = [
        b'{"fare_amount": 12.50, "tax_amount": 1e2}',
        b'{"fare_amount": 12345678901234567.89, "tax_amount": "0.10"}',
        b'{"taxi_id": "\\\\N", "pax_id": "a\\tb\\nc\\\\d", "currency": ""}',
        b'{"taxi_id": "\\\\.", "car_model": "Citro\\u00ebn", "tip": {"a": "\\n"}}',
    ]
    publish(Message(value) for value in values)
    load_until_caught_up()
    got = [
        {name: text for name, text in zip((*CONTRACT.fields, "unknown_fields"), row, strict=True) if text is not None}
        for row in rows(session, "raw.taxi_rides", ", ".join((*CONTRACT.fields, "unknown_fields")))
    ]
    assert got == [
        {"fare_amount": "12.50", "tax_amount": "1e2"},
        {"fare_amount": "12345678901234567.89", "tax_amount": "0.10"},
        {"taxi_id": "\\N", "pax_id": "a\tb\nc\\d", "currency": ""},
        {"taxi_id": "\\.", "car_model": "Citroën", "unknown_fields": '{"tip":{"a": "\\n"}}'},
    ]


def test_text_is_the_same_whatever_encoding_the_client_asks_for(
    session: connection, fresh_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    publish([Message('{"taxi_id": "Zoë"}'.encode())])
    load_until_caught_up()
    assert rows(session, "raw.taxi_rides", "taxi_id") == [("Zoë",)]


def test_a_message_of_ten_megabytes_is_loaded(session: connection, fresh_topic: str) -> None:
    text = "x" * 10_000_000
    publish([Message(), Message(json.dumps({"taxi_id": text}).encode()), Message()])
    load_until_caught_up()
    assert [len(taxi) for (taxi,) in rows(session, "raw.taxi_rides", "taxi_id")] == [2, 10_000_000, 2]


def test_the_place_and_the_time_of_arrival_are_kept(session: connection, fresh_topic: str) -> None:
    before = datetime.now(UTC)
    publish([Message(partition=3)])
    load_until_caught_up()
    [(topic, stored_id, partition, offset, message_at)] = rows(
        session, "raw.taxi_rides", "topic, topic_id, partition, offset, message_at"
    )
    assert (topic, stored_id, partition, offset) == (fresh_topic, str(topic_id()), 3, 0)
    assert abs((message_at - before).total_seconds()) < 60


def test_a_time_that_no_calendar_has_is_null_and_its_message_is_kept(session: connection, fresh_topic: str) -> None:
    """Where the topic keeps the sender's time, that may be any 64 bits; the models reject the message by its null."""
    as_sent = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, fresh_topic, as_sent)])
    last = 253_402_300_799_999
    publish([Message(timestamp=last), Message(timestamp=last + 1), Message(timestamp=2**63 - 1)])
    assert load_until_caught_up().live_rows == 3
    times = [at for (at,) in rows(session, "raw.taxi_rides", "message_at")]
    assert times == [datetime(9999, 12, 31, 23, 59, 59, 999000, UTC), None, None]


def test_dye_goes_to_tables_of_its_own(session: connection, fresh_topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed with the key or the former one; rides and dead letters alike; a doubled message is two rows."""
    monkeypatch.setenv("DYE_KEY_OLD", OLD_KEY.decode())
    publish(
        [
            Message(headers=STAMP.headers(KEY, RIDE)),
            Message(headers=STAMP.headers(KEY, RIDE)),
            Message(headers=STAMP.headers(OLD_KEY, RIDE)),
            Message(headers=DyeStamp("run-1", 7, None).headers(KEY, RIDE)),
            Message(b"not json", headers=STAMP.headers(KEY, b"not json")),
            Message(None, key=b"t1", headers=STAMP.headers(KEY, b"")),
            Message(),
        ]
    )
    report = load_until_caught_up()
    assert (report.live_rows, report.dye_rows, report.dead_letters, report.unverified_dye) == (1, 4, 2, 0)
    stamp = ("run-1", 7, STAMP.sent_at)
    assert rows(session, "angiogram_raw.taxi_rides", "taxi_id, run_id, ride_number, sent_at") == [
        *[("t1", *stamp)] * 3,
        ("t1", "run-1", 7, None),
    ]
    assert rows(session, "angiogram_raw.dead_letters", "reason, run_id, ride_number, sent_at") == [
        ("not_json", *stamp),
        ("tombstone", *stamp),
    ]
    assert rows(session, "raw.taxi_rides", "offset") == [(6,)]
    assert count(session, "raw.dead_letters") == 0


def test_dye_headers_that_do_not_verify_are_kept_apart_with_reason_and_place(
    session: connection, fresh_topic: str
) -> None:
    """A message with them is neither a live one, whatever it holds, nor dye."""
    signed_for_another = STAMP.headers(KEY, b'{"taxi_id": "t2"}')
    signed_by_another = STAMP.headers(b"a key of somebody else", RIDE)
    publish(
        [
            Message(headers=signed_for_another, key=b"t1"),
            Message(headers=signed_by_another),
            Message(b"not json", headers=signed_by_another),
            Message(None, key=b"t1", headers=[("dye-run-id", b"run-1"), ("trace-id", b"1")]),
            Message(headers=[("trace-id", b"1")]),
        ]
    )
    report = load_until_caught_up()
    assert (report.live_rows, report.dye_rows, report.dead_letters, report.unverified_dye) == (1, 0, 0, 4)
    assert report.messages == 5
    assert rows(session, "raw.taxi_rides", "offset") == [(4,)]
    assert sum(count(session, f"angiogram_raw.{table}") for table in ("taxi_rides", "dead_letters")) == 0
    kept = rows(session, "raw.unverified_dye", "offset, value, message_key, reason")
    assert [(offset, value and bytes(value), key and bytes(key), reason) for offset, value, key, reason in kept] == [
        (0, RIDE, b"t1", "wrong_signature"),
        (1, RIDE, None, "wrong_signature"),
        (2, b"not json", None, "wrong_signature"),
        (3, None, b"t1", "incomplete"),
    ]
    assert rows(session, "raw.loaders", "unverified_dye", "started_at") == [(4,)]


ODD_HEADERS = {
    "any bytes": dict.fromkeys(DYE_HEADERS, b'\x00\xff\\,"\n'),
    "very long": dict.fromkeys(DYE_HEADERS, b"9" * 1_000_000),
    "a run id of 5,000 characters, signed": {
        "dye-run-id": b"r" * 5000,
        "dye-message-number": b"1",
        "dye-sent-at": b"2026-06-01T08:00:00.000000Z",
        "dye-signature": signature(KEY, "r" * 5000, "1", "2026-06-01T08:00:00.000000Z", RIDE).encode(),
    },
}


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
@pytest.mark.parametrize("client", Client)
def test_no_dye_header_stops_the_loader(
    session: connection, fresh_topic: str, client: Client, headers: dict[str, bytes]
) -> None:
    publish([Message(), Message(headers=list(headers.items())), Message()])
    report = load_until_caught_up(client=client)
    assert (report.live_rows, report.unverified_dye) == (2, 1)
    [kept] = rows(session, "raw.unverified_dye", "dye_run_id, dye_message_number, dye_sent_at, dye_signature")
    assert list(map(bytes, kept)) == list(headers.values())


class RawName(str):
    """A header's name that is sent as bytes that are no UTF-8, as Kafka allows."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """The bytes as they are sent."""
        return b"\xff-name"


@pytest.mark.parametrize("client", Client)
def test_a_header_name_that_is_no_utf8_does_not_stop_the_loader(
    session: connection, fresh_topic: str, client: Client
) -> None:
    """Its neighbours and the message itself are loaded; dye beside such a header is still dye.

    The neighbours are many: Python calls a client's functions otherwise, and looks less, once they are called often.
    """
    odd = [(RawName("odd"), b"1")]
    ordinary = 200
    publish(
        [
            *(Message() for _ in range(ordinary)),
            Message(headers=odd),
            Message(headers=odd + STAMP.headers(KEY, RIDE)),
            Message(b"no ride", key=b"k", headers=[*odd, ("empty", b"")]),
            Message(),
        ]
    )
    report = load_until_caught_up(client=client)
    assert (report.live_rows, report.dye_rows, report.dead_letters, report.unverified_dye) == (ordinary + 2, 1, 1, 0)
    assert rows(session, "raw.taxi_rides", "offset")[ordinary:] == [(ordinary,), (ordinary + 3,)]


def test_the_keys_are_published_as_fingerprints(
    session: connection, fresh_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYE_KEY_OLD", OLD_KEY.decode())
    load_until_caught_up()
    assert rows(session, "raw.loaders", "mode, key_fingerprints", "started_at") == [
        ("until_caught_up", [key_fingerprint(KEY), key_fingerprint(OLD_KEY)])
    ]


def test_without_a_dye_key_the_loader_does_not_start(
    session: connection, fresh_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DYE_KEY")
    publish([Message()])
    with pytest.raises(SettingsError, match="DYE_KEY"):
        load_until_caught_up()
    assert count(session, "raw.taxi_rides") == 0


def test_without_the_migrations_the_loader_does_not_start(
    session: connection, fresh_topic: str, fresh_database: str
) -> None:
    emptied = connect_as_administrator(fresh_database)
    with emptied.cursor() as query:
        query.execute("delete from raw.schema_migrations where number = 1")
    emptied.close()
    with pytest.raises(SchemaOutdated, match="0001_raw"):
        load_until_caught_up()


def test_a_database_that_is_not_there_is_named(
    fresh_topic: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PGPORT", "1")
        with pytest.raises(DatabaseUnavailable, match=":1 "):
            load_until_caught_up()


def test_a_stored_offset_that_moved_fences_the_loader(session: connection, fresh_topic: str) -> None:
    """A batch whose offsets something else moved is not written, not even in part."""
    keys = DyeKeys.from_environment().accepted()
    here = topic_id()
    publish([Message(), Message()])
    consumer = KafkaConsumer(**KafkaSettings.from_environment().client_options(), auto_offset_reset="earliest")
    place = TopicPartition(fresh_topic, 0)
    consumer.assign([place])
    consumer.seek(place, 0)
    records = consumer.poll(timeout_ms=10_000)[place]
    consumer.close()
    batch = Batch(fresh_topic, here, keys, CONTRACT)
    batch.add(0, records)
    batch.passed(0, 0, 0, 2)
    store = Store.open(here, "until_caught_up", [], fresh_topic, here)
    store.next_offsets([0])
    assert load_until_caught_up().live_rows == 2
    with pytest.raises(Fenced, match="partition 0"):
        store.commit(batch)
    store.close()
    assert count(session, "raw.taxi_rides") == 2


def test_a_load_ends_under_endless_traffic(session: connection, fresh_topic: str) -> None:
    publish([Message()] * 500)
    producer = KafkaProducer(**KafkaSettings.from_environment().client_options(), linger_ms=5)
    ended = Event()

    def pour() -> None:
        while not ended.is_set():
            producer.send(fresh_topic, value=RIDE)
            time.sleep(0)

    traffic = Thread(target=pour)
    traffic.start()
    try:
        report = load_until_caught_up()
    finally:
        ended.set()
        traffic.join()
        producer.close()
    assert report.live_rows >= 500
    assert load_until_caught_up().live_rows > 0  # what had come in meanwhile


def test_a_load_told_to_stop_says_that_it_is_not_done(session: connection, fresh_topic: str) -> None:
    publish([Message()] * 10)
    stop = Event()
    stop.set()
    with pytest.raises(Interrupted):
        load_until_caught_up(stop=stop)
    assert load_until_caught_up().live_rows == 10


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_is_read(session: connection, fresh_topic: str, codec: str) -> None:
    publish([Message()] * 100, compression_type=codec)
    assert load_until_caught_up().live_rows == 100


@pytest.mark.parametrize("client", Client)
@pytest.mark.parametrize("value", [None, b""], ids=["tombstone", "no bytes"])
def test_a_message_without_a_value_is_none_the_less_one_as_the_first_after_a_pause(
    session: connection, fresh_topic: str, client: Client, value: bytes | None
) -> None:
    for expected in (1, 2):
        publish([Message(value, key=b"t1")])
        load_until_caught_up(client=client)
        assert count(session, "raw.dead_letters") == expected


@pytest.mark.parametrize("client", Client)
def test_aborted_transactions_are_not_loaded(session: connection, fresh_topic: str, client: Client) -> None:
    """And the load ends although the topic's end is a marker; how many offsets hold no message is kept."""
    producer = KafkaProducer(**KafkaSettings.from_environment().client_options(), transactional_id=fresh_topic)
    producer.init_transactions()
    for taxi, finish in ((b"kept", producer.commit_transaction), (b"aborted", producer.abort_transaction)):
        producer.begin_transaction()
        producer.send(fresh_topic, value=b'{"taxi_id": "%b"}' % taxi, partition=0).get(timeout=30)
        finish()
    producer.close()
    assert load_until_caught_up(client=client).live_rows == 1
    assert rows(session, "raw.taxi_rides", "taxi_id") == [("kept",)]
    assert load_until_caught_up(client=client).partitions == ()
    kept = rows(session, "raw.empty_offsets", "to_offset, empty", "to_offset")
    assert (kept[-1][0], sum(empty for _, empty in kept)) == (4, 3)
    assert rows(session, "raw.loaded_totals", "next_offset, live_rows, empty_offsets", "partition")[0] == (4, 1, 3)


def test_any_role_can_ask_for_a_follower(connect_as: Callable[..., connection], database: str) -> None:
    asking = connect_as("angiogram", database)
    assert not follower_alive(asking)
    assert follower_key_fingerprints(asking) == []
