"""What the tests of a run from the seeds share: the second project in a database of the module's own, judged here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import copied
from tests.services import new_database

Judge = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A new database of the module's own, to which PGDATABASE points."""
    with new_database() as name:
        yield name


@pytest.fixture
def coffee_shop(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the second project that a test may change."""
    copy = copied(tmp_path / "coffee_shop")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(copy))
    for variable in ("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_PROJECT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return copy


@pytest.fixture
def judge() -> Judge:
    """Function that builds a project from its seeds in this process and gives the report."""
    return lambda project: run_from_seeds(Project(project, dye_source="seeds")).report
