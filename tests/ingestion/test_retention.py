"""Old rows go, young ones and the offsets stay."""

import json
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection
from typer.testing import CliRunner

from ingestion.cli import app
from ingestion.loader.run import load_until_caught_up
from tests.ingestion.support import Message, count, publish, rows


def test_only_old_rows_are_deleted_and_never_loaded_again(
    fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYE_KEY", "key of the dye for tests")
    publish([Message()] * 3 + [Message(b"no ride")] * 2)
    load_until_caught_up()
    session = connect_as("postgres")
    with session.cursor() as query:
        for table in ("raw.taxi_rides", "raw.dead_letters"):
            query.execute(
                f"""update {table} set loaded_at = now() - interval '8 days' where "offset" in (0, 3)"""  # noqa: S608
            )
        query.execute("update raw.loaders set started_at = now() - interval '8 days'")
    done = CliRunner().invoke(app, ["retention", "--older-than", "7"], catch_exceptions=False)
    assert json.loads(done.stdout) == {
        "raw.taxi_rides": 1,
        "raw.dead_letters": 1,
        "angiogram_raw.taxi_rides": 0,
        "angiogram_raw.dead_letters": 0,
        "raw.unverified_dye": 0,
        "raw.empty_offsets": 0,
        "raw.loaders": 1,
    }
    assert rows(session, "raw.taxi_rides", "offset") == [(1,), (2,)]
    assert rows(session, "raw.dead_letters", "offset") == [(4,)]
    assert load_until_caught_up().messages == 0
    assert count(session, "raw.taxi_rides") == 2


def test_the_entry_of_a_loader_at_work_is_never_too_old(
    fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    """A loader that has followed the topic for weeks is still found by those who look for one."""
    at_work = connect_as("loader").info.backend_pid
    insert = (
        "insert into raw.loaders (loader_id, host, pid, backend_pid, mode, key_fingerprints, started_at)"
        " select gen_random_uuid(), 'here', 1, of_session, 'follow', '{a}', now() - interval '8 days'"
        " from unnest(%s) as of_session"
    )
    with connect_as("postgres").cursor() as query:
        query.execute(insert, ([at_work, 0],))
        done = CliRunner().invoke(app, ["retention", "--older-than", "7"], catch_exceptions=False)
        assert json.loads(done.stdout)["raw.loaders"] == 1
        query.execute("select backend_pid from raw.loaders")
        assert query.fetchall() == [(at_work,)]


def test_an_age_of_no_day_is_refused() -> None:
    assert CliRunner().invoke(app, ["retention", "--older-than", "0"]).exit_code == 2
