"""The same models on DuckDB, with the same seeds and expected seeds, without a server."""

from contextlib import closing

import duckdb
import pytest

from tests.dbt.project import DbtProject, DbtRun, copy_of_project

COMPARED = 14
MODELS_ALONE = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    """A copy of the project."""
    return copy_of_project(tmp_path_factory.mktemp("dbt"))


def build(project: DbtProject, *arguments: str, file: str) -> DbtRun:
    """Build in a file of the test's own, in a session whose time zone is far from UTC."""
    path = str(project.folder / file)
    return project.run(*arguments, "--target", "duckdb", DUCKDB_FILE=path, TZ="Asia/Kathmandu", PGHOST="none.invalid")


def passed(run: DbtRun, beginning: str) -> list[str]:
    """The tests that passed, by the beginning of their names."""
    return [name for name, status in run.statuses.items() if name.startswith(beginning) and status == "pass"]


def test_the_dye_comes_out_as_expected(project: DbtProject) -> None:
    """Every model, test and unit test; what warns on PostgreSQL warns here too."""
    run = build(project, "build", file="whole.duckdb")
    assert run.exit_code == 0, run.output
    assert len(passed(run, "equals_expected__")) == COMPARED
    assert {name for name, status in run.statuses.items() if status not in ("success", "pass", "no-op")} == {
        "int_rides__checked__state_is_known"
    }
    with closing(duckdb.connect(str(project.folder / "whole.duckdb"), read_only=True)) as file:
        recorded = "select name, status, fingerprint from duckdb_results.node_results"
        results = {name: outcome for name, *outcome in file.execute(recorded).fetchall()}
    assert results["equals_expected__fct_rides"] == ["pass", None]
    fingerprints = {results[name][1] for name in ("fct_rides", "daily_revenue", "zipcodes", "car_models")}
    assert len(fingerprints - {None}) == 4, "of models by their SQL, of seeds by their rows"


def test_models_that_grow_batch_by_batch_come_out_the_same(project: DbtProject) -> None:
    first = build(project, "build", *MODELS_ALONE, "--vars", "{dye_batches: 1}", file="batches.duckdb")
    assert first.exit_code == 0, first.output
    early = build(project, "test", "--select", "test_name:equals_expected", file="batches.duckdb")
    assert "equals_expected__fct_rides" in early.failed(), "the second batch changes it"
    assert "missing | key {" in early.output, "the hook at the end shows the first differences"
    second = build(project, "build", "--vars", "{dye_batches: 2}", file="batches.duckdb")
    assert second.exit_code == 0, second.output
    assert len(passed(second, "equals_expected__")) == COMPARED
