"""Views that people made on live tables outlive every build, or the build says why not and keeps how they were made."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from tests.angiogram.shop import MACROS, PROFILE
from tests.dbt.project import DbtProject
from tests.services import connect_as_administrator

COPIED = (
    *("dependent_views", "note_dependent_views", "restore_dependent_views", "table_that_is_read", "view_that_is_read"),
    *("is_dye_target", "view", "incremental"),
)
PROJECT = """
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
vars: {dye_targets: [angiogram]}
on-run-start: "{{ note_dependent_views() }}"
on-run-end: "{{ restore_dependent_views() }}"
"""
TABLE = """
{% materialization table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_table and is_read_by_people(existing) -%}
        {{ return(table_that_is_read(existing)) }}
    {%- endif -%}
    {{ return(dbt.materialization_table_default()) }}
{% endmaterialization %}
"""
FILES = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": PROFILE,
    "macros/table.sql": TABLE,
    "models/orders.sql": "{{ config(materialized='table', post_hook=[\"create index on {{ this }} (id)\","
    " 'grant select on {{ this }} to marts_reader']) }}"
    " select id, id * 7 as cents from generate_series(1, {{ var('rows', 3) }}) as id",
    "models/totals.sql": "{{ config(materialized='table') }} select sum(cents) as cents from {{ ref('orders') }}",
    "models/taken.sql": "{{ config(materialized='incremental') }} select {{ var('rows', 3) }} as many",
    "models/cheap.sql": "{{ config(materialized='view') }} select * from {{ ref('orders') }} where cents < 10",
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
create function people.first_order() returns int begin atomic select min(id) from shop.orders; end;
reset role;
"""
NEW_COLUMN = ("select id, id", "select 'x' as note, id, id")
MENDED = """
grant taxi_owner to angiogram;
grant select on shop.orders, shop.totals, shop.cheap to taxi_owner;
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
        (tmp_path / "macros" / f"{name}.sql").write_bytes((MACROS / f"{name}.sql").read_bytes())
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
    assert len(before) == 5
    built = shop.run("build", "--target", "live", "--full-refresh", "--vars", "{rows: 4}")
    assert built.exit_code == 0, built.output
    named = built.output.split("These views read what dbt builds, and are kept or made again: ")[1].splitlines()[0]
    assert {*named.rstrip(".").split(", ")} == {f"people.{name}" for name, *_ in before}
    assert built.output.index(named) < built.output.index("START sql")
    assert "function people.first_order()" in built.output
    assert look(strange) == before
    assert ask(strange, "select count(*), max(id), people.first_order() from people.orders") == [(4, 4, 1)]
    assert ask(strange, "select many from people.taken") == [(4,)]
    assert ask(strange, "select count(*) from pg_index where indrelid = 'shop.orders'::regclass") == [(1,)]
    assert ask(strange, "select has_table_privilege('marts_reader', 'shop.orders', 'select')") == [(True,)]
    left = "select relname from pg_class where relname like '%\\_\\_dbt\\_%' and relkind in ('r', 'v')"
    assert ask(strange, left) == []


def test_views_on_changed_columns_are_made_again_or_named_and_kept(shop: DbtProject, strange: connection) -> None:
    """First without a right to do so, then with it, then one that no longer can be."""
    before = look(strange)
    shop.replace("models/orders.sql", *NEW_COLUMN)
    refused = shop.run("build", "--target", "live")
    assert refused.exit_code == 0, refused.output
    lost = "The view people.orders was dropped with what it reads, and cannot be made again: permission denied"
    assert lost in refused.output
    assert 'grant "taxi_owner" to "angiogram"' in refused.output
    assert {name for name, *_ in look(strange)} == {"taken"}
    assert ask(strange, "select count(*) from shop.dependent_views") == [(4,)]

    strange.cursor().execute(MENDED)
    mended = shop.run("build", "--target", "live", "--select", "totals")
    assert mended.exit_code == 0, mended.output
    assert "The view people.total was dropped with what it reads, and is made again." in mended.output
    assert look(strange) == before
    assert ask(strange, "select sum(cents) from people.total") == [(42,)]

    shop.replace("models/taken.sql", "as many", "as number")
    broken = shop.run("build", "--target", "live", "--full-refresh")
    assert broken.exit_code == 0, broken.output
    assert "The view people.taken was dropped with what it reads, and cannot be made again: column" in broken.output
    ((statement,),) = ask(strange, "select statements[1] from shop.dependent_views where name = 'taken'")
    assert "many" in str(statement)


def test_views_that_a_killed_build_dropped_are_made_again_by_the_next(shop: DbtProject, strange: connection) -> None:
    """The build without its last hook leaves what a killed one leaves: views dropped, and the notes of them."""
    before = look(strange)
    strange.cursor().execute(MENDED)
    shop.replace("models/orders.sql", *NEW_COLUMN)
    shop.replace("dbt_project.yml", "on-run-end", "#")
    killed = shop.run("build", "--target", "live")
    assert killed.exit_code == 0, killed.output
    assert {name for name, *_ in look(strange)} == {"taken"}
    strange.cursor().execute(MENDED)
    shop.replace("dbt_project.yml", "#", "on-run-end")
    following = shop.run("build", "--target", "live", "--select", "taken")
    assert following.exit_code == 0, following.output
    assert "The view people.orders was dropped with what it reads, and is made again." in following.output
    assert look(strange) == before
    assert ask(strange, "select count(*) from shop.dependent_views") == [(0,)]


def test_under_a_dye_target_nothing_is_noted_or_kept(shop: DbtProject, strange: connection) -> None:
    """The dye's tables are made anew by dbt's own materializations: nobody's views are on them."""
    oid = "select 'shop.totals'::regclass::oid"
    before = ask(strange, oid)
    built = shop.run("build", "--target", "angiogram")
    assert built.exit_code == 0, built.output
    assert "people." not in built.output
    assert ask(strange, oid) != before
    assert ask(strange, "select to_regclass('shop.dependent_views')") == [(None,)]
