"""A small dbt project of a stranger: one source, one model, and the same schemas under every target."""

from pathlib import Path

from angiogram.dbt.package.installing import install

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = f"packages: [{{local: {ROOT / 'dbt_package'}}}]\n"

UNCHANGED = "{{ target.schema if custom_schema_name is none else custom_schema_name }}"
APART = "{{ target.name ~ '_' if data_angiogram.is_dye_target() else '' }}{{ custom_schema_name or 'other' }}"

PROJECT = """
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
vars: {dye_targets: [angiogram], run_dependent_columns: []}
on-run-start: "{{ data_angiogram.keep_dye_apart() }}"
seeds:
  shop:
    +enabled: "{{ target.name == 'angiogram' }}"
    input: {+schema: till, towns: {+meta: {dye: false}}, raw_orders: {+column_types: {id: integer, cents: integer}}}
    expected: {+schema: expected, expected__orders: {+column_types: {id: integer, cents: integer}}}
"""
PROFILE = """
shop:
  target: live
  outputs:
    angiogram: &postgres
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      threads: 1
      schema: shop
      user: angiogram
      password: "{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD') }}"
    live:
      <<: *postgres
"""
FILES = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": PROFILE,
    "packages.yml": PACKAGES,
    "macros/generate_schema_name.sql": "{% macro generate_schema_name(custom_schema_name, node) %}%s{% endmacro %}",
    "macros/raw.sql": "{% macro raw() %}"
    "{{ ref('raw_orders') if data_angiogram.is_dye_target() else source('till', 'raw_orders') }}{% endmacro %}",
    "models/orders.sql": "{{ config(schema='marts', materialized='table') }} select id, cents from {{ raw() }}",
    "models/models.yml": """
sources: [{name: till, tables: [{name: raw_orders}]}]
models:
  - name: orders
    data_tests:
      - data_angiogram.equals_expected:
          arguments: {compare_model: ref('expected__orders'), key: id}
          config: {enabled: "{{ target.name in var('dye_targets') }}"}
""",
    "seeds/input/raw_orders.csv": "id,cents\n1,100\n2,250\n",
    "seeds/expected/expected__orders.csv": "id,cents\n1,100\n2,250\n",
}
LIVE = """
create schema till;
create table till.raw_orders as select n as id, n * 7 as cents from generate_series(1, 1000) as n;
create schema marts;
create table marts.orders as select id, cents from till.raw_orders where id <= 500;
"""


def write_shop(folder: Path, schema_name: str, changes: dict[str, tuple[str, str]]) -> None:
    """Write the project into a folder.

    Args:
        folder: an empty one, or one that holds the project.
        schema_name: Jinja for the schema of a node.
        changes: text and what takes its place, by the beginning of the path of the files that have it.
    """
    for name, (old, _) in changes.items():
        assert any(old in text for path, text in FILES.items() if path.startswith(name)), old
    for path, written in FILES.items():
        text = written
        for name, (old, new) in changes.items():
            if path.startswith(name):
                text = text.replace(old, new)
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("%s", schema_name))
    install(folder)
