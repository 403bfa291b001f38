"""What the tests of a run share: a pipeline of a module's own, and the command `angiogram` as a process."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.dbt.project import Project
from angiogram.run import steps
from sandbox.services import Sandbox
from tests import commands
from tests.angiogram.shop import LIVE, UNCHANGED, write_shop
from tests.report_schema import validated
from tests.services import connect_as_administrator, new_database, new_topic

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
ANGIOGRAM = [sys.executable, "-c", "from angiogram.cli.main import main; main()"]
"""The command as a shell starts it, for tests that interrupt or kill it."""


class Outcome(commands.Done):
    """What a command of angiogram did."""

    def report(self) -> dict[str, Any]:
        """The report that it printed, which docs/report.schema.json describes."""
        return validated(json.loads(self.stdout))


def command(*arguments: str, environment: dict[str, str] | None = None) -> Outcome:
    """Run `angiogram` in a process of its own."""
    done = commands.run("angiogram.cli.main:main", arguments, environment=environment)
    return Outcome(done.code, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def dbt_target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what dbt parses, apart from that of a developer's own runs."""
    return tmp_path_factory.mktemp("dbt_target")


@pytest.fixture(scope="module")
def pipeline(sandbox: Sandbox, dbt_target: Path) -> Iterator[None]:
    """A database and a topic of the module's own, empty, to which the environment points."""
    with new_database(), new_topic(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(dbt_target))
        patch.setenv("DBT_LOG_PATH", str(dbt_target))
        patch.setenv("DBT_PROJECT_DIR", str(PROJECT))
        patch.setenv("DBT_PROFILES_DIR", str(PROJECT))
        yield


@pytest.fixture
def angiogram(pipeline: None) -> Callable[..., Outcome]:
    """Function that runs `angiogram` with arguments, and variables set otherwise by keyword."""

    def run(*arguments: str, **variables: str) -> Outcome:
        return command(*arguments, environment={**os.environ, **variables})

    return run


@pytest.fixture
def angiogram_verdict(pipeline: None) -> Callable[[str], dict[str, Any]]:
    """Function that takes the step `verdict` of a run in a process of its own, as Airflow does."""

    def verdict(run_id: str) -> dict[str, Any]:
        done = commands.run("tests.angiogram.conftest:print_verdict", [run_id])
        assert done.code == 0, done.stderr
        return validated(json.loads(done.stdout))

    return verdict


def print_verdict() -> None:
    """Take the step `verdict` of the run that is named as the argument."""
    print(json.dumps(steps.verdict(sys.argv[1])))


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """A copy of the dbt project that a test may break."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target*", "logs"))
    return copy


@pytest.fixture
def strange(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[connection]:
    """A database that knows nothing of this project, with the live tables of a shop, as its administrator."""
    name = f"shop_{secrets.token_hex(6)}"
    with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
        query.execute(sql.SQL("create database {} owner angiogram").format(sql.Identifier(name)))
        monkeypatch.setenv("PGDATABASE", name)
        try:
            with closing(connect_as_administrator(name)) as administrator:
                administrator.cursor().execute(f"set role angiogram; {LIVE} reset role")
                yield administrator
        finally:
            query.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """Function that writes the shop's project with changes to its files, by path, and opens it."""
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    monkeypatch.delenv("DBT_LOG_PATH", raising=False)
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))

    def write(schema_name: str = UNCHANGED, **changes: tuple[str, str]) -> Project:
        write_shop(tmp_path, schema_name, changes)
        return Project(tmp_path, dye_source="seeds")

    return write
