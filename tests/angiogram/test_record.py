"""What a verdict leaves for later: every difference, what production runs, and the stages that were slow."""

import html
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection

from angiogram.core.differences import KEPT, Difference
from angiogram.core.stage_id import StageId, api_stage, loader_stage
from angiogram.dbt.project import Project
from angiogram.dye.seeds import read_dye
from angiogram.judge.guards import production
from angiogram.judge.guards.limits import too_slow
from angiogram.report.report import DIFFERENCES_PRINTED
from angiogram.store import runs
from angiogram.store.kept_differences import Kept, read_all
from tests.angiogram.conftest import PROJECT, Outcome
from tests.angiogram.recorded import blocked, differences_at, record, report
from tests.dbt.project import DbtProject

Angiogram = Callable[..., Outcome]


def broken(project: Path, model: str, before: str, after: str) -> dict[str, str]:
    """Break a model of a project copy; the variables that lead `angiogram` to it."""
    DbtProject(project).replace(f"models/{model}", before, after)
    return {"DBT_PROJECT_DIR": str(project), "DBT_TARGET_PATH": str(project / "t")}


def test_every_difference_is_kept_with_its_rides_though_the_report_shows_the_first(
    angiogram: Angiogram, project_copy: Path, connect_as: Callable[..., connection]
) -> None:
    """dim_dates has one row a day, so a wrong column makes more differences than any report shows."""
    variables = broken(project_copy, "dimensions/dim_dates.sql", "in (6, 7) as is_weekend", "in (5, 6) as is_weekend")
    DbtProject(project_copy).replace("models/facts/fct_rides.sql", "fare_amount + tax_amount", "fare_amount")
    outcome = angiogram("run", "--json", **variables)
    assert outcome.code == 1, outcome.stderr
    found = outcome.report()
    assert {"dim_dates", "fct_rides"} <= set(blocked(found))
    days = differences_at(found, "dim_dates")
    assert days["count"] > len(days["first"]) == KEPT

    with connect_as("marts_reader").cursor() as query:
        query.execute(
            "select stage_kind, stage_name, count(*), max(number) from angiogram.differences where run_id = %s"
            " group by stage_kind, stage_name",
            (found["run_id"],),
        )
        kept = {StageId(kind, name): counts for kind, name, *counts in query.fetchall()}
    assert kept == {StageId.of(differs["stage"]): [differs["count"]] * 2 for differs in found["differences"]}

    printed = angiogram("differences", found["run_id"], "--stage", "dim_dates").stdout.splitlines()
    assert len(printed) == days["count"]
    assert [{"stage": {"kind": "model", "name": "dim_dates"}} | first for first in days["first"]] == [
        json.loads(p) for p in printed[:KEPT]
    ]
    everything = [json.loads(line) for line in angiogram("differences").stdout.splitlines()]
    assert len(everything) == sum(differs["count"] for differs in found["differences"])
    names = {ride.name for ride in read_dye()}
    facts = [difference for difference in everything if difference["stage"]["name"] == "fct_rides"]
    assert facts
    assert all(difference["messages"] and set(difference["messages"]) <= names for difference in facts)

    command = f"angiogram differences {found['run_id']} --stage dim_dates"
    shown = angiogram("show").stdout
    assert f"the first {DIFFERENCES_PRINTED}:" in shown
    assert f"all {days['count']}: {command}" in shown
    for form in ("html", "markdown"):
        assert command in html.unescape(angiogram("report", "--format", form).stdout), form


@pytest.fixture
def kept(pipeline: None, connect_as: Callable[..., connection]) -> Iterator[Kept]:
    """The differences of a recorded run."""
    database = connect_as("angiogram")
    yield Kept(database, record(database, report("run-kept", [])))
    with connect_as("owner").cursor() as query:
        query.execute("delete from angiogram.runs where run_id = 'run-kept'")


def test_a_step_that_is_tried_again_keeps_its_differences_once(kept: Kept) -> None:
    kept.put(loader_stage(), [Difference("missing", {"message_id": "8"}, None, "{}", None)] * 3)
    kept.put(loader_stage(), [Difference("multiplicity", {"message_id": "9"}, None, "1", "2")])
    kept.put(api_stage(), [])
    assert [(d["stage"], d["row_key"]) for d in read_all(kept.database, kept.run_id, [])] == [
        ({"kind": "loader", "name": "rides"}, {"message_id": "9"})
    ]


