"""What the tests on DuckDB share: a project whose only engine it is, in folders of a test's own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from angiogram.dbt.package.installing import install
from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from tests.report_schema import validated

BAKERY = Path(__file__).resolve().parents[2] / "projects" / "bakery"

Judge = Callable[[Path], dict[str, Any]]


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project that a test may change, with a file for each of its targets and no server anywhere."""
    copy = tmp_path / "bakery"
    shutil.copytree(BAKERY, copy, ignore=shutil.ignore_patterns("target*", "logs", "*.duckdb*", "dbt_packages"))
    install(copy)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBT_PROFILES_DIR", str(copy))
    monkeypatch.setenv("BAKERY_FILE", str(tmp_path / "live.duckdb"))
    monkeypatch.setenv("BAKERY_DYE_FILE", str(tmp_path / "dye.duckdb"))
    for variable in ("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_PROJECT_DIR", "PGHOST", "PGPORT"):
        monkeypatch.delenv(variable, raising=False)
    return copy


@pytest.fixture
def judge() -> Judge:
    """Function that builds a project from its seeds in this process and gives the report."""
    return lambda project: validated(run_from_seeds(Project(project, dye_source="seeds"), wait=0).report)
