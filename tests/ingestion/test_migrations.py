"""Migrations: in order, each once, each whole or not at all."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.database.roles import bootstrap
from ingestion.errors import SchemaOutdated
from ingestion.migrations import Migration, all_migrations, migrate, require_current
from sandbox.services import Sandbox
from tests.ingestion.support import rows
from tests.services import connect_as_administrator

ADDED = Migration(9001, "add_a_table", "create table raw.added (a int);")


def test_numbers_run_from_one_without_a_gap() -> None:
    assert [migration.number for migration in all_migrations()] == list(range(1, len(all_migrations()) + 1))


def test_migrating_again_applies_nothing(fresh_database: str) -> None:
    assert migrate() == []


def test_a_new_migration_is_applied_once(fresh_database: str, connect_as: Callable[..., connection]) -> None:
    assert migrate(migrations=[*all_migrations(), ADDED]) == ["9001_add_a_table"]
    assert migrate(migrations=[*all_migrations(), ADDED]) == []
    assert rows(connect_as("owner"), "raw.added", order="a") == []


def test_an_applied_migration_that_changed_is_refused(fresh_database: str) -> None:
    first = all_migrations()[0]
    changed = Migration(first.number, first.name, first.statements + "\n-- changed")
    with pytest.raises(SchemaOutdated, match=first.title):
        migrate(migrations=[changed, ADDED])
    assert migrate(migrations=[*all_migrations(), ADDED]) == ["9001_add_a_table"]


def test_a_migration_that_fails_leaves_nothing_behind(
    fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    """What came before it stays; what comes after it waits."""
    broken = Migration(9002, "broken", "create table raw.half (a int); select 1 / 0;")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(migrations=[ADDED, broken, Migration(9003, "after", "create table raw.after (a int);")])
    owner = connect_as("owner")
    assert [number for (number,) in rows(owner, "raw.schema_migrations", "number", "number")][-1] == 9001
    with pytest.raises(psycopg2.errors.UndefinedTable):
        rows(owner, "raw.half", order="a")


def test_two_at_a_time_wait_for_each_other(fresh_database: str) -> None:
    slow = Migration(9001, "slow", "select pg_sleep(0.2); create table raw.slow (a int);")
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(migrate, None, [slow]) for _ in range(2)]
    assert sorted(run.result() for run in runs) == [[], ["9001_slow"]]


def test_a_missing_migration_is_named(fresh_database: str, connect_as: Callable[..., connection]) -> None:
    with connect_as("postgres").cursor() as query:
        query.execute("delete from raw.schema_migrations where number = 2")
    with pytest.raises(SchemaOutdated, match="0002_angiogram"):
        require_current(connect_as("loader"))


def test_rides_in_hand_shows_the_run_up_to_its_batch(
    fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    """Other runs and later batches stay out of sight; a doubled message shows twice."""
    with connect_as("postgres").cursor() as query:
        query.execute(
            'insert into angiogram_raw.taxi_rides (topic, topic_id, "partition", "offset", run_id, ride_number, '
            "sent_at) select 't', gen_random_uuid(), 0, row_number() over (), run_id, ride_number, now() "
            "from (values ('now', 1), ('now', 1), ('now', 2), ('now', 3), ('before', 1)) as sent (run_id, ride_number)"
        )
        query.execute("insert into angiogram.runs (run_id, batch_1_last_message) values ('now', 2), ('before', 2)")
        seen = []
        for in_hand, batch in ((False, 2), (True, 0), (True, 1), (True, 2)):
            query.execute("update angiogram.runs set in_hand = %s, batch = %s where run_id = 'now'", (in_hand, batch))
            seen.append(rows(connect_as("angiogram"), "angiogram_raw.rides_in_hand", "ride_number", "ride_number"))
    assert seen == [[], [], [(1,), (1,), (2,)], [(1,), (1,), (2,), (3,)]]


def test_at_most_one_run_is_in_hand(fresh_database: str, connect_as: Callable[..., connection]) -> None:
    with connect_as("angiogram").cursor() as query:
        query.execute("insert into angiogram.runs (run_id, in_hand) values ('a', true)")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            query.execute("insert into angiogram.runs (run_id, in_hand) values ('b', true)")


@pytest.fixture
def database_of_before(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with the migrations up to 0023, to which PGDATABASE points."""
    name = f"taxi_{secrets.token_hex(6)}"
    monkeypatch.setenv("PGDATABASE", name)
    bootstrap()
    try:
        migrate(migrations=[migration for migration in all_migrations() if migration.number <= 23])
        yield name
    finally:
        with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
            query.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def test_views_noted_before_0024_belong_to_the_pipeline_that_migrates(
    database_of_before: str, connect_as: Callable[..., connection]
) -> None:
    """A build whose macros are from before says no pipeline, and still notes views afterwards."""
    note = (
        "insert into angiogram.noted_views (notes, schema_name, name, owner, noted_at)"
        " values ('staging.dependent_views', 'people', %s, 'ann', now())"
    )
    builder = connect_as("dbt_prod").cursor()
    builder.execute(note, ("before",))
    assert migrate() == [migration.title for migration in all_migrations() if migration.number > 23]
    builder.execute(note, ("after",))
    noted = rows(connect_as("owner"), "angiogram.noted_views", "name, pipeline", "name")
    assert noted == [("after", ""), ("before", "taxi_angiogram")]


def test_dead_letters_of_before_0028_belong_to_the_stream_of_the_pipeline_that_migrates(
    database_of_before: str, connect_as: Callable[..., connection]
) -> None:
    """A loader of the version before still adds letters afterwards: nobody knows whose they are."""
    letter = (
        'insert into raw.dead_letters (value, reason, topic, topic_id, partition, "offset", message_at)'
        " values ('', 'not_json', 't', gen_random_uuid(), 0, 0, now())"
    )
    loader = connect_as("loader").cursor()
    loader.execute(letter)
    migrate()
    loader.execute(letter)
    assert rows(connect_as("owner"), "raw.dead_letters", "raw_table", "loaded_at") == [("taxi_rides",), ("",)]


def test_live_nodes_noted_before_0027_stay_and_belong_to_no_pipeline_until_one_names_them(
    database_of_before: str, connect_as: Callable[..., connection]
) -> None:
    """A build whose macros are from before goes on as it did: nobody knows whose its rows are."""
    note = (
        "insert into angiogram.live_nodes (unique_id, name, resource_type, relation, fingerprint)"
        " values ('model.orders.' || %s, 'a model', 'model', 'r', 'f') on conflict (unique_id) do nothing"
    )
    builder = connect_as("dbt_prod").cursor()
    builder.execute(note, ("before",))
    migrate()
    for name in ("before", "after"):
        builder.execute(note, (name,))
    noted = rows(connect_as("owner"), "angiogram.live_nodes", "node_id, pipeline", "node_id")
    assert noted == [("model.orders.after", ""), ("model.orders.before", "")]
