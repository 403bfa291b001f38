"""What a live run finds beside the outputs: positions that the loader did not store, live tables, rights, live SQL."""

from collections.abc import Callable
from pathlib import Path

from psycopg2.extensions import connection

from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import differences_at, stages_of
from tests.dbt.project import DbtProject

IGNORED = "int_rides__checked"
MARTS = {"daily_revenue", *(f"revenue_by_{name}" for name in ("car_model", "currency", "date", "state"))}


def test_what_no_expected_seed_sees_is_found_in_one_live_run(
    angiogram: Callable[..., Outcome], project_copy: Path, connect_as: Callable[..., connection]
) -> None:
    """Two columns filled from others, a live table left without a new column, grants gone, a branch for production.

    All outputs equal their expected seeds, and production has built the very version that the dye passes.
    """
    project = DbtProject(project_copy)
    checked = f"models/intermediate/{IGNORED}.sql"
    project.replace(checked, "on_schema_change='fail'", "on_schema_change='ignore'")
    built = project.run("build", "--target", "prod", "--exclude-resource-type", "test")
    assert built.exit_code == 0, built.output

    project.replace("dbt_project.yml", "source_offset, loaded_at]", "source_offset, loaded_at, is_new]")
    project.replace(
        checked,
        "source_offset,\n        loaded_at\n",
        "source_offset,\n        message_at as loaded_at,\n        true as is_new\n",
    )
    project.replace(
        "models/facts/fct_rides.sql",
        "source_offset\n    from newest",
        "source_partition::bigint as source_offset\n    from newest",
    )
    project.replace("dbt_project.yml", "['marts_reader'] if target.name == 'prod'", "[] if target.name == 'prod'")
    project.replace(
        "models/dimensions/dim_dates.sql",
        "select * from final",
        "select * from final {{ 'where year > 2024' if target.name == 'prod' }}",
    )
    built = project.run("build", "--target", "prod", "--exclude-resource-type", "test")
    assert built.exit_code == 0, built.output

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    found = {(one["kind"], one["stage"]["name"]): one["text"] for one in report["findings"]}
    assert found.keys() == {
        *(("output", name) for name in (IGNORED, "fct_rides")),
        *(("surface", name) for name in (*MARTS, IGNORED)),
        ("live_sql", "dim_dates"),
    }
    assert found["output", "fct_rides"].startswith("source_offset differs from what the loader stored, in ")
    assert found["output", IGNORED].startswith("loaded_at differs from what the loader stored, in ")
    assert f"The live table intermediate.{IGNORED} is missing is_new" in found["surface", IGNORED]
    assert "--full-refresh" in found["surface", IGNORED]
    assert "marts_reader may no longer select from revenue.daily_revenue" in found["surface", "daily_revenue"]
    assert "where year > 2024" in found["live_sql", "dim_dates"]
    codes = {notice["code"]: notice["text"] for notice in report["notices"]}
    assert codes["new_column"] == f"intermediate.{IGNORED} has a new column is_new."

    assert {stage["verdict"] for stage in stages_of(report).values()} == {"healthy", "blocked"}
    cells = differences_at(report, "fct_rides")
    assert {cell["column"] for cell in cells["first"]} == {"source_offset"}
    with connect_as("angiogram").cursor() as query:
        query.execute(
            'select ride_number::text, "offset"::text, "partition"::text from angiogram_raw.taxi_rides'
            " where run_id = %s",
            (report["run_id"],),
        )
        stored = {number: places for number, *places in query.fetchall()}
    assert cells["count"] == len(cells["first"])
    for cell in cells["first"]:
        assert [cell["expected"], cell["actual"]] == stored[cell["row_key"]["message_id"]]
        assert cell["messages"], "the dye message is named"
    printed = angiogram("differences", report["run_id"], "--stage", "fct_rides").stdout.splitlines()
    assert len(printed) == cells["count"]
    shown = angiogram("show", report["run_id"]).stdout
    assert "source_offset: expected " in shown
    assert "dim_dates runs other SQL under target prod than the dye tests" in " ".join(shown.split())

    seeds = angiogram("run", "--from-seeds", "--json", DBT_PROJECT_DIR=str(project_copy))
    found = {(one["kind"], one["stage"]["name"]): one["text"] for one in seeds.report()["findings"]}
    assert f"The live table intermediate.{IGNORED} is missing is_new" in found["surface", IGNORED], "from seeds as well"
    assert found.keys() == {*(("surface", name) for name in (*MARTS, IGNORED)), ("live_sql", "dim_dates")}
