"""Every report for people and for CI shows all findings (kind, stage, text, file and line) and all notices."""

import html
from collections.abc import Callable
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from angiogram.core.findings import MEANINGS, FindingKind
from angiogram.report.headline import example
from angiogram.report.pages.junit import junit
from angiogram.report.pages.markdown import markdown
from angiogram.report.pages.page import page
from angiogram.report.report import render
from angiogram.store.runs import Run
from tests.angiogram.recorded import changed, finding, report
from tests.angiogram.test_pages import run_of
from tests.report_schema import validated

FINDINGS = [
    finding("fct_rides", "12 differences from what is expected", "output"),
    finding("fct_rides", "the column fare_amount is gone", "surface", "models/facts/fct_rides.sql", 7),
    finding("hook:shop-on-run-end-0", "relation orders does not exist", "build", "dbt_project.yml", 31),
    finding("target:prod", "2 models run other SQL", "live_sql"),
    finding("seed:rates", "nothing compares it any more", "watch", "seeds/rates.csv"),
]
NOTICES = ["api:rides took 70.00 s; its limit is 60 s.", "The dye did not test what runs in production."]


def found() -> dict[str, Any]:
    """A report with findings at a stage that the dye passes, and at others."""
    cells = {"fct_rides": [changed({"ride_id": "a"}, "fare_amount", "1", "2", "jeep-good")]}
    stages = list(dict.fromkeys((one["stage"]["kind"], one["stage"]["name"]) for one in FINDINGS))
    return validated(
        report("run-1", ["fct_rides"], cells)
        | {
            "blockage": [{"kind": kind, "name": name} for kind, name in stages],
            "findings": FINDINGS,
            "notices": [{"code": "slow", "text": text} for text in NOTICES],
        }
    )


def printed(run: Run) -> str:
    """What the terminal shows, in one line."""
    console = Console(width=400, record=True, file=StringIO())
    console.print(render({"run_id": run.run_id} | run.report))
    return console.export_text()


def marked_up(run: Run) -> str:
    """What Markdown shows once it is rendered."""
    return html.unescape(markdown(run))


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(printed, id="terminal"),
        pytest.param(marked_up, id="Markdown"),
        pytest.param(junit, id="JUnit"),
        pytest.param(lambda run: page(run, {}), id="page"),
    ],
)
def test_kind_stage_text_and_place_of_each_finding_and_each_notice_are_shown(shown: Callable[[Run], str]) -> None:
    text = html.unescape(shown(run_of(found())))
    for one in FINDINGS:
        place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
        name = one["stage"]["name"] if one["stage"]["kind"] == "model" else ":".join(one["stage"].values())
        kind = one["kind"] if one["kind"] in text else one["kind"].replace("_", " ")
        assert all(part in text for part in (kind, name, one["text"], place or ""))
    assert all(notice in text for notice in NOTICES)


def test_junit_fails_one_case_for_each_stage_with_a_finding() -> None:
    [suite] = ElementTree.fromstring(junit(run_of(found())))  # noqa: S314  # our own words
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == ["fct_rides", "hook:shop-on-run-end-0", "target:prod", "seed:rates"]
    assert suite.get("failures") == "4"


def test_what_is_not_about_output_is_not_called_wrong_output() -> None:
    only = found() | {"findings": FINDINGS[1:], "blockage": [one["stage"] for one in FINDINGS[1:]]}
    text = page(run_of(only), {})
    assert "whose output is wrong although" not in text
    assert "Readers of the live tables no longer find" in text
    assert MEANINGS.keys() == set(FindingKind)


def test_the_example_of_a_blockage_is_a_changed_cell_where_there_is_one() -> None:
    lost = {**changed({"ride_id": "a"}, "", "", ""), "difference": "missing", "column": None, "expected": "{}"}
    cell = changed({"ride_id": "b"}, "fare_amount", "1", "2", "jeep-good")
    told = example(report("run-1", ["fct_rides"], {"fct_rides": [lost, cell]}))
    assert told == "fct_rides, fare_amount 2, expected 1; fed by jeep-good; ride_id b"
    assert example(report("run-1", ["fct_rides"], {"fct_rides": [lost]})) == "fct_rides, missing: ride_id a"
