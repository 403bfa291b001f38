"""Dye whose key is lost reaches no live table, and everything that looks says how much waits and where."""

import json
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection
from typer.testing import CliRunner

from angiogram.dye.messages import read_whole_dye
from angiogram.run import before_dbt, steps
from angiogram.store import runs
from ingestion.cli import app
from ingestion.loader.run import load_until_caught_up
from taxi.traffic import generate
from tests.angiogram.conftest import PROJECT, Outcome
from tests.angiogram.recorded import blocked, record, report
from tests.dbt.project import DbtProject
from tests.ingestion.support import Message, publish

RIDES = 60
LOST, NEW = "the key that was lost with a machine", "the key that was made afterwards"
CHECKPOINT = "unverified dye = released"


@pytest.fixture
def dye_of_a_lost_key(pipeline: None, fresh_database: str, fresh_topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed after it had sent its dye; a loader with another key goes on."""
    monkeypatch.setenv("DYE_KEY", LOST)
    generate(RIDES, seed=1)
    run_id = steps.begin()
    before_dbt.inject(run_id)
    steps.finish(run_id, "killed")
    monkeypatch.setenv("DYE_KEY", NEW)
    load_until_caught_up()


def test_it_reaches_no_live_table_and_is_never_silent_until_it_is_released(
    dye_of_a_lost_key: None,
    connect_as: Callable[..., connection],
    angiogram: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dye = len(read_whole_dye())
    with connect_as("postgres").cursor() as query:

        def counted() -> tuple[int, ...]:
            query.execute(
                "select (select count(*) from raw.taxi_rides), (select count(*) from raw.dead_letters),"
                " (select count(*) from raw.unverified_dye where released_to is null)"
            )
            return tuple(query.fetchall()[0])

        assert counted() == (RIDES, 0, dye)
        words = f"{dye} messages with dye headers that do not verify"
        live = angiogram("live")
        assert (live.code, words in live.stdout) == (1, True), live.stdout

        judged = json.loads(angiogram("run", "--json").stdout)
        assert (judged["verdict"], blocked(judged)) == ("blocked", [f"checkpoint:{CHECKPOINT}"])
        assert [found["text"].startswith(words) for found in judged["findings"]] == [True]
        with runs.database("test") as database, database.cursor() as alerts:
            alerts.execute("select message from angiogram.alerts where verdict = 'blocked'")
            assert [words in message for (message,) in alerts.fetchall()] == [True]

        monkeypatch.setenv("DYE_KEY_OLD", LOST)
        done = CliRunner().invoke(app, ["unverified-dye", "release", "--to", "dye", "--all"], catch_exceptions=False)
        assert json.loads(done.stdout) == {"released": dye, "left": 0}
        assert counted() == (RIDES, 0, 0)
        assert angiogram("live").code == 0
        assert angiogram("run").code == 0


def test_status_names_what_came_after_a_healthy_verdict(
    pipeline: None, angiogram: Callable[..., Outcome], fresh_database: str, fresh_topic: str
) -> None:
    with runs.database("test") as database:
        record(database, report("20260601T080000Z-abcdef", []))
    assert angiogram("status").code == 0
    publish([Message(headers=[("dye-run-id", b"forged")], partition=2)])
    load_until_caught_up()
    found = angiogram("status")
    assert found.code == 1
    assert "1 message with dye headers that do not verify: 1 in" in found.stdout
    assert "partition 2, offset 0 (incomplete)" in found.stdout
    assert (
        'angiogram_unverified_dye{pipeline="taxi_angiogram"} 1' in angiogram("status", "--metrics").stdout.splitlines()
    )


def test_a_live_message_that_is_released_reaches_models_that_took_later_ones(
    pipeline: None, fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection]
) -> None:
    publish([Message(b'{"taxi_id": "kept-apart"}', headers=[("dye-run-id", b"x")]), Message()])
    load_until_caught_up()
    staging = ("run", "--target", "prod", "--select", "stg_taxi__rides")
    project = DbtProject(PROJECT)
    assert project.run(*staging).exit_code == 0
    done = CliRunner().invoke(app, ["unverified-dye", "release", "--to", "live", "--all"], catch_exceptions=False)
    assert done.exit_code == 0
    assert project.run(*staging).exit_code == 0
    with connect_as("postgres").cursor() as query:
        query.execute("select taxi_id from staging.stg_taxi__rides order by taxi_id")
        assert query.fetchall() == [("kept-apart",), ("t1",)]
