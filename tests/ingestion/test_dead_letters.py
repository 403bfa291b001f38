"""Dead letters can be listed, shown byte for byte, and taken out."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg2.extensions import connection
from typer.testing import CliRunner

from ingestion.cli import app
from ingestion.dead_letters import letters as dead_letters
from ingestion.errors import InputError
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import DyeStamp
from ingestion.topic.admin import topic_id
from sandbox.services import Sandbox
from tests.ingestion.support import Message, publish
from tests.ingestion.topic_reader import records
from tests.services import new_database, new_topic

KEY = b"key of the dye for tests"
STAMP = DyeStamp("run-1", 9001, datetime(2026, 6, 1, 8, tzinfo=UTC))


@pytest.fixture(scope="module", autouse=True)
def letters(sandbox: Sandbox) -> Iterator[None]:
    """Three live dead letters and one of the dye."""
    with pytest.MonkeyPatch.context() as patch, new_database(), new_topic():
        patch.setenv("DYE_KEY", KEY.decode())
        publish(
            [
                Message(b"\x00\xff not utf-8", key=b"k"),
                Message(b"[]", partition=1),
                Message(None, key=b"t", partition=2),
                Message(b"not json", headers=STAMP.headers(KEY, b"not json")),
            ]
        )
        assert load_until_caught_up().dead_letters == 4
        yield


def run(*arguments: str) -> bytes:
    result = CliRunner().invoke(app, ["dead-letters", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def counts(**others: object) -> dict[str, object]:
    none = {"published": 0, "still_dead": 0, "found_again": 0, "of_other_topics": {}, "unclear": 0}
    return {**none, **others}


def test_list_names_place_reason_and_size() -> None:
    lines = [line.split("\t") for line in run("list").decode().splitlines()]
    place = (os.environ["KAFKA_TOPIC"], str(topic_id()))
    assert sorted((line[0], line[1], *line[3:]) for line in lines) == [
        ("0", "0", "invalid_utf8", "12", *place),
        ("1", "0", "not_an_object", "2", *place),
        ("2", "0", "tombstone", "null", *place),
    ]


def test_list_takes_a_reason_and_a_limit() -> None:
    assert [letter.reason for letter in dead_letters.newest(10, reason="tombstone")] == ["tombstone"]
    assert len(dead_letters.newest(1)) == 1


def test_list_shows_the_dye_apart() -> None:
    found = dead_letters.newest(10, dye=True)
    assert [(letter.reason, letter.message_number) for letter in found] == [("not_json", 9001)]


def test_show_gives_the_bytes_as_they_came() -> None:
    assert run("show", "0", "0") == b"\x00\xff not utf-8"


def test_show_of_none_says_so() -> None:
    with pytest.raises(InputError, match="partition 3, offset 9"):
        dead_letters.at(3, 9)


def test_export_keeps_every_byte(tmp_path: Path) -> None:
    run("export", "--to", str(tmp_path / "letters"))
    exported = [json.loads(line) for line in (tmp_path / "letters").read_text().splitlines()]
    assert [(letter["reason"], letter["value_base64"]) for letter in exported] == [
        ("invalid_utf8", base64.b64encode(b"\x00\xff not utf-8").decode()),
        ("not_an_object", base64.b64encode(b"[]").decode()),
        ("tombstone", None),
    ]
    assert json.loads(run("export", "--dye"))["run_id"] == "run-1"


def test_replay_leaves_what_would_be_a_dead_letter_again() -> None:
    assert json.loads(run("replay")) == counts(still_dead=3)


def test_replay_opens_no_session_a_letter(
    fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is marked as soon as Kafka has it all the same."""
    monkeypatch.setenv("DYE_KEY", KEY.decode())
    publish([Message(b"no ride", key=b"t1")] * 20)
    load_until_caught_up()
    with connect_as("postgres").cursor() as query:
        query.execute("update raw.dead_letters set value = %s", (b'{"taxi_id": "t1"}',))
        query.execute("select sessions from pg_stat_database where datname = current_database()")
        before = query.fetchall()[0][0]
        assert json.loads(run("replay")) == counts(published=20)
        query.execute("select pg_stat_force_next_flush()")
        query.execute("select sessions from pg_stat_database where datname = current_database()")
        assert query.fetchall()[0][0] - before < 10  # some that began before are counted late


def test_replay_publishes_what_is_a_ride_today_once(
    fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when an earlier loader was stricter."""
    monkeypatch.setenv("DYE_KEY", KEY.decode())
    publish([Message(b"no ride", key=b"t1")])
    load_until_caught_up()
    with connect_as("postgres").cursor() as query:
        query.execute("update raw.dead_letters set value = %s", (b'{"taxi_id": "t1"}',))
    assert json.loads(run("replay", "--reason", "empty")) == counts()
    assert json.loads(run("replay")) == counts(published=1)
    assert json.loads(run("replay")) == counts()
    assert load_until_caught_up().live_rows == 1


def test_a_corrected_message_takes_the_place_of_a_dead_letter(
    fresh_database: str, fresh_topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYE_KEY", KEY.decode())
    publish([Message(b'{"taxi_id": "t1"', key=b"t1")])
    load_until_caught_up()
    file = tmp_path / "corrected"
    one = ("replay", "--partition", "0", "--offset", "0", "--corrected", str(file))
    file.write_bytes(b"still no ride")
    with pytest.raises(InputError, match="dead letter again"):
        run(*one)
    file.write_bytes(b'{"taxi_id": "t2"}')
    assert json.loads(run(*one))["published"] == 1
    with pytest.raises(InputError, match="already"):
        run(*one)
    assert load_until_caught_up().live_rows == 1
    assert [record.key for record in records().values() if record.value == file.read_bytes()] == [b"t2"]


def test_of_two_dead_letters_at_one_place_the_topic_id_chooses(
    fresh_database: str,
    fresh_topic: str,
    connect_as: Callable[..., connection],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a topic was deleted and made again."""
    monkeypatch.setenv("DYE_KEY", KEY.decode())
    publish([Message(b"no ride")])
    load_until_caught_up()
    with connect_as("postgres").cursor() as query:
        query.execute(
            'insert into raw.dead_letters (value, reason, topic, topic_id, "partition", "offset") '
            'select value, reason, topic, gen_random_uuid(), "partition", "offset" from raw.dead_letters'
        )
    file = tmp_path / "corrected"
    file.write_bytes(b'{"taxi_id": "t1"}')
    one = ("replay", "--partition", "0", "--offset", "0", "--corrected", str(file))
    with pytest.raises(InputError, match=f"--topic-id: .*{topic_id()}"):
        run(*one)
    assert json.loads(run(*one, "--topic-id", str(topic_id())))["published"] == 1
    with connect_as("owner").cursor() as query:
        query.execute("select topic_id from raw.dead_letters where replayed_at is not null")
        assert query.fetchall() == [(str(topic_id()),)]
