"""Models that dbt cannot build: one clear line at the top of every report, and dbt's whole message behind it."""

import html
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from angiogram.core.short_message import in_a_line
from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import blocked, stages_of
from tests.dbt.project import DbtProject

Angiogram = Callable[..., Outcome]

BROKEN = {
    "revenue_by_date": (
        "sum(tax_amount) as tax_amount",
        "sum(tax_amount)::text as tax_amount, 1 as trips",
        "its contract is broken: tax_amount is TEXT, the contract says DECIMAL; "
        "trips is INTEGER, the contract has no such column",
    ),
    "revenue_by_state": (
        "sum(tax_amount) as tax_amount,",
        "",
        "its contract is broken: tax_amount is missing, the contract says DECIMAL",
    ),
    "revenue_by_currency": (
        "sum(tax_amount)",
        "sum(tax_amont)",
        'Database Error: column "tax_amont" does not exist',
    ),
    "revenue_by_car_model": (
        "sum(tax_amount)",
        "sum({{ tax_amont() }})",
        "Compilation Error: 'tax_amont' is undefined. This can happen when calling a macro that does not exist. "
        'Check for typos and/or install package dependencies with "dbt deps".',
    ),
}
"""By model what is replaced by what, and the line that tells of it."""


def test_a_model_that_dbt_cannot_build_is_told_in_one_line_with_dbts_message_behind_it(
    angiogram: Angiogram, project_copy: Path
) -> None:
    project = DbtProject(project_copy)
    for model, (before, after, _) in BROKEN.items():
        project.replace(f"models/revenue/{model}.sql", before, after)

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert set(blocked(report)) == set(BROKEN)
    stages = stages_of(report)
    assert {model: stages[model]["reason"] for model in BROKEN} == {model: line for model, (*_, line) in BROKEN.items()}
    assert (
        "| tax_amount  | TEXT            | DECIMAL       | data type mismatch" in stages["revenue_by_date"]["details"]
    )
    assert "> in macro assert_columns_equivalent" in stages["revenue_by_date"]["details"]
    assert "HINT:" in stages["revenue_by_currency"]["details"]
    assert stages["daily_revenue"]["details"] is None

    run_id = report["run_id"]
    shown = " ".join(angiogram("show", run_id).stdout.split())
    page = html.unescape(angiogram("report", run_id, "--format", "html").stdout)
    junit = ElementTree.fromstring(angiogram("report", run_id, "--format", "junit").stdout)  # noqa: S314  # our own
    markdown = html.unescape(angiogram("report", run_id, "--format", "markdown").stdout)
    for model, (*_, line) in BROKEN.items():
        assert f"{model}: {line}" in shown
        assert line in page
        assert line in markdown.splitlines()
        (failure,) = junit.findall(f".//testcase[@name='{model}']/failure")
        assert failure.attrib["message"] == line
        assert stages[model]["details"] in (failure.text or "")
        assert stages[model]["details"] in page
    assert "> called by macro" in markdown.split("<pre>", 1)[1], "behind a click"
    assert "> called by macro" not in markdown.split("<details>", 1)[0]


@pytest.mark.parametrize(
    ("message", "line"),
    [
        pytest.param("it has no expected seed", "it has no expected seed", id="words of our own"),
        pytest.param(
            "the comparison failed: operator does not exist: a = b\nLINE 1: select",
            "the comparison failed: operator does not exist: a = b",
            id="PostgreSQL's own",
        ),
        pytest.param(
            'its expected seed: Database Error in seed x (seeds/x.csv)\n  invalid input syntax: "a"\n  CONTEXT:  COPY',
            'its expected seed: Database Error: invalid input syntax: "a"',
            id="a seed that could not be loaded",
        ),
        pytest.param(
            "Runtime Error\n  Compilation Error in model x (models/x.sql)\n    no",
            "Compilation Error: no",
            id="an error within another",
        ),
        pytest.param("\nDatabase Error in model x\n", "Database Error", id="a title and nothing below it"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_first_line_that_says_something_is_told(message: str, line: str) -> None:
    assert in_a_line(message) == line
