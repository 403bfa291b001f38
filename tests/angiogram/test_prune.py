"""Old runs and their dye are cleaned up, and nothing else is."""

import os
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection

from tests.angiogram.conftest import Outcome

AGES = {"old-healthy": 60, "old-blocked": 50, "kept-healthy": 40, "kept-last": 35, "in-hand": 100, "young": 2}


@pytest.fixture(autouse=True)
def no_runs(pipeline: None, connect_as: Callable[..., connection]) -> None:
    """The module's database has no run and no dye, whatever the test before this one left in it."""
    query = connect_as("postgres", os.environ["PGDATABASE"]).cursor()
    query.execute("truncate angiogram.runs cascade; truncate angiogram_raw.taxi_rides")


def test_old_runs_go_with_their_dye_but_never_the_last_verdict_nor_the_last_healthy_one(
    angiogram: Callable[..., Outcome], connect_as: Callable[..., connection]
) -> None:
    query = connect_as("postgres", os.environ["PGDATABASE"]).cursor()
    for number, (run_id, age) in enumerate(AGES.items()):
        verdict = "healthy" if "healthy" in run_id else "blocked" if run_id in ("old-blocked", "kept-last") else None
        query.execute(
            "insert into angiogram.runs (run_id, in_hand, started_at, finished_at, verdict) values"
            " (%s, %s, now() - make_interval(days => %s), now() - make_interval(days => %s), %s)",
            (run_id, run_id == "in-hand", age, age, verdict),
        )
        query.execute(
            'insert into angiogram_raw.taxi_rides (topic, topic_id, "partition", "offset", loaded_at, run_id,'
            " ride_number, sent_at) values ('t', gen_random_uuid(), 0, %s, now() - make_interval(days => %s), %s, 1,"
            " now())",
            (number, age, run_id),
        )

    outcome = angiogram("prune", "--older-than", "30")

    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    assert "2 runs and 4 messages" in outcome.stderr
    query.execute("select run_id from angiogram.runs order by started_at")
    assert [run_id for (run_id,) in query.fetchall()] == ["in-hand", "kept-healthy", "kept-last", "young"]
    query.execute("select run_id from angiogram_raw.taxi_rides order by loaded_at")
    assert [run_id for (run_id,) in query.fetchall()] == ["in-hand", "young"]


def test_runs_of_another_pipeline_stay_with_their_dye(
    angiogram: Callable[..., Outcome], connect_as: Callable[..., connection]
) -> None:
    """Pipelines that share a database each delete their own: the owner's session sees the rows of all."""
    query = connect_as("postgres", os.environ["PGDATABASE"]).cursor()
    for number, pipeline in enumerate(["orders", "taxi_angiogram"]):
        for verdict in ("blocked", "healthy"):
            query.execute(
                "insert into angiogram.runs (run_id, in_hand, started_at, finished_at, verdict, pipeline) values"
                " (%s, false, now() - interval '50 days', now() - interval '50 days', %s, %s)",
                (f"{pipeline}-old-{verdict}", verdict, pipeline),
            )
        query.execute(
            "insert into angiogram.runs (run_id, in_hand, started_at, finished_at, verdict, pipeline) values"
            " (%s, false, now(), now(), 'healthy', %s)",
            (f"{pipeline}-new", pipeline),
        )
        query.execute(
            'insert into angiogram_raw.taxi_rides (topic, topic_id, "partition", "offset", loaded_at, run_id,'
            " ride_number, sent_at) values ('t', gen_random_uuid(), 0, %s, now() - interval '50 days', %s, 1, now())",
            (number, f"{pipeline}-old-blocked"),
        )

    outcome = angiogram("prune", "--older-than", "30")

    assert outcome.code == 0, outcome.stderr
    assert "2 runs and 1 messages" in outcome.stderr
    query.execute("select run_id from angiogram.runs order by run_id")
    left = ["orders-new", "orders-old-blocked", "orders-old-healthy", "taxi_angiogram-new"]
    assert [run_id for (run_id,) in query.fetchall()] == left
    query.execute("select run_id from angiogram_raw.taxi_rides")
    assert query.fetchall() == [("orders-old-blocked",)]
