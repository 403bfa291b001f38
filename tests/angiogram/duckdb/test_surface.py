"""A surface that was accepted on another engine: names and order are compared, types are not."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from angiogram.cli.main import app
from tests.angiogram.duckdb.conftest import Judge
from tests.angiogram.edits import edit


def test_types_of_two_engines_are_not_compared_and_accept_keeps_them(
    bakery: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    assert CliRunner().invoke(app, ["accept", "--yes"]).exit_code == 0
    file = bakery / ".angiogram" / "surface.yml"
    accepted = yaml.safe_load(file.read_text())
    assert accepted["engine"] == "duckdb"
    del accepted["engine"]  # as PostgreSQL's surface is written
    for model in accepted["models"].values():
        model["columns"] = dict.fromkeys(model["columns"], "text")
    file.write_text(yaml.dump(accepted, sort_keys=False))
    report = judge(bakery)
    assert report["verdict"] == "healthy"
    assert "types_not_compared" in {notice["code"] for notice in report["notices"]}
    edit(bakery / "models/sales/sales_by_day.sql", "as order_count", "as orders")
    assert judge(bakery)["verdict"] == "blocked"
    assert CliRunner().invoke(app, ["accept", "--yes"]).exit_code == 0
    kept = yaml.safe_load(file.read_text())
    assert "engine" not in kept
    assert kept["models"]["sales_by_day"]["columns"]["amount"] == "text"
    assert kept["models"]["sales_by_day"]["columns"]["orders"] == "BIGINT"
