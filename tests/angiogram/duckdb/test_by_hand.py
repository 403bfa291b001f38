"""dbt commands by hand keep to the schemas of their target in a DuckDB file, as on PostgreSQL."""

from pathlib import Path

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from tests.angiogram.duckdb.conftest import Judge


def seeded(project: Path, target: str, *select: str) -> str:
    """What dbt says when it loads seeds. Empty if it succeeds."""
    arguments = ["seed", "--quiet", "--target", target, "--project-dir", str(project), *select]
    outcome = dbtRunner().invoke([*arguments, "--target-path", "by_hand", "--log-path", "by_hand"])
    if outcome.success:
        return ""
    results = outcome.result or ()
    return " ".join([str(outcome.exception), *(str(result.message) for result in results)])


def test_what_others_made_stays(bakery: Path) -> None:
    with duckdb.connect("dye.duckdb") as file:
        file.execute("create schema dye_reference; create table dye_reference.wages as select 1 as a")
    said = seeded(bakery, "angiogram")
    assert "schema dye_reference (it holds wages, which this project does not build)" in said
    assert seeded(bakery, "angiogram", "--select", "resource_type:seed,path:seeds/input") == ""
    with duckdb.connect("dye.duckdb") as file:
        assert file.execute("from dye_reference.wages").fetchall() == [(1,)]


def test_tables_that_no_dye_shows_to_be_its_own_stay(bakery: Path) -> None:
    """They are the project's, but perhaps live: the file holds no expected seed."""
    with duckdb.connect("dye.duckdb") as file:
        file.execute("create schema dye_reference; create table dye_reference.loaves as select 1 as a")
    assert "would overwrite what the dye did not create: dye_reference.loaves" in seeded(bakery, "angiogram")


def test_a_live_target_does_not_build_in_what_is_the_dyes(bakery: Path, judge: Judge, tmp_path: Path) -> None:
    """The same schemas in the same file: what a build by hand marked, the command knows, and so it is the other way."""
    assert seeded(bakery, "angiogram") == ""
    assert judge(bakery)["verdict"] == "healthy"
    assert seeded(bakery, "angiogram") == ""
    macro = bakery / "macros/generate_schema_name.sql"
    macro.write_text(macro.read_text().replace("{{ 'dye_' if data_angiogram.is_dye_target() }}", "dye_"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKERY_FILE", str(tmp_path / "dye.duckdb"))
        said = seeded(bakery, "live")
    assert "Target live is not a dye target, but would build in schemas of the dye: dye_reference" in said
