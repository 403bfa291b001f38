"""Runs that the version before recorded: their rows are migrated, their reports read in the form of today."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extras import Json
from rich.console import Console

from angiogram.core.stage_id import StageId
from angiogram.operate.status import status
from angiogram.report import report
from angiogram.report.pages.history import history
from angiogram.report.pages.junit import junit
from angiogram.report.pages.markdown import markdown
from angiogram.report.pages.page import page
from angiogram.store import mutes, runs
from angiogram.store.kept_differences import read_all
from angiogram.store.old_reports import as_current
from ingestion.database.roles import bootstrap
from ingestion.database.sessions import connect
from ingestion.migrations import all_migrations, migrate
from ingestion.topic.admin import topic_id
from sandbox.services import Sandbox
from tests.angiogram.conftest import Outcome
from tests.ingestion.support import Message, publish, rows
from tests.report_schema import validated
from tests.services import connect_as_administrator

BEFORE_STAGES = 12
"""Number of the last migration of the version before."""

CELL = {
    **{"difference": "changed", "row_key": {"currency": "CAD"}, "column": "usd_rate", "expected": "1", "actual": "2"},
    **{"rides": ["jeep-good"], "unfed": False},
}


def row(name: str, kind: str, reads: list[str], verdict: str = "healthy") -> dict[str, Any]:
    """A stage as that version had it."""
    return {
        **{"stage": name, "kind": kind, "reads": reads, "verdict": verdict, "rows_in": 3, "rows_out": 3},
        **{"differences": 0, "seconds": 0.5, "max_seconds": None, "reason": None, "details": None},
    }


OLD = {
    "run_id": "old",
    "verdict": "blocked",
    "blockage": ["loader", "exchange_rates", "expected__fct_rides", "fct_rides"],
    "checkpoints": [{"name": "published = in Kafka", "expected": 3, "counts": {"in_kafka": 3}, "holds": True}],
    "stages": [
        row("loader", "way", [], "blocked"),
        row("exchange_rates", "reference", [], "blocked"),
        row("fct_rides", "model", ["loader", "exchange_rates"], "blocked"),
        row("expected__fct_rides", "expected", [], "blocked"),
    ],
    "differences": {"exchange_rates": {"count": 1, "first": [CELL]}},
    "warnings": ["fct_rides took 40 s"],
    "seconds": 12.3,
    "seconds_by_step": {},
}
BLOCKED = [
    StageId("loader", "rides"),
    StageId("seed", "exchange_rates"),
    StageId("expected", "fct_rides"),
    StageId("model", "fct_rides"),
]


@pytest.fixture
def before(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database of the version before, to which PGDATABASE points."""
    name = f"taxi_{secrets.token_hex(6)}"
    monkeypatch.setenv("PGDATABASE", name)
    try:
        bootstrap()
        migrate(migrations=all_migrations()[:BEFORE_STAGES])
        yield
    finally:
        with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
            query.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def migrated(before: None) -> None:
    """A run, an alert and an acknowledgement of the version before, migrated to today's."""
    with closing(connect("angiogram", "tests")) as database, database, database.cursor() as query:
        query.execute(
            "insert into angiogram.runs (run_id, started_at, finished_at, verdict, blockage, report)"
            " values ('old', now(), now(), 'blocked', %s, %s),"
            " ('lost', now() - interval '1 day', now() - interval '1 day', 'blocked', %s, '{}')",
            (OLD["blockage"], Json(OLD), ["published = in Kafka"]),
        )
        query.execute(
            "insert into angiogram.differences"
            " (run_id, stage, number, difference, row_key, column_name, expected, actual, rides)"
            " values ('old', 'exchange_rates', 1, 'changed', '{\"currency\": \"CAD\"}', 'usd_rate', '1', '2', %s)",
            (["jeep-good"],),
        )
        query.execute(
            "insert into angiogram.alerts (run_id, verdict, blockage, state, message)"
            " values ('old', 'blocked', %s, 'sent', 'blocked')",
            (OLD["blockage"],),
        )
        query.execute(
            "insert into angiogram.mutes (run_id, blockage, reason, made_by, muted_until)"
            " values ('old', %s, 'known', 'ada', now() + interval '1 hour'),"
            " (null, null, 'holiday', 'ada', now() + interval '2 hours')",
            (OLD["blockage"],),
        )
    migrate()


