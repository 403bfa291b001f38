"""What the tests of sensitivity share: a small dbt project, compiled, and a session in a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.sensitivity.compiled import Compiled, compile_project
from angiogram.warehouse.sessions import open_sessions
from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import copied
from tests.services import new_database

TAXI = Path(__file__).resolve().parents[3] / "dbt_project"


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
    monkeypatch.setenv("DBT_PROJECT_DIR", str(copy))
    return copy


@pytest.fixture
def compiled(coffee_shop: Path) -> Compiled:
    """The second project, compiled."""
    return compile_project(coffee_shop)


@pytest.fixture
def session(coffee_shop: Path, compiled: Compiled) -> Iterator[connection]:
    """A session as the project's own dbt profile opens it."""
    (opened,) = open_sessions(coffee_shop, "angiogram", 1)
    yield opened
    opened.close()
