"""Two pipelines with a raw table each share a database: neither sees, counts or deletes what is the other's."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg2.extensions import connection
from typer.testing import CliRunner, Result

from angiogram.dye.checkpoints import unverified_dye
from ingestion.cli import app
from ingestion.database.sessions import connect
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import DyeStamp
from ingestion.upkeep.offsets import repair
from ingestion.upkeep.retention import delete_older_than
from taxi.contract import CONTRACT
from tests.ingestion.support import Message, count, publish

ORDERS = replace(CONTRACT, table="orders")
FORGED = DyeStamp("run-1", 7, None).headers(b"a key of somebody else", b"{}")
A_FILE = (
    "insert into raw.loaded_files (topic_id, path, content, format, bytes, rows, dead_letters, load_id)"
    " values (%(id)s, 'a.csv', %(id)s, 'csv', 1, 0, 0, %(id)s);"
    " insert into raw.file_days (topic_id, day, path, load_id) values (%(id)s, '2026-01-01', 'a.csv', %(id)s)"
)


@pytest.fixture
def session(fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection]) -> connection:
    """A superuser's session in a database with both raw tables, the taxi's loaded."""
    session = connect_as("postgres")
    with session.cursor() as query:
        for schema in ("raw", "angiogram_raw"):
            query.execute(f"create table {schema}.orders (like {schema}.taxi_rides including all)")
            query.execute(f"alter table {schema}.orders owner to taxi_owner")
    publish([Message(), Message(b"not json"), Message(headers=FORGED)])
    load_until_caught_up()
    with closing(connect("loader", "test")) as loader, loader, loader.cursor() as query:
        query.execute(A_FILE, {"id": str(uuid4())})
    return session


@pytest.fixture
def of_orders(session: connection, tmp_path: Path) -> Iterator[None]:
    """The process works for another pipeline, with another stream."""
    (tmp_path / "dbt_project.yml").write_text("name: orders\n")
    (tmp_path / "angiogram.yml").write_text(f"contract: {__name__}:ORDERS\n")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DBT_PROJECT_DIR", str(tmp_path))
        yield


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


LISTS = [("unverified-dye", "list"), ("dead-letters", "list"), ("dead-letters", "export"), ("files", "list")]


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_its_own_pipeline_lists_it(session: connection, command: tuple[str, ...]) -> None:
    assert len(run(*command).stdout.splitlines()) == 1


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_another_pipeline_does_not(of_orders: None, command: tuple[str, ...]) -> None:
    assert run(*command).stdout == ""


def test_unverified_dye_of_one_turns_neither_verdict_nor_status_of_the_other_red(session: connection) -> None:
    with closing(connect("angiogram", "test")) as database:
        assert not unverified_dye(database).holds


def test_unverified_dye_of_another_stream_is_no_finding(of_orders: None) -> None:
    with closing(connect("angiogram", "test")) as database:
        assert (unverified_dye(database).holds, unverified_dye(database).expected) == (True, 0)


def test_live_counts_the_topics_of_its_own_stream(session: connection) -> None:
    with closing(connect("dbt_prod", "test")) as database, database.cursor() as query:
        query.execute("select bool_and(raw.topic_is_of_session(topic_id)) from raw.loaded_offsets")
        assert query.fetchall() == [(True,)]


def test_live_does_not_count_those_of_another_stream(of_orders: None) -> None:
    with closing(connect("dbt_prod", "test")) as database, database.cursor() as query:
        query.execute("select bool_or(raw.topic_is_of_session(topic_id)) from raw.loaded_offsets")
        assert query.fetchall() == [(False,)]


def test_a_day_is_replaced_in_its_own_stream_alone(session: connection, of_orders: None) -> None:
    with closing(connect("loader", "test")) as loader, loader, loader.cursor() as query:
        query.execute("select files from raw.forget_files('2026-01-01', '{}')")
        assert query.fetchall() == [(0,)]
    assert (count(session, "raw.loaded_files"), count(session, "raw.file_days")) == (1, 1)


def test_retention_and_repair_leave_another_stream_alone(session: connection, of_orders: None) -> None:
    with session.cursor() as query:
        query.execute("update raw.dead_letters set loaded_at = now() - interval '100 days'")
        query.execute("select sum(live_rows + live_dead_letters + unverified_dye) from raw.loaded_totals")
        totals = query.fetchall()
    assert sum(delete_older_than(1).values()) == 0
    assert repair() == []
    assert count(session, "raw.dead_letters") == 1
    with session.cursor() as query:
        query.execute("select sum(live_rows + live_dead_letters + unverified_dye) from raw.loaded_totals")
        assert query.fetchall() == totals


def test_a_session_that_names_no_stream_sees_all(session: connection) -> None:
    """Such as a dashboard's, or psql's."""
    with session.cursor() as query:
        query.execute("select raw_table from raw.dead_letters where raw.is_of_session(raw_table)")
        assert query.fetchall() == [("taxi_rides",)]


def test_what_an_earlier_versions_loader_adds_belongs_to_every_stream(session: connection, of_orders: None) -> None:
    with session.cursor() as query:
        query.execute(A_FILE, {"id": str(uuid4())})
    assert [line.split("\t")[-1] for line in run("files", "list").stdout.splitlines()] == ["a.csv"]


def test_a_project_without_a_stream_waits_for_nobodys_messages(
    session: connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    with closing(connect("angiogram", "test")) as database:
        assert unverified_dye(database).holds
