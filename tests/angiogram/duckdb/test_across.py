"""A run under two targets: both answers, and the cells in which they disagree."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.core.differences import Difference
from angiogram.judge.across import BuiltRows, between, in_one_form
from tests.angiogram.edits import edit
from tests.report_schema import validated


@pytest.fixture
def two_targets(bakery: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a second dye target, which has a file of its own."""
    edit(bakery / "dbt_project.yml", "dye_targets: [angiogram]", "dye_targets: [angiogram, second]")
    edit(bakery / "dbt_project.yml", "target.name == 'angiogram'", "target.name in ['angiogram', 'second']")
    with (bakery / "profiles.yml").open("a") as profiles:
        profiles.write(
            f"    second: {{type: duckdb, path: {bakery.parent / 'second.duckdb'}, schema: shop, threads: 2}}\n"
        )
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    return bakery


def test_both_answers_and_the_cells_that_differ(two_targets: Path) -> None:
    rounded = "{{ 'floor(sum(amount))' if target.name == 'second' else 'sum(amount)' }}"
    edit(two_targets / "models/sales/sales_by_day.sql", "sum(amount)", rounded)
    outcome = CliRunner().invoke(app, ["run", "--from-seeds", "--against", "second", "--json"])
    assert outcome.exit_code == 1
    report = validated(json.loads(outcome.stdout))
    other = report["against"]
    assert (report["verdict"], other["report"]["verdict"], other["target"]) == ("healthy", "blocked", "second")
    (found,) = other["differences"]
    assert (found["stage"]["name"], found["count"]) == ("sales_by_day", 2)
    assert {
        (one["row_key"]["ordered_on"], one["column"], one["expected"], one["actual"]) for one in found["first"]
    } == {
        ("2026-06-01", "amount", "8.4", "8"),
        ("2026-06-02", "amount", "53.5", "53"),
    }


def test_equal_answers_are_healthy_and_say_so(two_targets: Path) -> None:
    outcome = CliRunner().invoke(app, ["run", "--from-seeds", "--target", "second", "--against", "angiogram"])
    assert outcome.exit_code == 0, outcome.output
    assert "All cells that both targets built are equal." in outcome.stdout


def test_against_needs_the_seeds() -> None:
    outcome = CliRunner().invoke(app, ["run", "--against", "second"])
    assert outcome.exit_code == 2
    assert "--from-seeds" in outcome.output


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12.50", "12.5"),
        ("1e-7", "0.0000001"),
        ("100", "1e2"),
        ("-0.0", "0"),
        ('{"b": 1.0, "a": [2.50]}', '{"a":[2.5],"b":1}'),
    ],
)
def test_cells_that_mean_the_same_are_equal_however_an_engine_writes_them(one: str, other: str) -> None:
    assert in_one_form(one) == in_one_form(other)


@pytest.mark.parametrize(
    ("one", "other"), [("null", '""'), ('"1"', "1"), ("0.1", "0.10000000000000001"), ("true", "1")]
)
def test_cells_that_do_not_mean_the_same_differ(one: str, other: str) -> None:
    assert in_one_form(one) != in_one_form(other)


def test_rows_are_compared_with_their_multiplicity_and_paired_by_their_key() -> None:
    columns = {"id": "int", "name": "text"}
    first = BuiltRows(columns | {"gone": "text"}, [("1", '"a"', "null"), ("2", '"b"', "null"), ("2", '"b"', "null")])
    second = BuiltRows({"name": "text", "id": "int"}, [('"A"', "1"), ('"b"', "2"), ('"c"', "3")])
    assert list(between(first, second, ["id"])) == [
        Difference("missing", None, "gone", "text", None),
        Difference("multiplicity", {"id": 2}, None, "2", "1"),
        Difference("changed", {"id": 1}, "name", '"a"', '"A"'),
        Difference("unexpected", {"id": 3}, None, None, '{"id": 3, "name": "c"}'),
    ]
    assert [one.difference for one in between(first, second, [])] == [
        "missing",
        "multiplicity",
        "missing",
        "unexpected",
        "unexpected",
    ]
