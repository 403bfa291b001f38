"""Views that people made on live tables outlive every build, or the build says why not and keeps how they were made."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.dbt.package.installing import install
from angiogram.judge.guards import lost_views
from tests.angiogram.shop import PACKAGES, PROFILE
from tests.dbt.project import PROJECT as DBT_PROJECT
from tests.dbt.project import DbtProject
from tests.ingestion.support import await_condition
from tests.services import connect_as_administrator

COPIED = ("view", "incremental")
"""Materializations, which dbt takes from the project alone."""
PROJECT = """
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
vars: {dye_targets: [angiogram]}
on-run-start: "{{ data_angiogram.note_dependent_views() }}"
on-run-end: "{{ data_angiogram.restore_dependent_views() }}"
"""
TABLE = """
{% materialization table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_table and data_angiogram.is_read_by_people(existing) -%}
        {{ return(data_angiogram.table_that_is_read(existing)) }}
    {%- endif -%}
    {{ return(dbt.materialization_table_default()) }}
{% endmaterialization %}
"""
FILES = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": PROFILE,
    "packages.yml": PACKAGES,
    "macros/table.sql": TABLE,
    "models/orders.sql": "{{ config(materialized='table', post_hook=[\"create index on {{ this }} (id)\","
    " 'grant select on {{ this }} to marts_reader']) }}"
    " select id, id * 7 as cents from generate_series(1, {{ var('rows', 3) }}) as id",
    "models/totals.sql": "{{ config(materialized='table') }} select sum(cents) as cents from {{ ref('orders') }}",
    "models/taken.sql": "{{ config(materialized='incremental') }} select {{ var('rows', 3) }} as many",
    "models/cheap.sql": "{{ config(materialized='view') }} select * from {{ ref('orders') }} where cents < 10",
    "models/late.sql": "{{ config(materialized='table', post_hook={'sql': 'create index on {{ this }} (id)',"
    " 'transaction': false}) }} select id from {{ ref('orders') }}",
    "seeds/cities.csv": "city,people\nUtrecht,361\n",
}
PEOPLES = """
create schema people authorization taxi_owner;
grant usage on schema shop to public;
grant select on all tables in schema shop to taxi_owner;
set role taxi_owner;
create view people.orders with (security_barrier = true) as select id, cents from shop.orders;
comment on view people.orders is 'of the board';
grant select (id) on people.orders to marts_reader;
create materialized view people.total as select sum(cents) as cents from people.orders;
create unique index only_one on people.total (cents);
create view people.all_totals as select cents from shop.totals union all select cents from people.total;
create view people.taken as select many from shop.taken;
create view people.cheap as select id from shop.cheap;
create view people.late as select id from shop.late;
create function people.first_order() returns int begin atomic select min(id) from shop.orders; end;
reset role;
"""
NEW_COLUMN = ("select id, id", "select 'x' as note, id, id")
MENDED = """
grant taxi_owner to angiogram;
grant select on shop.orders, shop.totals, shop.cheap to taxi_owner;
"""
MIGRATIONS = Path(__file__).resolve().parents[2] / "ingestion" / "migrations"
RUN_STATE = (MIGRATIONS / "0022_run_state.sql").read_text()
IS_SEEN = RUN_STATE.partition("create function angiogram.is_seen")[2].partition(";")[0]
TOLD = f"""
create schema angiogram;
{(MIGRATIONS / "0021_noted_views.sql").read_text()}
create function angiogram.is_seen{IS_SEEN};
{(MIGRATIONS / "0024_noted_views_of_a_pipeline.sql").read_text()}
grant usage on schema angiogram to angiogram;
grant all on angiogram.noted_views to angiogram;
"""
ON_TABLES = """
alter default privileges for role angiogram in schema shop grant select on tables to taxi_owner;
set role taxi_owner;
create view people.cities as select city from shop.cities;
reset role;
create function people.note() returns trigger language plpgsql as 'begin return null; end';
create trigger audited after insert on shop.totals for each statement execute function people.note();
create rule logged as on update to shop.orders do also nothing;
create policy owners on shop.late using (true);
"""
ASLEEP = """
select count(*)::int from pg_stat_activity
where datname = current_database() and query like '%pg_sleep(600)%' and wait_event = 'PgSleep'
"""
LOOKS = """
select
    c.relname, pg_get_userbyid(c.relowner), c.reloptions, obj_description(c.oid, 'pg_class'), c.relacl::text,
    (
        select array_agg(attname || attacl::text order by attnum) from pg_attribute
        where attrelid = c.oid and attacl is not null
    ),
    (select array_agg(pg_get_indexdef(indexrelid)) from pg_index where indrelid = c.oid),
    pg_get_viewdef(c.oid)
