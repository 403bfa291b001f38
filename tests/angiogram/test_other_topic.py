"""A topic that the front door or a producer still sends to, and that nobody loads: the run and `live` both say so."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg2.extensions import connection
from typer.testing import CliRunner

from angiogram.dye.other_topics import OTHER_TOPICS
from angiogram.run import before_dbt, steps
from angiogram.run.walk import Walk, through
from ingestion.cli import app
from ingestion.errors import InputError
from ingestion.front_door.server import serving
from ingestion.loader.run import load_until_caught_up
from ingestion.upkeep.retired_topics import retire
from taxi.traffic import generate
from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import blocked, stages_of
from tests.services import new_topic

Angiogram = Callable[..., Outcome]


@pytest.fixture
def old_topic(pipeline: None, fresh_database: str, fresh_topic: str) -> Iterator[str]:
    """A topic of which 20 rides were loaded before KAFKA_TOPIC named another one."""
    generate(20, seed=1, dirty=0.0)
    load_until_caught_up()
    with new_topic():
        yield fresh_topic


def checkpoint(angiogram: Angiogram) -> tuple[int, dict[str, Any] | None, list[str]]:
    outcome = angiogram("live", "--json")
    found = json.loads(outcome.stdout)
    point = next((point for point in found["checkpoints"] if point["name"] == OTHER_TOPICS), None)
    return outcome.code, point, found["partitions"]


def test_rides_sent_to_the_former_topic_are_missed(
    old_topic: str, angiogram: Angiogram, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checkpoint(angiogram) == (
        0,
        {"name": OTHER_TOPICS, "expected": 20, "counts": {"loaded": 20}, "holds": True},
        [],
    )
    with monkeypatch.context() as before:
        before.setenv("KAFKA_TOPIC", old_topic)
        generate(7, seed=2, dirty=0.0)
    code, point, told = checkpoint(angiogram)
    assert point is not None
    assert (code, point["holds"], point["expected"], point["counts"]) == (1, False, 27, {"loaded": 20})
    assert [sentence.split(":")[0] for sentence in told] == [
        f"the topic {old_topic} was loaded before, and holds 7 offsets more"
    ]
    with monkeypatch.context() as before:
        before.setenv("KAFKA_TOPIC", old_topic)
        assert load_until_caught_up().live_rows == 7
    assert checkpoint(angiogram)[0] == 0


def test_a_former_topic_can_be_given_up(old_topic: str, angiogram: Angiogram, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setenv("KAFKA_TOPIC", old_topic)
        generate(1, seed=2, dirty=0.0)
        with pytest.raises(InputError, match="is the topic that KAFKA_TOPIC names"):
            retire(old_topic, "moved")
    with pytest.raises(InputError, match="ever loaded"):
        retire("no_such_topic", "moved")
    done = CliRunner().invoke(app, ["retire-topic", old_topic, "--reason", "team B loads it"], catch_exceptions=False)
    assert done.stdout == "1\n"
    assert checkpoint(angiogram) == (0, None, [])


def test_a_front_door_that_sends_to_another_topic_is_named_at_once(
    pipeline: None,
    fresh_topic: str,
    angiogram_verdict: Callable[[str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dye that it acknowledged is not waited for where it cannot come."""
    with new_topic(partitions=6) as other, serving() as url:
        monkeypatch.setenv("FRONT_DOOR_URL", url)
        monkeypatch.setenv("KAFKA_TOPIC", fresh_topic)
        run_id = steps.begin(lease=600)
        try:
            load = dict(through(Walk(run_id=run_id), "inject", "check_loaded"))["load"]
            report = angiogram_verdict(run_id)
        finally:
            steps.finish(run_id)
    assert load["behind"] is None
    assert (report["verdict"], blocked(report)) == ("blocked", ["api:rides"])
    reason = stages_of(report)["api:rides"]["reason"]
    assert reason.startswith(f"the front door at {url} sends to the topic {other} (id ")
    assert f"this run and its loader read {fresh_topic} (id " in reason


def test_a_topic_that_ends_before_the_dye_is_not_called_late(
    pipeline: None, fresh_topic: str, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = steps.begin(lease=600)
    try:
        before_dbt.inject(run_id)
        with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
            query.execute(
                "update angiogram.runs set steps = jsonb_set(steps, '{inject,sent,0,offset}', '1000') "
                "where run_id = %s",
                (run_id,),
            )
            assert query.rowcount == 1
        load = before_dbt.load(run_id)
    finally:
        steps.finish(run_id)
    assert load["behind"].startswith("the topic ended before the offsets that the dye was acknowledged at: partition ")
    assert load["behind"].endswith(" of 1001")
