"""Sensitivity on DuckDB: in memory, by the same command, with the verdicts of the comparison that a run makes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.dbt.command import run_in_scratch
from angiogram.dbt.manifest.expectation import Expectation
from angiogram.sensitivity.witnesses import survivors
from angiogram.warehouse.engines import duckdb_scratch
from angiogram.warehouse.engines.duckdb_scratch import DuckScratch
from angiogram.warehouse.engines.portable import portable_differences
from angiogram.warehouse.engines.scratch import FailsOnData, RefusedAlways, TakesTooLong
from angiogram.warehouse.sessions import open_scratches
from tests.angiogram.sensitivity.partly_expected import PARTLY_EXPECTED


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[DuckScratch]:
    """A scratch session, as the profile of a file opens it."""
    opened = DuckScratch(DuckDBCredentials(path=str(tmp_path / "some.duckdb"), schema="main", database="some"))
    opened.begin(None)
    yield opened
    opened.close()


def test_a_project_on_duckdb_is_measured_in_memory(bakery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that reads a snapshot is refused, as on PostgreSQL, so it goes first."""
    for name, size in {"INPUTS": 2 * survivors.SLICE, "HANDFULS": 0}.items():
        monkeypatch.setattr(survivors, name, size)
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    refused = CliRunner().invoke(app, ["sensitivity"])
    assert "moves reads the snapshot customers_over_time" in str(refused.exception)
    moves = bakery / "models/customers/moves.sql"
    moves.write_text("{{ config(enabled=false) }}\n" + moves.read_text())
    measured = CliRunner().invoke(app, ["sensitivity", "--json"])
    assert measured.exit_code == 0, measured.output
    score = json.loads(measured.stdout)
    assert score["seen"] > score["blind_spots"] + score["unknown"]
    assert score["mutants"] == sum(score[state] for state in ("seen", "equivalent", "blind_spots", "unknown"))
    assert {"incremental", "join_type", "aggregate"} <= score["by_operator"].keys()
    assert any(one["closes"] for one in score["survivors"])
    with duckdb.connect("dye.duckdb") as file:
        assert file.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        pytest.param("select 1 as a, 'x' as b", "select 1 as a, 'x' as b", id="equal"),
        pytest.param("select 1 as a, 'x' as b", "select 'x' as b, 1 as a", id="order of columns"),
        pytest.param("select null::text as a", "select ''::text as a", id="null and empty"),
        pytest.param("select 1 as a", "select 1::bigint as a", id="type"),
        pytest.param("select 1 as a", "select 1 as a, 2 as b", id="column too many"),
        pytest.param("select 1 as a, 2 as b", "select 1 as a", id="column too few"),
        pytest.param("from (values (1), (1), (2)) as t (a)", "from (values (1), (2)) as t (a)", id="copy"),
        pytest.param("from (values (1), (1), (2)) as t (a)", "from (values (1), (2), (2)) as t (a)", id="other copies"),
        pytest.param("select 1 as a where false", "select 1 as a where false", id="empty"),
        pytest.param("select 1 as a, 1 as loaded_at", "select 1 as a, 2 as loaded_at", id="excluded"),
        pytest.param("select 'nan'::double as a", "select 'nan'::double as a", id="nan"),
        pytest.param("select 0.0::double as a", "select '-0'::double as a", id="minus nought"),
        pytest.param("""select '{"a": 1}'::json as a""", """select '{"a":1}'::json as a""", id="json"),
        pytest.param("select [1, null] as a", "select [1, 2] as a", id="list"),
        pytest.param("select {'x': 'y'} as a", "select {'x': 'y'} as a", id="struct"),
        pytest.param("select interval 1 day as a", "select interval 24 hours as a", id="interval"),
    ],
)
def test_the_fast_verdict_is_that_of_a_run(scratch: DuckScratch, expected: str, actual: str) -> None:
    scratch.make("expected", expected)
    scratch.make("actual", actual)
    fast = scratch.differs("actual", scratch.shape("expected", ["loaded_at"]))
    sides = dict(scratch.columns("actual")), dict(scratch.columns("expected"))
    statement = portable_differences("duckdb", "temp.actual", "temp.expected", ["a"], ["loaded_at"], sides)
    assert fast == scratch.finds_rows(statement)


@pytest.mark.parametrize(("how", "expected", "actual", "is_equal"), PARTLY_EXPECTED)
def test_the_fast_verdict_knows_what_an_expectation_leaves_out(
    scratch: DuckScratch, how: Expectation, expected: str, actual: str, is_equal: bool
) -> None:
    scratch.make("expected", expected)
    scratch.make("actual", actual)
    fast = scratch.differs("actual", scratch.shape("expected", how.exclude, how=how))
    sides = dict(scratch.columns("actual")), dict(scratch.columns("expected"))
    told: dict[str, Any] = {"only": list(how.only), "precision": how.precision, "types": how.types}
    statement = portable_differences("duckdb", "temp.actual", "temp.expected", ["id"], how.exclude, sides, **told)
    assert fast == scratch.finds_rows(statement) == (not is_equal)


def test_a_row_that_is_not_expected_is_told_from_one_that_is_missing(scratch: DuckScratch) -> None:
    scratch.make("expected", "from (values (1), (2), (2)) as t (a)")
    expected = scratch.shape("expected")
    for name, query, is_stranger in (
        ("fewer", "select 2 as a", False),
        ("other", "select 3 as a", True),
        ("typed", "select 3::bigint as a", False),
    ):
        scratch.make(name, query)
        assert scratch.has_stranger(name, expected) is is_stranger


def test_what_a_statement_fails_on_is_told_apart(scratch: DuckScratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused SQL is no mutant; SQL that fails on the data, or takes too long, is seen."""
    for refused in ("select nothing", "select 1 as", "select * from nowhere"):
        with pytest.raises(RefusedAlways):
            scratch.make("made", refused)
    with pytest.raises(FailsOnData):
        scratch.make("made", "select v::int from (values ('x')) as t (v)")
    monkeypatch.setattr(duckdb_scratch, "TIMEOUT_S", 0.1)
    with pytest.raises(TakesTooLong):
        scratch.make("made", "select count(*) as n from range(10000000) as a, range(10000000) as b where a <> b")
    scratch.make("made", "select 1 as a")
    assert scratch.columns("made") == (("a", "INTEGER"),)


def test_a_session_is_in_memory_and_begins_empty(scratch: DuckScratch, tmp_path: Path) -> None:
    scratch.fill("held", (("a", "text"), ("b", "decimal(10, 2)")), [("x", "1.50"), (None, None)])
    assert scratch.finds_rows("from temp.held where a = 'x' and b = 1.5")
    assert not scratch.finds_rows("from temp.held where a = 'y'")
    scratch.begin("Asia/Kathmandu")
    with pytest.raises(RefusedAlways):
        scratch.columns("held")
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_the_target_is_free_meanwhile(bakery: Path) -> None:
    run_in_scratch(
        bakery, ["compile", "--select", "stg_orders", "--indirect-selection", "empty"], "angiogram"
    )  # as compile_project does, which keeps the file open
    sessions = open_scratches(bakery, "angiogram", 2)
    try:
        beside = "import duckdb; duckdb.connect('dye.duckdb').execute('create table made as select 1 as a')"
        subprocess.run([sys.executable, "-c", beside], check=True)
    finally:
        for session in sessions:
            session.close()