def test_a_run_that_is_deleted_takes_its_differences_along(kept: Kept, connect_as: Callable[..., connection]) -> None:
    kept.put(loader_stage(), [Difference("missing", {"message_id": "8"}, None, "{}", None)])
    with connect_as("owner").cursor() as query:
        query.execute("delete from angiogram.runs where run_id = %s", (kept.run_id,))
    assert list(read_all(kept.database, kept.run_id, [])) == []


def build_live(project: DbtProject) -> None:
    """Build the live models as a project has them."""
    target = str(project.folder / "target")
    built = project.run("build", "--target", "prod", "--exclude-resource-type", "test", DBT_TARGET_PATH=target)
    assert built.exit_code == 0, built.output


def test_the_verdict_says_whether_the_dye_tested_what_production_runs(
    angiogram: Angiogram, project_copy: Path, connect_as: Callable[..., connection]
) -> None:
    """First nothing is known of production; then it is the same, its incremental half included; then not."""
    with connect_as("dbt_prod").cursor() as query:
        query.execute("select set_config('angiogram.pipeline', 'taxi_angiogram', false)")
        query.execute("delete from angiogram.live_nodes")
    unknown = angiogram("run", "--json").report()
    assert unknown["production"]["live"] is None
    assert unknown["notices"] == []
    assert all(stage["max_seconds"] > stage["seconds"] for stage in unknown["stages"]), "every stage has its limit"

    live = DbtProject(project_copy)
    for _ in ("models built for the first time", "incremental models built again"):
        build_live(live)
    same = angiogram("run", "--json").report()
    assert same["notices"] == []
    assert same["production"]["live"] == same["production"]["dye"]
    nodes = Project(PROJECT).nodes
    ephemeral = {"dim_dates": replace(nodes["dim_dates"], named='"dim_dates"')}
    tested = production.compare(connect_as("angiogram"), nodes | ephemeral, "angiogram", "taxi_angiogram")
    assert tested.differing["model"] == ["dim_dates"], "the dye passes no such table"

    live.replace("models/facts/fct_rides.sql", "fare_amount + tax_amount", "fare_amount")
    live.replace("seeds/reference/zipcodes.csv", "10001,", "10001,Old ")
    build_live(live)
    other = angiogram("run", "--json")
    assert other.code == 0, "what production runs is no blockage of what the dye tested"
    found = other.report()
    assert found["production"]["differing"] == {"model": ["fct_rides"], "seed": ["zipcodes"]}
    assert found["production"]["live"]["model"] != found["production"]["dye"]["model"]
    assert found["production"]["live"]["seed"] != found["production"]["dye"]["seed"]
    sentence = "The dye did not test what runs in production: model fct_rides differs."
    assert sentence in [notice["text"] for notice in found["notices"]]
    assert sentence in " ".join(angiogram("show").stdout.split())
    for form in ("html", "markdown"):
        assert sentence in angiogram("report", "--format", form).stdout.replace("&#95;", "_").replace("&#58;", ":"), (
            form
        )


def test_a_stage_over_its_limit_is_told_and_no_blockage(angiogram: Angiogram, project_copy: Path) -> None:
    """What is sent is the dye of that project, not of the one beside the installed package."""
    DbtProject(project_copy).replace("dbt_project.yml", "max_seconds: {default: 30", "max_seconds: {default: 0")
    DbtProject(project_copy).replace("seeds/angiogram/input/dye_rides.csv", ",jeep-good,", ",jeep-of-the-copy,")
    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))
    assert outcome.code == 0, outcome.stderr
    found = outcome.report()
    slow = [stage for stage in found["stages"] if stage["seconds"] > 0 and stage["max_seconds"] == 0]
    assert {stage["kind"] for stage in slow} == {"model", "seed"}
    assert [notice for notice in found["notices"] if notice["code"] == "slow"] == [n.as_json() for n in too_slow(slow)]
    with runs.database("tests") as database:
        sent = {place["name"] for place in runs.read(database, found["run_id"]).step("inject")["sent"]}
    assert {"jeep-of-the-copy", "jeep-good-too"} <= sent
    assert "jeep-good" not in sent
    page = angiogram("report", "--format", "html").stdout
    assert all(notice.text in page for notice in too_slow(slow))
    assert "over its limit of 0 s" in page


@pytest.mark.parametrize(
    ("seconds", "limit", "slow"), [(2.0, 1.0, True), (1.0, 1.0, False), (9.0, None, False)], ids=str
)
def test_a_stage_is_slow_beyond_its_limit_alone(seconds: float, limit: float | None, slow: bool) -> None:
    stage: dict[str, Any] = {**api_stage().as_json(), "seconds": seconds, "max_seconds": limit}
    assert bool(too_slow([stage])) is slow
