"""Hooks under the dye target write in the dye's schemas only: what they name is looked at before anything is built."""

from collections.abc import Callable

import pytest
from psycopg2.extensions import connection

from angiogram.core.errors import NotTheDyes
from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.judge.guards.guards import LEFT_BY_HOOKS
from tests.angiogram.shop import APART
from tests.angiogram.test_live_tables import contents, quiet

ON_RUN_START = 'on-run-start: "{{ data_angiogram.keep_dye_apart() }}"'
MODEL = "materialized='table'"


def at_the_end(*hooks: str) -> dict[str, tuple[str, str]]:
    """The change of the project by which hooks run at the end of each command."""
    listed = "".join(f"\n  - {hook!r}" for hook in hooks)
    return {"dbt_project": (ON_RUN_START, f"{ON_RUN_START}\non-run-end:{listed}")}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param(
            {
                "models/orders": (
                    MODEL,
                    MODEL + ", post_hook=\"truncate {{ source('till', 'raw_orders') }}\"",
                )
            },
            r"a hook of model orders: truncate till\.raw_orders",
            id="a model's hook writes a source",
        ),
        pytest.param(
            at_the_end('delete from {{ source("till", "raw_orders") }}'),
            r"hook shop-on-run-end-0: delete from till\.raw_orders",
            id="a hook at the end empties a source",
        ),
        pytest.param(
            at_the_end("select 1", "truncate marts.orders"),
            r"hook shop-on-run-end-1: truncate marts\.orders",
            id="a hook names a live table",
        ),
        pytest.param(
            at_the_end("create schema if not exists marts", "create or replace view marts.orders as select 1 as id"),
            r"hook shop-on-run-end-1: create marts\.orders",
            id="a hook makes a live schema first",
        ),
        pytest.param(
            at_the_end('{% do run_query("delete from marts.orders") if execute %}'),
            r"hook shop-on-run-end-0: delete from marts\.orders",
            id="a hook's own query",
        ),
        pytest.param(
            {"dbt_project": ("    input: {", '    input: {+post-hook: "drop table if exists marts.orders", ')},
            r"a hook of seed raw_orders: drop marts\.orders",
            id="a hook of an input seed",
        ),
        pytest.param(
            {
                "models/orders": (
                    "select id,",
                    "{% if execute %}{% do run_query('truncate marts.orders') %}{% endif %} select id,",
                )
            },
            r"a query in the Jinja of model orders: truncate marts\.orders",
            id="a query in a model's Jinja",
        ),
        pytest.param(
            {
                **at_the_end("{{ note() }}"),
                "macros/raw": (
                    "{% macro raw() %}",
                    "{% macro note() %}{% set text %}insert into marts.orders values ({{ 1 }}, 2){% endset %}"
                    "{% if execute %}{% do run_query(text) %}{% endif %}{% endmacro %}{% macro raw() %}",
                ),
            },
            r"the macro note of hook shop-on-run-end-0: insert into marts\.orders",
            id="a query in the macro of a hook, in a block",
        ),
        pytest.param(
            {
                "models/orders": (MODEL, MODEL + ", post_hook='{{ note() }}'"),
                "macros/raw": (
                    "{% macro raw() %}",
                    "{% macro note() %}{% call statement('x') %}truncate marts.orders{% endcall %}{% endmacro %}"
                    "{% macro raw() %}",
                ),
            },
            r"the macro note of a hook of model orders: truncate marts\.orders",
            id="a statement in the macro of a model's hook",
        ),
        pytest.param(
            {
                "models/orders": (
                    "select id,",
                    "{% call set_sql_header(config) %} truncate marts.orders; {% endcall %} select id,",
                )
            },
            r"the SQL header of model orders: truncate marts\.orders",
            id="the SQL header of a model",
        ),
        pytest.param(
            {
                "macros/raw": (
                    "{% macro raw() %}",
                    "{% macro postgres__create_table_as(temporary, relation, sql) %}truncate marts.orders;"
                    " create table {{ relation }} as {{ sql }}{% endmacro %}{% macro raw() %}",
                )
            },
            r"the macro postgres__create_table_as: truncate marts\.orders",
            id="a macro in place of dbt's own",
        ),
        pytest.param(
            at_the_end("set search_path to marts; delete from orders"),
            r"hook shop-on-run-end-0: delete from marts\.orders",
            id="a name that a search path places",
        ),
        pytest.param(
            at_the_end("update orders set cents = 0"),
            r"hook shop-on-run-end-0: update orders",
            id="a name without a schema",
        ),
    ],
)
def test_a_hook_that_would_write_a_live_table_is_refused_with_names_and_nothing_is_touched(
    strange: connection, shop: Callable[..., Project], changes: dict[str, tuple[str, str]], named: str
) -> None:
    """The dye's role may write the live tables: else PostgreSQL itself refuses."""
    with strange.cursor() as query:
        query.execute(
            "create table public.orders as select 1 as cents; grant usage on schema till, marts to angiogram;"
            "grant all on all tables in schema till, marts, public to angiogram"
        )
    project, before = shop(APART, **changes), contents(strange)
    with pytest.raises(NotTheDyes, match=named) as refused:
        run_from_seeds(project, 0, quiet)
    assert "{% if not data_angiogram.is_dye_target() %}" in str(refused.value)
    assert contents(strange) == before


def test_hooks_that_grant_analyze_and_write_in_the_dyes_own_schemas_go_on_working(
    strange: connection, shop: Callable[..., Project]
) -> None:
    hooks = at_the_end(
        "grant usage on schema angiogram_marts to public",
        'analyze {{ ref("raw_orders") }}',
        "create schema if not exists {{ target.name }}_lab",
        "create table if not exists {{ target.name }}_lab.rates as select 1 as rate",
        "insert into {{ target.name }}_lab.rates select 2",
        "create schema if not exists util",
        "create or replace function util.one() returns int return 1",
        'update {{ ref("raw_orders") }} set cents = cents',
        "create temporary table passing as select 1 as one",
        "drop table passing",
    )
    project, before = shop(APART, **hooks), contents(strange)
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    after = contents(strange)
    assert after["angiogram_lab.rates"][0] > 1
    assert {name: after[name] for name in before} == before


def test_a_schema_with_nothing_but_what_hooks_write_is_emptied_and_one_with_more_is_named(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Both were made before hooks' schemas were marked."""
    with strange.cursor() as query:
        query.execute(
            "set role angiogram; create schema angiogram_lab; create schema angiogram_desk;"
            "create table angiogram_lab.rates as select 7 as rate;"
            "create table angiogram_desk.rates as select 7 as rate;"
            "create function angiogram_lab.one() returns int return 1;"
            "create table angiogram_desk.precious as select 1 as one; reset role"
        )
    hooks = at_the_end(
        "create table if not exists {{ target.name }}_lab.rates as select 1 as rate",
        "create table if not exists {{ target.name }}_desk.rates as select 1 as rate",
        "create or replace function {{ target.name }}_lab.one() returns int return 1",
    )
    run = run_from_seeds(shop(APART, **hooks), 0, quiet)
    assert run.verdict == "healthy"
    (told,) = (notice["text"] for notice in run.report["notices"] if notice["code"] == LEFT_BY_HOOKS)
    assert "angiogram_desk.rates" in told
    assert "lab" not in told
    with strange.cursor() as query:
        query.execute("table angiogram_lab.rates union all table angiogram_desk.rates")
        assert query.fetchall() == [(1,), (7,)]
        query.execute("table angiogram_desk.precious")
        assert query.fetchall() == [(1,)]
