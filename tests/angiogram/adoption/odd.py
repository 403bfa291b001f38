"""An odd project: versions, contracts, a package, a snapshot, microbatches, odd names and types."""

LIVE = """
create schema till;
create type till.mood as enum ('ok','bad');
create type till.pair as (a int, b text);
create table till.things ("ID" int, mood till.mood, "Other" text);
insert into till.things values (1,'ok','x');
create table till."Select" ("order" int, "group" text);
create table till.a_very_long_table_name_as_well_to_be_sure (x int, pair till.pair, doc jsonb, at timestamptz);
create table till.events (id int, kind varchar(10), payload json);
"""

FILES = {
    "dbt_project.yml": """\
name: odd
version: 1.0.0
profile: odd
model-paths: [sql]
macro-paths: [mac]
test-paths: [checks]
snapshot-paths: [snaps]
seed-paths: [data]
on-run-start: "{{ log('start') }}"
on-run-end:
  - "select 1 {# hook #}"
vars: {odd: {schema_of_source: till}, lib: {lib_schema: till}}
models:
  odd:
    names: {+enabled: true}
  lib: {+schema: lib}
""",
    "package-lock.yml": """\
packages:
  - local: pkg
    name: lib
sha1_hash: 628e7d27f00ec4f5351fa728e7a88ce3ea954989
""",
    "packages.yml": """\
packages: [{local: pkg}]
""",
    "pkg/dbt_project.yml": """\
name: lib
version: 1.0.0
model-paths: [models]
macro-paths: [macros]
""",
    "pkg/models/lib.yml": """\
sources:
  - name: libsrc
    schema: "{{ var('lib_schema', 'nowhere') }}"
    tables: [{name: events, identifier: "{{ var('events_identifier', 'events') }}"}]
models:
  - name: lib_events
    columns: [{name: event_id, data_tests: [unique]}]
""",
    "pkg/models/lib_events.sql": """\
select id as event_id, kind::varchar(7) as kind from {{ source('libsrc','events') }}
""",
    "profiles.yml": """\
odd:
  target: dev
  outputs:
    dev: &base
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      threads: 2
      schema: odd
      user: angiogram
      password: "{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD') }}"
    prod:
      <<: *base
      schema: odd_prod
""",
    "snaps/snap.sql": """\
{% snapshot snap %}{{ config(unique_key='id', strategy='check', check_cols='all') }}
select "ID" as id, mood from {{ source('till','things') }}{% endsnapshot %}
""",
    "sql/core/aliased.sql": """\
{{ config(alias="Order", materialized="table") }} select count("order") as n from {{ source("till","Select") }}
""",
    "sql/core/from_lib.sql": """\
select * from {{ ref('lib_events') }} where kind <> 'x'
""",
    "sql/core/from_snap.sql": """\
select * from {{ ref('snap') }}
""",
    "sql/core/micro.sql": """\
{{ config(materialized="incremental", incremental_strategy="microbatch", event_time="at", batch_size="day",
  unique_key="x",
  begin=(modules.datetime.date.today() - modules.datetime.timedelta(2)).isoformat()) }}
select x, at from {{ ref("a_model_name_that_is_really_long_and_fills_fifty_five_bytes") }}
""",
    "sql/core/mv.sql": """\
{{ config(materialized="materialized_view") }} select kind, count(*) as n from {{ ref("from_lib") }} group by 1
""",
    "sql/core/things_v1.sql": """\
select "ID" as id from {{ source("till","things") }}
""",
    "sql/core/things_v2.sql": """\
select "ID" as id, mood from {{ source("till","things") }}
""",
    "sql/core/unused.sql": """\
select 1 as one
""",
    "sql/names/a_model_name_that_is_really_long_and_fills_fifty_five_bytes.sql": """\
select x, (pair).a as a, doc, at from {{ source(
  "a_very_long_source_name_that_nearly_fills_sixty_three_bytes", "a_very_long_table_name_as_well_to_be_sure"
) }}
""",
    "sql/sources.yml": """\
version: 2
sources:
  - name: till
    schema: "{{ var('schema_of_source') }}"
    tables:
      - name: things
        columns: [{name: ID, quote: true}]
      - name: Select
        identifier: Select
        quoting: {identifier: true}
  - name: a_very_long_source_name_that_nearly_fills_sixty_three_bytes
    schema: till
    tables: [{name: a_very_long_table_name_as_well_to_be_sure}]
models:
  - name: things
    latest_version: 2
    config: {contract: {enforced: true}}
    columns: [{name: id, data_type: integer}, {name: mood, data_type: till.mood}]
    versions: [{v: 1, columns: [{include: all, exclude: [mood]}]}, {v: 2}]
  - name: unused
    config: {enabled: false}
unit_tests:
  - name: unit
    model: aliased
    given: [{input: "source('till', 'Select')", rows: [{order: 1}]}]
    expect: {rows: [{n: 1}]}
""",
}

ROWS = {
    "things": "1,ok\n2,bad\n",
    "select": "5\n",
    "events": "1,a\n2,x\n",
    "a_very_long_table_name_as_well_to_be_sure": '1,"(1,b)","{""k"": 1}",{today}\n',
}
"""Rows for the input seeds, by the end of their names; {today} stands for the day, which the microbatches end with."""
