"""The hold: while the last verdict is blocked, target prod leaves the published marts as they are. Off by default."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from ingestion.loader.run import load_until_caught_up
from taxi.traffic import generate
from tests.angiogram.conftest import PROJECT, Outcome
from tests.angiogram.recorded import blocked as blocked_at
from tests.angiogram.recorded import record, report
from tests.dbt.project import DbtProject, DbtRun

Angiogram = Callable[..., Outcome]
RIDES = 50
MODELS_ALONE = ("--exclude-resource-type", "test")


def build_live(*options: str) -> DbtRun:
    """Build the live models, as the DAG taxi_pipeline does, with their tests unless the options leave them out."""
    return DbtProject(PROJECT).run("build", "--target", "prod", *options)


def more_rides(seed: int) -> None:
    generate(RIDES, seed=seed)
    load_until_caught_up()


def test_a_blocked_verdict_holds_the_marts_only_while_the_switch_is_on(
    angiogram: Angiogram, project_copy: Path, connect_as: Callable[..., connection]
) -> None:
    """One live pipeline under traffic: built, blocked but not held, held, and let go by a healthy verdict."""
    reader, dbt = connect_as("marts_reader").cursor(), connect_as("dbt_prod").cursor()

    def published() -> int:
        reader.execute("select sum(ride_count) from revenue.revenue_by_state")
        ((rides,),) = reader.fetchall()
        return int(rides or 0)

    def accepted() -> int:
        dbt.execute("select count(*) from facts.fct_rides")
        ((rides,),) = dbt.fetchall()
        return int(rides)

    more_rides(1)
    assert build_live(*MODELS_ALONE).exit_code == 0
    assert published() == accepted() > 0
    assert (angiogram("hold", "status").code, angiogram("hold", "status").stdout) == (
        0,
        "The hold is off: no verdict holds the marts. It was never switched on.\n",
    )

    DbtProject(project_copy).replace("models/facts/fct_rides.sql", "fare_amount + tax_amount", "fare_amount")
    blocked = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))
    assert blocked_at(blocked.report()) == ["fct_rides"]
    more_rides(2)
    assert build_live(*MODELS_ALONE).exit_code == 0
    assert published() == accepted(), "a blocked verdict alone holds nothing"

    turned = angiogram("hold", "on", "--reason", "the board reads them")
    assert (turned.code, turned.stdout) == (0, ""), turned.stderr
    state = angiogram("hold", "status")
    assert state.code == 1
    assert state.stdout.startswith("The hold is switched on: a blocked verdict holds the marts. Since ")
    assert "\nThe marts are held now: " in state.stdout
    assert f"run {blocked.report()['run_id']} is blocked at fct_rides" in state.stdout
    before = published()
    dbt.execute("select fingerprint, built_at from angiogram.live_nodes where name = 'revenue_by_state'")
    noted = dbt.fetchall()
    more_rides(3)
    held = build_live()
    assert held.exit_code == 0, held.output
    assert published() == before < accepted(), "rides are taken, and the marts stay as they are"
    assert "revenue_by_state is not rebuilt: the verdict of run" in held.output
    assert "the board reads them" in held.output
    dbt.execute("select fingerprint, built_at from angiogram.live_nodes where name = 'revenue_by_state'")
    assert dbt.fetchall() == noted, "what is published is what was built before"

    assert angiogram("run").code == 0
    state = angiogram("hold", "status")
    assert state.code == 0
    assert state.stdout.startswith("The hold is switched on: ")
    assert "\nThe marts are not held now: the latest verdict is not blocked.\n" in state.stdout
    assert build_live(*MODELS_ALONE).exit_code == 0
    assert published() == accepted() > before


def test_the_switch_can_be_turned_off_again_and_says_by_whom_and_why(
    angiogram: Angiogram, connect_as: Callable[..., connection]
) -> None:
    database = connect_as("angiogram")
    record(database, report("run-held", ["fct_rides"]))
    angiogram("hold", "on", "--reason", "first")
    assert angiogram("hold", "status").code == 1
    assert angiogram("hold", "off", "--reason", "the numbers are wanted all the same").code == 0
    state = angiogram("hold", "status", "--json")
    found = json.loads(state.stdout)
    assert state.code == 0
    assert (found["is_on"], found["held_because"]) == (False, None)
    assert found["reason"] == "the numbers are wanted all the same"
    assert found["made_by"]
    with connect_as("owner").cursor() as query:
        query.execute("delete from angiogram.runs where run_id = 'run-held'")
        query.execute("truncate angiogram.holds")


@pytest.mark.parametrize("turn", ["on", "off"])
def test_a_turn_without_a_reason_is_refused(angiogram: Angiogram, turn: str) -> None:
    assert angiogram("hold", turn, "--reason", " ").code == 2
    assert angiogram("hold", turn).code == 2
