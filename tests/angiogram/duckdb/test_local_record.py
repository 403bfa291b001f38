"""The record of runs in a file of the project: what commands read from it, without a server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.core.differences import KEPT, Difference
from angiogram.core.errors import UnknownRun
from angiogram.core.stage_id import StageId
from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.store.local import MOST_DIFFERENCES, LocalRecord
from tests.angiogram.duckdb.conftest import Judge

MANY = KEPT + 50


@pytest.fixture
def wrong(bakery: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The report on a run whose first model has more wrong rows than a report shows."""
    with (
        (bakery / "seeds/input/raw_orders.csv").open("a") as rows,
        (bakery / "seeds/expected/expected__stg_orders.csv").open("a") as expected,
    ):
        for number in range(100, 100 + MANY):
            rows.write(f"{number},1,eve,rye,0,2026-06-01T08:00:00Z\n")
            expected.write(f"{number},Eve,rye,0,2026-06-01T08:00:00Z\n")
    report = judge(bakery)
    assert [stage["name"] for stage in report["blockage"]] == ["stg_orders"]
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    return report


def printed(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_runs_from_the_seeds_are_listed_and_shown_in_each_form(wrong: dict[str, Any], tmp_path: Path) -> None:
    (listed,) = json.loads(printed("runs", "--json"))
    assert (listed["run_id"], listed["verdict"]) == (wrong["run_id"], "blocked")
    assert json.loads(printed("show", "--json"))["findings"] == wrong["findings"]
    for name, told in (
        ("junit", "<testsuites>"),
        ("markdown", "stg&#95;orders"),
        ("json", '"stg_orders"'),
        ("html", "<html"),
    ):
        file = tmp_path / name
        printed("report", wrong["run_id"], "--format", name, "--output", str(file))
        assert told in file.read_text()
    printed("history", "--output", str(tmp_path / "history.html"))
    assert wrong["run_id"] in (tmp_path / "history.html").read_text()
    found = [json.loads(line) for line in printed("differences", "--stage", "stg_orders").splitlines()]
    assert len(found) == MANY > len(wrong["differences"][0]["first"])
    assert {(one["column"], one["expected"], one["actual"]) for one in found} == {("customer", '"Eve"', '"eve"')}


def test_a_record_that_cannot_be_written_does_not_hide_the_verdict(bakery: Path) -> None:
    (bakery / ".angiogram" / "local.db").mkdir(parents=True)
    said: list[str] = []
    report = run_from_seeds(Project(bakery, dye_source="seeds"), wait=0, say=said.append).report
    assert (report["verdict"], report["kept"]) == ("healthy", False)
    assert any("This run is not recorded" in told for told in said)


def test_the_record_keeps_so_many_differences_and_forgets_what_is_replaced(tmp_path: Path) -> None:
    stage, blamed = StageId("model", "orders"), StageId("expected", "orders")

    def found(number: int) -> Iterator[Difference]:
        return (Difference("changed", {"id": one}, "amount", "1", "2") for one in range(number))

    with LocalRecord.opened(tmp_path) as record:
        kept = record.kept("seeds-1")
        kept.put(stage, found(MOST_DIFFERENCES + 10))
        assert sum(1 for _ in kept.each(stage)) == MOST_DIFFERENCES
        kept.put(stage, found(3))
        kept.rename(stage, blamed)
        assert [one["row_key"] for one in kept.each(blamed)] == [{"id": 0}, {"id": 1}, {"id": 2}]
        assert list(kept.each(stage)) == []
    with LocalRecord.opened(tmp_path) as record, pytest.raises(UnknownRun, match="seeds-2"):
        record.read("seeds-2")
