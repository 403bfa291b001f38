"""Roles may do their work and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection

from ingestion.database.roles import bootstrap
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable, SettingsError
from sandbox.services import Sandbox
from taxi.contract import CONTRACT
from tests.services import connect_as_administrator, new_database

NAMES = [role.name for role in CONTRACT.roles.values()]

FORBIDDEN = {
    "loader-reads-rides": ("loader", "select from raw.taxi_rides"),
    "loader-changes-rides": ("loader", "update raw.taxi_rides set fare_amount = '0'"),
    "loader-deletes-rides": ("loader", "delete from raw.taxi_rides"),
    "loader-empties-rides": ("loader", "truncate raw.taxi_rides"),
    "loader-deletes-offsets": ("loader", "delete from raw.loaded_offsets"),
    "loader-makes-a-table": ("loader", "create table raw.more ()"),
    "loader-reads-runs": ("loader", "select from angiogram.runs"),
    "prod-writes-raw": ("dbt_prod", "insert into raw.loaded_offsets select from raw.loaded_offsets"),
    "prod-reads-dye": ("dbt_prod", "select from angiogram_raw.taxi_rides"),
    "prod-reads-dye-in-hand": ("dbt_prod", "select from angiogram_raw.rides_in_hand"),
    "prod-reads-verdicts": ("dbt_prod", "select from angiogram.runs"),
    "prod-turns-the-hold": (
        "dbt_prod",
        "insert into angiogram.holds (is_on, reason, made_by) values (false, 'r', 'm')",
    ),
    "prod-makes-a-schema": ("dbt_prod", "create schema more"),
    "prod-writes-dev": ("dbt_prod", "create table dev_revenue.t ()"),
    "dev-reads-dye": ("dbt_dev", "select from angiogram_raw.taxi_rides"),
    "dev-asks-for-the-hold": ("dbt_dev", "select angiogram.held_because(now())"),
    "dev-writes-prod": ("dbt_dev", "create table revenue.t ()"),
    "dev-makes-a-schema": ("dbt_dev", "create schema more"),
    "angiogram-reads-live-rides": ("angiogram", "select from raw.taxi_rides"),
    "angiogram-reads-live-dead-letters": ("angiogram", "select from raw.dead_letters"),
    "angiogram-writes-dye": ("angiogram", "delete from angiogram_raw.taxi_rides"),
    "angiogram-moves-offsets": ("angiogram", "update raw.loaded_offsets set next_offset = 0"),
    "angiogram-notes-live-models": ("angiogram", "delete from angiogram.live_nodes"),
    "angiogram-counts-live-rides": ("angiogram", "select from raw.loaded_counts(now())"),
    "angiogram-forgets-runs": ("angiogram", "delete from angiogram.runs"),
    "angiogram-writes-marts": ("angiogram", "create table revenue.t ()"),
    "reader-reads-raw": ("marts_reader", "select from raw.taxi_rides"),
    "reader-writes-verdicts": ("marts_reader", "update angiogram.runs set verdict = 'healthy'"),
    "reader-makes-a-schema": ("marts_reader", "create schema more"),
    "owner-makes-a-role": ("owner", "create role more"),
    "everybody-in-public": ("dbt_dev", "create table public.t ()"),
}

ALLOWED = {
    "loader-adds-rides": (
        "loader",
        'insert into raw.taxi_rides (topic, topic_id, "partition", "offset") values (\'t\', gen_random_uuid(), 0, 0)',
    ),
    "prod-reads-rides": ("dbt_prod", "select from raw.taxi_rides"),
    "prod-counts-what-was-loaded": ("dbt_prod", "select from raw.loaded_counts(now())"),
    "prod-asks-for-the-hold": ("dbt_prod", "select angiogram.held_because(now())"),
    "prod-makes-models": ("dbt_prod", "create table revenue.t (); drop table revenue.t"),
    "prod-uses-temporary-tables": ("dbt_prod", "create temporary table t ()"),
    "dev-makes-models": ("dbt_dev", "create table dev_facts.t (); drop table dev_facts.t"),
    "angiogram-reads-dye-in-hand": ("angiogram", "select from angiogram_raw.rides_in_hand"),
    "angiogram-reads-dye-dead-letters": ("angiogram", "select from angiogram_raw.dead_letters"),
    "angiogram-reads-offsets": ("angiogram", "select from raw.loaded_offsets, raw.loaders"),
    "angiogram-makes-schemas": ("angiogram", "create schema angiogram_staging; drop schema angiogram_staging"),
    "angiogram-keeps-runs": ("angiogram", "insert into angiogram.runs (run_id) values (gen_random_uuid()::text)"),
    "reader-reads-verdicts": ("marts_reader", "select verdict from angiogram.runs"),
    "reader-reads-differences": ("marts_reader", "select from angiogram.differences, angiogram.last_verified"),
    "owner-deletes-old-rides": ("owner", "delete from raw.taxi_rides where loaded_at < now() - interval '1 year'"),
}


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A database for the module."""
    with new_database() as name:
        yield name


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_forbidden_is_refused(database: str, connect_as: Callable[..., connection], role: str, statement: str) -> None:
    with connect_as(role, database).cursor() as query, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query.execute(statement)


@pytest.mark.parametrize(("role", "statement"), ALLOWED.values(), ids=ALLOWED.keys())
def test_work_is_allowed(database: str, connect_as: Callable[..., connection], role: str, statement: str) -> None:
    with connect_as(role, database).cursor() as query:
        query.execute(statement)


def test_the_reader_reads_what_dbt_makes_later(database: str, connect_as: Callable[..., connection]) -> None:
    with connect_as("dbt_prod", database).cursor() as query:
        query.execute("create table revenue.made_later as select 1 as one")
    with connect_as("marts_reader", database).cursor() as query:
        query.execute("select one from revenue.made_later")
        assert query.fetchall() == [(1,)]


def test_airflow_and_the_rides_keep_apart(database: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="airflow"):
        connect("airflow", "tests", database)
    with pytest.raises(DatabaseUnavailable, match="taxi_loader"):
        connect("loader", "tests", "airflow")
    connect("airflow", "tests", "airflow").close()


def test_bootstrap_again_changes_nothing(database: str) -> None:
    """Rights, owners and settings stay as they are."""

    def state() -> list[tuple[str, ...]]:
        with closing(connect_as_administrator(database)) as session, session.cursor() as query:
            query.execute("select nspname::text, nspowner::regrole::text, nspacl::text from pg_namespace order by 1")
            schemas = query.fetchall()
            query.execute(
                "select rolname::text, rolsuper::text, rolcanlogin::text, rolcreatedb::text from pg_roles "
                "where rolname = any(%s) order by 1",
                (NAMES,),
            )
            return schemas + query.fetchall()

    before = state()
    bootstrap(database)
    assert state() == before


def test_bootstrap_without_a_superuser_says_what_is_missing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_ADMIN_PASSWORD")
    with pytest.raises(SettingsError, match="PG_ADMIN_PASSWORD"):
        bootstrap(database)


def test_passwords_are_kept_as_scram_hashes(database: str) -> None:
    with closing(connect_as_administrator(database)) as session, session.cursor() as query:
        query.execute(
            "select rolpassword from pg_authid where rolname = any(%s)",
            (NAMES,),
        )
        hashes = [hashed for (hashed,) in query.fetchall()]
    assert len(hashes) == len(CONTRACT.roles)
    assert all(hashed.startswith("SCRAM-SHA-256$") for hashed in hashes)
