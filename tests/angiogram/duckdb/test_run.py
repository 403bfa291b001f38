"""A run from the seeds on DuckDB: the verdict, the stage to blame, the cells, and what it refuses to overwrite."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.core.errors import NotTheDyes, RunInHand, UnsupportedProject
from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.operate.dye_targets_check import foreign_relations
from ingestion.errors import ExtraMissing
from tests.angiogram.duckdb.conftest import Judge
from tests.angiogram.recorded import states


def cells(report: dict[str, Any], stage: str) -> list[tuple[Any, ...]]:
    (found,) = (one for one in report["differences"] if one["stage"]["name"] == stage)
    return [
        (one["difference"], one["row_key"], one["column"], one["expected"], one["actual"]) for one in found["first"]
    ]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_each_model_equals_its_expected_seed_and_the_next_run_starts_afresh(bakery: Path, judge: Judge) -> None:
    first = judge(bakery)
    assert first["verdict"] == "healthy"
    assert first["models"] == {"watched": 6, "total": 6}
    with duckdb.connect("dye.duckdb") as database:
        database.execute(
            "create table dye_sales.left_behind as select 1 as one; update dye_sales.orders set amount = 0"
        )
        database.execute("create macro dye_sales.twice(x) as x * 2; create sequence dye_sales.numbers")
    assert judge(bakery)["verdict"] == "healthy"
    with duckdb.connect("dye.duckdb") as database:
        left = database.execute("select table_name from duckdb_tables() where schema_name = 'dye_sales' order by 1")
        assert left.fetchall() == [("orders",), ("sales_by_day",)]


def test_the_first_wrong_model_is_blocked_and_its_cells_are_named(bakery: Path, judge: Judge) -> None:
    edit(
        bakery / "models/sales/priced_orders.sql",
        "orders.quantity * loaves.price",
        "(orders.quantity + 1) * loaves.price",
    )
    found = judge(bakery)
    assert {name: state for name, state in states(found).items() if state != "healthy"} == {
        "priced_orders": "blocked",
        "orders": "affected",
        "sales_by_day": "affected",
    }
    assert cells(found, "priced_orders") == [
        ("changed", {"id": 1}, "amount", "8.4", "12.6"),
        ("changed", {"id": 2}, "amount", "3.1", "6.2"),
        ("changed", {"id": 5}, "amount", "50.4", "54.6"),
    ]


def test_an_incremental_model_that_loses_later_rows_is_blocked_itself(bakery: Path, judge: Judge) -> None:
    edit(
        bakery / "models/sales/orders.sql",
        "where id not in (select id from {{ this }}) or quantity > 10",
        "where false",
    )
    edit(bakery / "models/sales/sales_by_day.sql", "group by ordered_on", "where amount > 0 group by ordered_on")
    found = judge(bakery)
    assert {name: state for name, state in states(found).items() if state != "healthy"} == {
        "orders": "blocked",
        "sales_by_day": "affected",
    }
    (lost,) = cells(found, "orders")
    assert lost[:2] == ("missing", {"id": 5})


def test_a_snapshot_that_misses_a_change_is_blocked_itself(bakery: Path, judge: Judge) -> None:
    edit(bakery / "snapshots/snapshots.yml", "check_cols: [town]", "check_cols: [name]")
    found = judge(bakery)
    assert {name: state for name, state in states(found).items() if state != "healthy"} == {
        "customers_over_time": "blocked",
        "moves": "affected",
    }
    assert [one[:2] for one in cells(found, "customers_over_time")] == [
        ("changed", {"id": 1, "dbt_version": 1}),
        ("missing", {"id": 1, "dbt_version": 2}),
    ]


def test_two_mistakes_are_two_blockages(bakery: Path, judge: Judge) -> None:
    edit(bakery / "models/staging/stg_orders.sql", "lower(trim(customer))", "trim(customer)")
    edit(bakery / "models/sales/sales_by_day.sql", "cast(sum(amount)", "cast(max(amount)")
    found = judge(bakery)
    assert {stage["name"] for stage in found["blockage"]} == {"stg_orders", "sales_by_day"}


def test_a_model_that_cannot_be_built_is_a_finding_with_its_file(bakery: Path, judge: Judge) -> None:
    edit(bakery / "models/sales/sales_by_day.sql", "count(*)", "count(no_such_column)")
    found = judge(bakery)
    (finding,) = found["findings"]
    assert (finding["kind"], finding["stage"]["name"]) == ("build", "sales_by_day")
    assert finding["file"] == "models/sales/sales_by_day.sql"


def test_what_a_live_target_builds_is_not_overwritten(
    bakery: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKERY_FILE", str(Path("dye.duckdb").resolve()))
    edit(bakery / "macros/generate_schema_name.sql", "{{ 'dye_' if data_angiogram.is_dye_target() }}", "")
    with pytest.raises(NotTheDyes, match="target live builds"):
        judge(bakery)
    monkeypatch.setenv("BAKERY_FILE", "elsewhere.duckdb")
    assert judge(bakery)["verdict"] == "healthy"


def test_a_schema_that_holds_what_the_project_does_not_build_is_left_alone(bakery: Path, judge: Judge) -> None:
    with duckdb.connect("dye.duckdb") as database:
        database.execute("create schema dye_sales; create table dye_sales.accounts as select 1 as id")
    with pytest.raises(NotTheDyes, match="accounts"):
        judge(bakery)
    (told,) = foreign_relations(Project(bakery, dye_source="seeds"))
    assert "it holds accounts" in told
    with duckdb.connect("dye.duckdb") as database:
        database.execute("drop table dye_sales.accounts; create table dye_sales.orders as select 1 as id")
    with pytest.raises(NotTheDyes, match=r"dye_sales\.orders"):
        judge(bakery)


def test_a_second_run_waits_for_the_file_and_names_the_process_that_has_it(bakery: Path) -> None:
    holding = "import duckdb, sys; d = duckdb.connect('dye.duckdb'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holding]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        said: list[str] = []
        with pytest.raises(RunInHand, match=rf"PID {other.pid}"):
            run_from_seeds(Project(bakery, dye_source="seeds"), wait=0.6, say=said.append)
        other.communicate("")
    assert f"PID {other.pid}" in said[0]


def test_a_database_in_memory_is_refused_since_each_dbt_command_loses_it(bakery: Path, judge: Judge) -> None:
    edit(bakery / "profiles.yml", "{{ env_var('BAKERY_DYE_FILE', 'bakery_dye.duckdb') }}", ":memory:")
    with pytest.raises(UnsupportedProject, match="in memory"):
        judge(bakery)


def test_without_its_extra_the_command_that_installs_it_is_named(
    bakery: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.extras.find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match=r"extra `duckdb`.*install"):
        judge(bakery)


def test_a_live_run_says_that_it_works_on_postgresql(bakery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    live = CliRunner().invoke(app, ["run"])
    assert isinstance(live.exception, UnsupportedProject)
    assert "--from-seeds" in str(live.exception)


def test_a_build_by_hand_is_the_dyes_and_what_it_recorded_is_gone_afterwards(bakery: Path, judge: Judge) -> None:
    """dbt's results too, which would grow with every build."""
    edit(bakery / "dbt_project.yml", "print_differences(results)", "record_node_results(results)")
    assert Project(bakery, dye_source="seeds").invoke(["build", "--resource-type", "seed"]).success
    with duckdb.connect("dye.duckdb") as database:
        (recorded,) = database.execute("select count(*) from angiogram_results.node_results").fetchall()
        assert recorded[0] > 0
    assert judge(bakery)["verdict"] == "healthy"
    with duckdb.connect("dye.duckdb") as database:
        found = database.execute("select table_name from duckdb_tables() where schema_name = 'angiogram_results'")
        assert found.fetchall() == []


def test_what_a_macro_changes_in_a_models_settings_lasts_for_one_command_as_with_dbt_alone(
    bakery: Path, judge: Judge
) -> None:
    """dbt reads the project anew for each command; angiogram gives several commands what was read once."""
    (bakery / "models/sales/labels.sql").write_text(
        "{{ config(materialized='table', labels=['a']) }}\n"
        "{% if execute %}{% do config.get('labels').append('b') %}{% endif %}\n"
        "select '{{ config.get('labels') | join }}' as labels\n"
    )
    (bakery / "seeds/expected/expected__labels.csv").write_text("labels\nab\n")
    found = judge(bakery)
    assert (found["verdict"], states(found)["labels"]) == ("healthy", "healthy")
