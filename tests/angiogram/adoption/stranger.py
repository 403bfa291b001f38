"""A project that knows nothing of the dye, with what makes projects hard to adopt."""

import os
from collections.abc import Mapping
from pathlib import Path

from tests.angiogram.conftest import Outcome, command

LIVE = """
create schema till;
create table till.orders (id integer primary key, placed_at timestamptz, cents integer, tags text[], note text);
insert into till.orders select n, '2026-03-01', n * 100, array['a', 'b'], 'private' from generate_series(1, 50) as n;
create table till."Order Lines" ("Line No" integer, "order id" integer, qty numeric(10, 2), more jsonb);
insert into till."Order Lines" select n, n, 2, '{}' from generate_series(1, 50) as n;
create table till.towns (town text);
insert into till.towns values ('Rome'), ('Oslo');
"""

FILES = {
    "dbt_project.yml": """\
# The shop's own project.
name: "shop"
version: '1.0.0'
profile: shop   # in profiles.yml

vars:
  cutoff: '2024-01-01' # first day

models:
  shop:
    staging: {+materialized: view}
    marts:
      +schema: marts # people read these
      +materialized: table
on-run-end:
- "select 1"
""",
    "profiles.yml": """\
shop:
  target: prod   # what people read
  outputs:
    prod:
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      threads: 2
      schema: shop
      user: angiogram
      password: "{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD') }}"
""",
    "macros/generate_schema_name.sql": """\
{# Ours: the custom schema as it is. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%} {{ target.schema }}
    {%- else -%} {{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
""",
    "models/models.yml": """\
sources:
  - name: till
    tables:
      - {name: orders}
      - {name: lines, identifier: Order Lines, quoting: {identifier: true}}
      - {name: gone}
      - {name: towns}
models:
  # what people ask for
  - name: orders
    columns:
      - name: order_id
        data_tests: [unique, not_null]
""",
    "models/staging/stg_orders.sql": """\
with source as (select * from {{ source("till", "orders") }}),
renamed as (select id as order_id, placed_at, cents / 100.0 as total, tags from source)
select * from renamed
""",
    "models/staging/stg_lines.sql": """\
select "Line No" as line_no, "order id" as order_id, qty from {{ source("till", "lines") }}
""",
    "models/staging/stg_gone.sql": "select * from {{ source('till', 'gone') }}\n",
    "models/marts/orders.sql": """\
{{ config(materialized="incremental", unique_key="order_id") }}
with pieces as (select order_id, sum(qty) as pieces from {{ ref("stg_lines") }} group by order_id)
select o.order_id, o.placed_at, o.total, p.pieces
from {{ ref("stg_orders") }} as o left join pieces as p on o.order_id = p.order_id
{% if is_incremental() %} where o.order_id > (select max(order_id) from {{ this }}) {% endif %}
""",
    "models/marts/ages.sql": """\
{{ config(materialized="ephemeral") }}
select order_id, current_date - placed_at::date as age from {{ ref("orders") }}
""",
    "models/marts/orders_by_town.sql": """\
select t.town, count(*) as orders from {{ ref("orders") }} as o cross join {{ source("till", "towns") }} as t group by 1
""",
    "models/marts/broken.sql": "select nothing from {{ ref('orders') }}\n",
    "seeds/towns.csv": "town\nRome\n",
    ".gitignore": "target/\ntarget_angiogram/\ndbt_packages/\nlogs/\n",
}

ORDERS, LINES = ("seeds/angiogram/input/dye__till__orders.csv", "seeds/angiogram/input/dye__till__lines.csv")
"""The input seeds of the dye that init adds."""


def write(folder: Path, files: Mapping[str, str] = FILES) -> None:
    """Write a project into a folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def call(folder: Path, *arguments: str) -> Outcome:
    """Run `angiogram` in a process of its own, for the project in a folder."""
    places = {"DBT_PROJECT_DIR": str(folder), "DBT_PROFILES_DIR": str(folder)}
    other = {name: value for name, value in os.environ.items() if name not in ("DBT_TARGET_PATH", "DBT_LOG_PATH")}
    return command(*arguments, environment={**other, **places})