def test_what_the_version_before_recorded_is_read_as_today(migrated: None) -> None:
    with runs.database("tests") as database:
        old, lost = runs.last(database, 2)
        assert old.blockage == BLOCKED
        assert lost.blockage == [StageId("checkpoint", "published = in Kafka")]
        assert [(found["stage"], found["messages"]) for found in read_all(database, "old", [])] == [
            ({"kind": "seed", "name": "exchange_rates"}, ["jeep-good"])
        ]
        holiday, known = mutes.in_force(database)
        assert holiday.blockage is None
        assert known.blockage == BLOCKED
        found = status(database, timedelta(hours=26))
        assert (found.run_id, found.blockage) == ("old", BLOCKED)
        with database.cursor() as query:
            query.execute("select blockage from angiogram.alerts")
            assert query.fetchall() == [([stage.as_json() for stage in BLOCKED],)]
    printed = Console(width=200, record=True, file=StringIO())
    printed.print(report.render(old.report))
    assert "BLOCKED at loader:rides, seed:exchange_rates, expected:fct_rides, fct_rides" in printed.export_text()
    for text in (page(old, {}), history([old, lost]), markdown(old), junit(old)):
        assert "exchange_rates" in text.replace("&#95;", "_")


def test_a_second_run_on_a_database_of_the_version_before_is_healthy(
    before: None, fresh_topic: str, angiogram: Callable[..., Outcome]
) -> None:
    """What that version loaded is not loaded again, what came since is, and its own last run stays."""
    publish(Message(partition=partition) for partition in (0, 0, 1))
    with closing(connect("loader", "tests")) as session, session, session.cursor() as query:
        loaded = {"topic": fresh_topic, "id": str(topic_id())}
        query.execute(
            'insert into raw.taxi_rides (taxi_id, topic, topic_id, partition, "offset")'
            " select 't1', %(topic)s, %(id)s, 0, n from generate_series(0, 1) as n;"
            " insert into raw.loaded_offsets (topic_id, topic, partition, next_offset)"
            " select %(id)s, %(topic)s, n, case n when 0 then 2 else 0 end from generate_series(0, 3) as n",
            loaded,
        )
    with closing(connect("angiogram", "tests")) as session, session, session.cursor() as query:
        query.execute(
            "insert into angiogram.runs (run_id, started_at, finished_at, verdict, blockage, report)"
            " values ('old', now(), now(), 'blocked', %s, %s)",
            (OLD["blockage"], Json(OLD)),
        )
    migrate()
    for _ in range(2):
        done = angiogram("run")
        assert done.code == 0, done.stdout + done.stderr
    with runs.database("tests") as database:
        assert [run.verdict for run in runs.last(database, 3)] == ["healthy", "healthy", "blocked"]
    with closing(connect_as_administrator(os.environ["PGDATABASE"])) as server:
        assert rows(server, "raw.taxi_rides", "partition, offset", "offset") in (
            [(0, 0), (1, 0), (0, 1)],
            [(1, 0), (0, 0), (0, 1)],
        )


def test_a_report_of_today_stays_as_it_is() -> None:
    today = validated(as_current(OLD))
    assert as_current(today) == today
    assert today["schema_version"] == 2
    assert today["notices"] == [{"code": "warning", "text": "fct_rides took 40 s"}]
    assert today["differences"][0]["first"][0]["messages"] == ["jeep-good"]


def test_the_state_of_a_run_under_way_stays_as_it_is() -> None:
    assert as_current({"lease": 30, "steps": {}}) == {"lease": 30, "steps": {}}