from pg_class as c where relnamespace = 'people'::regnamespace and relkind in ('v', 'm') order by 1
"""


@pytest.fixture
def shop(strange: connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DbtProject]:
    """A built project in a database of its own, and the views of people who are not dbt's role."""
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    monkeypatch.delenv("DBT_LOG_PATH", raising=False)
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    for name in COPIED:
        (tmp_path / "macros" / f"{name}.sql").write_bytes((DBT_PROJECT / "macros" / f"{name}.sql").read_bytes())
    install(tmp_path)
    project = DbtProject(tmp_path)
    built = project.run("build", "--target", "live")
    assert built.exit_code == 0, built.output
    strange.cursor().execute(PEOPLES)
    yield project
    with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
        query.execute("revoke taxi_owner from angiogram")


def look(database: connection) -> list[tuple[object, ...]]:
    with database.cursor() as query:
        query.execute(LOOKS)
        return query.fetchall()


def ask(database: connection, question: str) -> list[tuple[object, ...]]:
    with database.cursor() as query:
        query.execute(question)
        return query.fetchall()


def test_peoples_views_live_through_builds_that_change_no_columns(shop: DbtProject, strange: connection) -> None:
    """Though dbt's role has no right on them: the tables stay, and their rows are replaced."""
    before = look(strange)
    assert len(before) == 6
    built = shop.run("build", "--target", "live", "--full-refresh", "--vars", "{rows: 4}")
    assert built.exit_code == 0, built.output
    named = built.output.split("These views read what dbt builds, and are kept or recreated: ")[1].splitlines()[0]
    assert {*named.rstrip(".").split(", ")} == {f"people.{name}" for name, *_ in before}
    assert built.output.index(named) < built.output.index("START sql")
    assert "function people.first_order()" in built.output
    assert look(strange) == before
    assert ask(strange, "select count(*), max(id), people.first_order() from people.orders") == [(4, 4, 1)]
    assert ask(strange, "select many from people.taken") == [(4,)]
    indexes = "select count(*) from pg_index where indrelid in ('shop.orders'::regclass, 'shop.late'::regclass)"
    assert ask(strange, f"{indexes} group by indrelid") == [(1,), (1,)]
    assert ask(strange, "select has_table_privilege('marts_reader', 'shop.orders', 'select')") == [(True,)]
    left = "select relname from pg_class where relname like '%\\_\\_dbt\\_%' and relkind in ('r', 'v')"
    assert ask(strange, left) == []


def test_views_on_changed_columns_are_made_again_or_named_and_kept(shop: DbtProject, strange: connection) -> None:
    """First without a right to do so, then with it, then one that no longer can be; and one of a superuser."""
    strange.cursor().execute(TOLD)
    before = look(strange)
    strange.cursor().execute("create view people.of_root as select id from shop.orders")
    shop.replace("models/orders.sql", *NEW_COLUMN)
    refused = shop.run("build", "--target", "live")
    assert refused.exit_code == 0, refused.output
    lost = "The view people.orders was dropped with what it reads, and cannot be recreated: permission denied"
    assert lost in refused.output
    assert 'grant "taxi_owner" to "angiogram"' in refused.output
    assert "Let postgres create it. postgres is a superuser, whose rights dbt's role must not get" in refused.output
    assert 'grant "postgres"' not in refused.output
    assert {name for name, *_ in look(strange)} == {"late", "taken"}
    assert ask(strange, "select count(*) from shop.dependent_views") == [(5,)]
    noted = [notice.text for notice in lost_views.notices(strange, "shop")]
    assert len(noted) == 5
    assert ask(strange, "select distinct pipeline from angiogram.noted_views") == [("shop",)]
    (told,) = [text for text in noted if "people.orders, owned by taxi_owner, is missing" in text]
    assert "permission denied" in told

    strange.cursor().execute(MENDED)
    mended = shop.run("build", "--target", "live", "--select", "totals")
    assert mended.exit_code == 0, mended.output
    assert "The view people.total was dropped with what it reads, and has been recreated." in mended.output
    assert mended.output.count("The view people.of_root was dropped") == 1
    assert look(strange) == before
    assert ask(strange, "select sum(cents) from people.total") == [(42,)]
    assert len(lost_views.notices(strange, "shop")) == 1

    shop.replace("models/taken.sql", "as many", "as number")
    broken = shop.run("build", "--target", "live", "--full-refresh")
    assert broken.exit_code == 0, broken.output
    assert "The view people.taken was dropped with what it reads, and cannot be recreated: column" in broken.output
    ((statement,),) = ask(strange, "select statements[1] from shop.dependent_views where name = 'taken'")
    assert "many" in str(statement)


