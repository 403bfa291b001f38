"""Expected seeds that are wrong: the dye rides that feed what differs are named, and a row that none feeds is told."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from angiogram.dye.seeds import read_dye
from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import blocked, differences_at
from tests.dbt.project import DbtProject

Angiogram = Callable[..., Outcome]

JEEP_RIDES = ["jeep-good", "jeep-good-too"]
UNFED = "no dye message: only the expected seed has this row"


def test_what_differs_from_a_wrong_expected_seed_is_traced_to_the_rides_that_feed_the_actual_row(
    angiogram: Angiogram, project_copy: Path
) -> None:
    project = DbtProject(project_copy)
    expected = "seeds/angiogram/expected/expected__"
    project.replace(f"{expected}revenue_by_car_model.csv", "Jeep,USD,2,20.20,0.20,20.40", "Jeep,USD,2,20.20,0.20,21.40")
    project.replace(f"{expected}revenue_by_car_model.csv", "Tesla Model 3,GBP", "Tesla Model 4,GBP")
    rejected = project_copy / f"{expected}fct_rejected_rides.csv"
    number = rejected.read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    project.replace(f"{expected}fct_rejected_rides.csv", f"\n{number},", "\n999,")

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert set(blocked(report)) == {"expected:revenue_by_car_model", "expected:fct_rejected_rides"}
    jeep, *teslas = by_kind(report, "expected:revenue_by_car_model")
    assert (jeep["column"], jeep["expected"], jeep["actual"]) == ("revenue_amount", "21.40", "20.40")
    assert (jeep["messages"], jeep["unfed"]) == (JEEP_RIDES, False)
    missing, unexpected = teslas
    assert (missing["row_key"]["car_model"], missing["messages"], missing["unfed"]) == ("Tesla Model 4", [], True)
    assert unexpected["row_key"]["car_model"] == "Tesla Model 3"
    assert unexpected["messages"]
    nobody, ride = by_kind(report, "expected:fct_rejected_rides")
    assert (nobody["row_key"], nobody["messages"], nobody["unfed"]) == ({"message_id": "999"}, [], True)
    assert (ride["row_key"], ride["messages"]) == ({"message_id": number}, [name_of(number)])

    run_id = report["run_id"]
    for text in (
        angiogram("show", run_id).stdout,
        angiogram("report", run_id, "--format", "markdown").stdout,
        angiogram("report", run_id, "--format", "html").stdout,
        "\n".join(ElementTree.fromstring(angiogram("report", run_id, "--format", "junit").stdout).itertext()),  # noqa: S314
    ):
        assert UNFED in html.unescape(text)
        assert all(name in html.unescape(text) for name in (*JEEP_RIDES, *unexpected["messages"], *ride["messages"]))


def test_a_row_that_the_model_lost_besides_has_the_rides_that_should_feed_it(
    angiogram: Angiogram, project_copy: Path
) -> None:
    """The seed expects it too: a wrong cell elsewhere in it does not make it a row of the seed alone."""
    project = DbtProject(project_copy)
    project.replace("models/facts/fct_rides.sql", "where newness = 1", "where newness = 1 and message_id <> '8'")
    project.replace("seeds/angiogram/expected/expected__fct_rides.csv", "Tesla", "Tezla")

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert {"expected:fct_rides", "fct_rides"} <= set(blocked(report))
    lost = [found for found in by_kind(report, "expected:fct_rides") if found["difference"] == "missing"]
    assert [(found["messages"], found["unfed"]) for found in lost] == [(["jeep-good"], False)]


def by_kind(report: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = differences_at(report, stage)["first"]
    return sorted(found, key=lambda difference: str(difference["difference"]))


def name_of(number: str) -> str:
    return next(ride.name for ride in read_dye() if str(ride.number) == number)
