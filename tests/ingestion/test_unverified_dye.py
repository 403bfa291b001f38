"""Messages with dye headers that do not verify wait apart until somebody puts them where they belong."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection
from typer.testing import CliRunner, Result

from ingestion.cli import app
from ingestion.dead_letters import unverified_dye
from ingestion.errors import InputError
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import DyeStamp
from sandbox.services import Sandbox
from tests.ingestion.support import RIDE, Message, count, publish, rows

OLD, NEW, FORGER = b"former key of the dye", b"key of the dye for tests", b"a key of somebody else"
STAMP = DyeStamp("run-1", 7, datetime(2026, 6, 1, 8, tzinfo=UTC))
WAITING_NOW = {"partition": 0, "reason": "wrong_signature", "run_id": "run-1"}


@pytest.fixture(autouse=True)
def waiting(sandbox: Sandbox, fresh_database: str, fresh_topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded by a loader that does not know the former key: two messages of the dye, a forged one, two live ones."""
    monkeypatch.setenv("DYE_KEY", NEW.decode())
    publish(
        [
            Message(),
            Message(headers=STAMP.headers(OLD, RIDE), key=b"t1"),
            Message(b"not json", headers=STAMP.headers(OLD, b"not json")),
            Message(b'{"taxi_id": "t9"}', headers=STAMP.headers(FORGER, b""), key=b"t9"),
            Message(),
        ]
    )
    assert load_until_caught_up().unverified_dye == 3


@pytest.fixture
def session(waiting: None, connect_as: Callable[..., connection]) -> connection:
    """A superuser's session."""
    return connect_as("postgres")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["unverified-dye", *arguments], catch_exceptions=False)


def test_they_are_listed_with_place_reason_and_run_and_shown_byte_for_byte() -> None:
    lines = [json.loads(line) for line in run("list").stdout.splitlines()]
    assert [(line["offset"], line["bytes"]) for line in lines] == [(1, len(RIDE)), (2, 8), (3, 17)]
    assert all(line | WAITING_NOW == line for line in lines)
    assert len(run("list", "--limit", "1").stdout.splitlines()) == 1
    assert run("list", "--reason", "malformed").stdout == ""
    assert run("show", "0", "2").stdout_bytes == b"not json"
    with pytest.raises(InputError, match="offset 0"):
        run("show", "0", "0")


def test_once_the_key_is_known_dye_goes_to_the_dyes_tables_and_nothing_else_does(
    session: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("release", "--to", "dye", "--all")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"released": 0, "left": 3})

    monkeypatch.setenv("DYE_KEY_OLD", OLD.decode())
    done = run("release", "--to", "dye", "--all")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"released": 2, "left": 1})
    stamp = ("run-1", 7, STAMP.sent_at)
    assert rows(session, "angiogram_raw.taxi_rides", "offset, taxi_id, run_id, ride_number, sent_at") == [
        (1, "t1", *stamp)
    ]
    assert rows(session, "angiogram_raw.dead_letters", "offset, reason, run_id, ride_number, sent_at") == [
        (2, "not_json", *stamp)
    ]
    assert count(session, "raw.taxi_rides") == 2


def test_live_ones_are_released_by_name_alone_and_dye_that_a_known_key_verifies_never(
    session: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYE_KEY_OLD", OLD.decode())
    assert run("release", "--to", "live").exit_code == 2
    done = run("release", "--to", "live", "--run-id", "run-1")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"released": 1, "left": 2})
    assert rows(session, "raw.taxi_rides", "taxi_id", "loaded_at")[2:] == [("t9",)]
    assert count(session, "raw.dead_letters") == 0


def test_a_released_message_keeps_place_and_time_under_a_topic_id_of_its_own(session: connection) -> None:
    """Incremental models take only what lies beyond the highest offset that they have of a topic id and partition."""
    done = run("release", "--to", "live", "--partition", "0", "--offset", "3")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"released": 1, "left": 0})
    [(topic_id, released_as)] = [
        row for row in rows(session, "raw.unverified_dye", "topic_id, released_as") if row[1] is not None
    ]
    assert topic_id != released_as
    with session.cursor() as query:
        query.execute(
            'select live.topic_id, live.topic = kept.topic, live."partition", live."offset",'
            " live.message_at = kept.message_at from raw.taxi_rides as live cross join raw.unverified_dye as kept"
            " where live.taxi_id = 't9' and kept.\"offset\" = 3"
        )
        assert query.fetchall() == [(released_as, True, 0, 3, True)]
    assert UUID(released_as).version == 4


def test_what_was_released_is_not_released_again(session: connection) -> None:
    assert run("release", "--to", "live", "--all").exit_code == 0
    with pytest.raises(InputError, match="No such message is waiting"):
        run("release", "--to", "live", "--all")
    assert run("list").stdout == ""
    assert count(session, "raw.taxi_rides") == 4
    assert count(session, "raw.dead_letters") == 1


def test_many_are_released_in_pieces_and_none_is_left(session: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unverified_dye, "_AT_A_TIME", 2)
    publish(Message(headers=[("dye-run-id", b"x")], partition=n % 4) for n in range(20))
    load_until_caught_up()
    assert json.loads(run("release", "--to", "live", "--all").stdout) == {"released": 23, "left": 0}
    assert count(session, "raw.taxi_rides") + count(session, "raw.dead_letters") == 25


@pytest.mark.parametrize("role", ["angiogram", "dbt_prod"])
def test_those_who_must_name_them_see_where_they_are_and_not_what(
    connect_as: Callable[..., connection], role: str
) -> None:
    """A message that was kept apart may be a live one."""
    asking = connect_as(role)
    [found] = unverified_dye.waiting(asking)
    assert (found.partition, found.messages, found.first_offset, found.last_offset) == (0, 3, 1, 3)
    assert "3 messages with dye headers that do not verify" in unverified_dye.in_words([found])
    with asking.cursor() as query:
        query.execute("select has_column_privilege('raw.unverified_dye', 'value', 'select')")
        assert query.fetchall() == [(False,)]


def test_the_loader_can_add_to_them_and_neither_read_nor_change_them(connect_as: Callable[..., connection]) -> None:
    with connect_as("loader").cursor() as query:
        for right, expected in (("insert", True), ("select", False), ("update", False), ("delete", False)):
            query.execute(sql.SQL("select has_table_privilege('raw.unverified_dye', {})").format(sql.Literal(right)))
            assert query.fetchall() == [(expected,)], right


def test_messages_of_another_topic_are_left_to_the_pipeline_that_loads_it(
    session: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_TOPIC", "orders")
    with pytest.raises(InputError, match=r"are of the topic rides_\w+, and KAFKA_TOPIC is orders"):
        unverified_dye.release(unverified_dye.LIVE, unverified_dye.Choice())
    assert len(run("list").stdout.splitlines()) == 3
    assert count(session, "raw.taxi_rides") == 2