def test_views_that_a_killed_build_dropped_are_made_again_by_the_next(shop: DbtProject, strange: connection) -> None:
    """Killed between the build of the models and the hook that makes the views again."""
    before = look(strange)
    strange.cursor().execute(MENDED)
    strange.cursor().execute("alter default privileges for role angiogram grant select on tables to taxi_owner")
    shop.replace("models/orders.sql", *NEW_COLUMN)
    hook = 'on-run-end: ["{{ data_angiogram.restore_dependent_views() }}"]'
    shop.replace("dbt_project.yml", 'on-run-end: "{{ data_angiogram.restore_dependent_views() }}"', hook)
    shop.replace("dbt_project.yml", "end: [", 'end: ["select pg_sleep(600)", ')
    with shop.start("build", "--target", "live") as build:
        try:
            await_condition(lambda: ask(strange, ASLEEP) == [(1,)], "dbt waits in its hook")
        finally:
            build.kill()
    assert {name for name, *_ in look(strange)} == {"late", "taken"}
    shop.replace("dbt_project.yml", '"select pg_sleep(600)", ', "")
    following = shop.run("build", "--target", "live", "--select", "taken")
    assert following.exit_code == 0, following.output
    assert "The view people.orders was dropped with what it reads, and has been recreated." in following.output
    assert look(strange) == before
    assert ask(strange, "select count(*) from shop.dependent_views") == [(0,)]


def test_what_goes_with_a_replaced_table_or_seed_is_made_again_or_named(shop: DbtProject, strange: connection) -> None:
    """Views on a seed that is loaded anew and on a column of another type; triggers, rules and policies are named."""
    strange.cursor().execute(MENDED + ON_TABLES)
    before = look(strange)
    assert "cities" in {name for name, *_ in before}
    shop.replace("models/orders.sql", "id * 7 as", "(id * 7)::bigint as")
    built = shop.run("build", "--target", "live", "--full-refresh")
    assert built.exit_code == 0, built.output
    named = built.output.split("They are dropped, and not recreated, where dbt replaces a table: ")[1].splitlines()[0]
    for what in ("trigger audited on table shop.totals", "rule logged on table shop.orders", "policy owners on table"):
        assert what in named
    assert "The view people.cities was dropped with what it reads, and has been recreated." in built.output
    assert look(strange) == before
    kind = "select format_type(atttypid, null) from pg_attribute where attrelid = 'people.orders'::regclass"
    assert ask(strange, f"{kind} and attname = 'cents'") == [("bigint",)]


def test_under_a_dye_target_nothing_is_noted_or_kept(shop: DbtProject, strange: connection) -> None:
    """The dye's tables are made anew by dbt's own materializations: nobody's views are on them."""
    oid = "select 'shop.totals'::regclass::oid"
    before = ask(strange, oid)
    built = shop.run("build", "--target", "angiogram")
    assert built.exit_code == 0, built.output
    assert "people." not in built.output
    assert ask(strange, oid) != before
    assert ask(strange, "select to_regclass('shop.dependent_views')") == [(None,)]
