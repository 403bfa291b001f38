"""What dbt did in a live run: each batch counts, hooks too, and the dye is that of the project in hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from angiogram.dye.messages import read_whole_dye
from angiogram.dye.seeds import read_dye
from angiogram.store import runs
from tests.angiogram.conftest import Outcome
from tests.angiogram.edits import edit, prepend
from tests.angiogram.recorded import blocked, differences_at, stages_of
from tests.dbt.project import DbtProject

EPHEMERAL = "{{ config(materialized='ephemeral') }}\n"
BATCH_1_FAILS = "    where 1 / ((select count(*) from source) - {}) <> 0\n"
"""A condition that fails while as many rides are there as batch 1 has."""


def test_an_error_in_batch_1_a_hook_that_fails_and_the_dye_of_a_copy_all_count(
    angiogram: Callable[..., Outcome], project_copy: Path
) -> None:
    """Batch 2 then takes all rides at once, so that what the models do with a second batch is never seen."""
    first = sum(ride.batch == 1 for ride in read_dye())
    staging = project_copy / "models" / "staging" / "stg_taxi__rides.sql"
    source = "    select * from source\n"
    edit(staging, source, source + BATCH_1_FAILS.format(first))
    edit(staging, "        where {{ beyond_taken('source') }}\n", "        and {{ beyond_taken('source') }}\n")
    edit(project_copy / "macros" / "beyond_taken.sql", ">= ", "> ")
    project = project_copy / "dbt_project.yml"
    edit(
        project,
        '  - "{{ data_angiogram.print_differences(results) }}"\n',
        '  - "{{ data_angiogram.print_differences(results) }}"\n  - select 1 / 0\n',
    )
    edit(project_copy / "seeds" / "angiogram" / "input" / "dye_rides.csv", "jeep-good,", "jeep-of-the-copy,")

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    hidden = {"int_rides__checked", "fct_rejected_rides"}  # wrong in their second batch, tried on what is expected
    assert {*blocked(report)} == {"stg_taxi__rides", "hook:taxi_angiogram-on-run-end-4", *hidden}
    first_finding, *_ = report["findings"]
    (hook,) = [finding for finding in report["findings"] if finding["stage"]["kind"] == "hook"]
    assert first_finding["text"].startswith("in batch 1: Database Error: division by zero")
    assert first_finding["file"] == "models/staging/stg_taxi__rides.sql"
    assert (hook["kind"], hook["file"]) == ("build", "dbt_project.yml")
    assert "division by zero" in hook["text"]
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert (health["fct_rides"], health["dim_dates"]) == ("not_built", "healthy")
    with runs.database("tests") as database:
        sent = runs.read(database, report["run_id"]).step("inject")["sent"]
    assert "jeep-of-the-copy" in [message["name"] for message in sent]


def test_the_dye_is_that_of_the_project_in_hand(project_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = read_whole_dye()
    edit(project_copy / "seeds" / "angiogram" / "input" / "dye_rides.csv", "T-01,", "T-99,")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project_copy))
    own = read_whole_dye()
    assert [dye.name for dye in own] == [dye.name for dye in installed]
    assert any(b"T-99" in (dye.value or b"") for dye in own)
    assert not any(b"T-99" in (dye.value or b"") for dye in installed)


def test_a_live_run_of_a_project_that_does_not_parse_sends_its_dye_and_judges_the_rest(
    angiogram: Callable[..., Outcome], project_copy: Path
) -> None:
    """Also where dbt has parsed the sound project before: then it reads again what has changed alone."""
    places = {"DBT_PROJECT_DIR": str(project_copy), "DBT_TARGET_PATH": str(project_copy / "t")}
    parsed = DbtProject(project_copy).run(
        *("parse", "--target", "angiogram", "--vars", "{dye_source: topic}", "--target-path", places["DBT_TARGET_PATH"])
    )
    assert parsed.exit_code == 0, parsed.output
    models = project_copy / "models"
    edit(models / "facts" / "fct_rejected_rides.sql", "materialized=", "enabled=false, materialized=")
    edit(models / "revenue" / "revenue_by_date.sql", "ref('daily_revenue')", "ref('daily_revenue'")
    (models / "revenue" / "revenue_by_state.sql").unlink()

    outcome = angiogram("run", "--json", **places)

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert {*blocked(report)} == {"fct_rejected_rides", "revenue_by_date", "revenue_by_state"}
    found = {finding["stage"]["name"]: finding for finding in report["findings"]}
    assert {found[name]["kind"] for name in ("fct_rejected_rides", "revenue_by_date", "revenue_by_state")} == {"build"}
    assert (found["revenue_by_date"]["file"], found["revenue_by_date"]["line"]) == (
        "models/revenue/revenue_by_date.sql",
        3,
    )
    assert found["fct_rejected_rides"]["text"].startswith("the model is disabled")
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert {health[name] for name in health if name not in found} == {"healthy"}


def test_ephemeral_models_are_compared_through_their_sql(angiogram: Callable[..., Outcome], project_copy: Path) -> None:
    """Staging, which all else reads, and a mart, whose tax is wrong; one that nothing compares or can run is named."""
    models = project_copy / "models"
    edit(models / "staging" / "stg_taxi__rides.sql", "materialized='incremental'", "materialized='ephemeral'")
    prepend(models / "revenue" / "revenue_by_state.sql", EPHEMERAL)
    marts = models / "revenue" / "_revenue__models.yml"
    before, mart = marts.read_text(encoding="utf-8").split("  - name: revenue_by_state")
    mart = mart.replace("    config:\n      contract: {enforced: true}\n", "", 1)  # which dbt allows tables alone
    marts.write_text(f"{before}  - name: revenue_by_state{mart}", encoding="utf-8")
    edit(models / "revenue" / "revenue_by_state.sql", "sum(tax_amount)", "sum(fare_amount)")
    (models / "revenue" / "by_day.sql").write_text("select no_such from {{ ref('daily_revenue') }}")
    prepend(models / "revenue" / "by_day.sql", EPHEMERAL)

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert {*blocked(report)} == {"revenue_by_state", "by_day", "stg_taxi__rides"}
    found = {(finding["kind"], finding["stage"]["name"]): finding for finding in report["findings"]}
    assert found.keys() == {
        ("output", "revenue_by_state"),
        ("build", "by_day"),
        ("surface", "revenue_by_state"),
        ("surface", "stg_taxi__rides"),
    }
    assert found["build", "by_day"]["file"] == "models/revenue/by_day.sql"
    cells = differences_at(report, "revenue_by_state")
    assert {cell["column"] for cell in cells["first"]} == {"tax_amount"}
    assert all(cell["messages"] for cell in cells["first"])
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert {health[name] for name in health.keys() - {*blocked(report)}} == {"healthy"}
    assert stages_of(report)["stg_taxi__rides"]["rows_out"] == stages_of(report)["int_rides__checked"]["rows_out"]
