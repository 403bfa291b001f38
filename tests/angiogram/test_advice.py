"""What goes wrong is told with advice that fits, and before the dye is sent where that can be known."""

import os
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection

from angiogram.core.words import HEALTHY
from angiogram.report import report
from angiogram.run import steps
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable
from tests.angiogram.conftest import Outcome
from tests.ingestion.topic_reader import records


def test_the_loaders_wrong_password_ends_the_run_before_anything_is_sent(
    pipeline: None, fresh_topic: str, monkeypatch: pytest.MonkeyPatch, connect_as: Callable[..., connection]
) -> None:
    """Where no loader follows the topic the run loads its dye itself."""
    with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
        query.execute("delete from angiogram.runs")
        monkeypatch.setenv("LOADER_PASSWORD", "a wrong one")
        with pytest.raises(DatabaseUnavailable, match=r"refused .* role taxi_loader.*LOADER_PASSWORD"):
            steps.begin(lease=600)
        query.execute("select verdict, report ->> 'error' like '%LOADER_PASSWORD%' from angiogram.runs")
        assert query.fetchall() == [("could_not_run", True)], "the try is kept"
    assert records() == {}


def test_a_wrong_password_is_no_server_that_is_away(
    pipeline: None, angiogram: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = angiogram("runs", DBT_ENV_SECRET_ANGIOGRAM_PASSWORD="a wrong one")
    assert done.code == 2
    assert "is running, but refused the connection for role angiogram" in done.stderr
    assert "Check its password, DBT_ENV_SECRET_ANGIOGRAM_PASSWORD, and" in done.stderr
    assert "Is it running" not in done.stderr
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(DatabaseUnavailable, match=r"did not answer.*Is it running.*PGHOST"):
        connect("angiogram", "tests")


def test_without_checkpoints_none_is_said_to_hold() -> None:
    """As from the seeds, where nothing is published and loaded."""
    found = {
        "verdict": HEALTHY,
        "stages": [{"kind": "model", "name": "orders", "verdict": "healthy"}],
        "checkpoints": [],
    }
    assert report.healthy(found) == "1 model equals its expected seed"
