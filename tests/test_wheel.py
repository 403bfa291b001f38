"""The wheel alone, in an empty environment: it judges a project from its seeds, and says what needs an extra."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from benchmarks.first_verdict import built_wheel
from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import copied
from tests.services import new_database

ROOT = Path(__file__).resolve().parents[1]
UV = str(Path(sys.executable).with_name("uv"))
SERVER = ("PGHOST", "PGPORT", "PGDATABASE", "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD")


@dataclass(frozen=True)
class Light:
    """An environment that holds the wheel and what it brings, and a copy of the second project beside it."""

    bin: Path
    project: Path

    def run(self, command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the environment in the project's folder, with nothing of ours but the server's address."""
        program, *arguments = command.split()
        environment = {name: os.environ[name] for name in ("PATH", "HOME", *SERVER) if name in os.environ} | {
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            **variables,
        }
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def light(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Light]:
    """The environment, made as a user makes it, and a database of the module's own."""
    folder = tmp_path_factory.mktemp("light")
    wheel = built_wheel(folder)
    python = folder / "environment" / "bin" / "python"
    pinned = ["--constraint", str(ROOT / "requirements.txt")]
    for command in (
        [UV, "venv", "--quiet", "--python", sys.executable, str(python.parents[1])],
        [UV, "pip", "install", "--quiet", "--python", str(python), *pinned, str(wheel)],
    ):
        subprocess.run(command, cwd=folder, check=True)
    project = copied(folder / "coffee_shop")
    shutil.rmtree(project / "dbt_packages")
    entry = {"git": "https://git.invalid/angiogram.git", "subdirectory": "dbt_package", "revision": "main"}
    (project / "packages.yml").write_text(json.dumps({"packages": [entry]}), encoding="utf-8")
    with new_database():
        yield Light(python.parent, project)


def test_the_wheel_brings_neither_airflow_nor_a_client_of_kafka(light: Light) -> None:
    listed = subprocess.run(
        [UV, "pip", "list", "--quiet", "--format", "json", "--python", str(light.bin / "python")],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = {package["name"] for package in json.loads(listed.stdout)}
    assert {"data-angiogram", "dbt-core", "dbt-postgres"} <= installed
    assert not installed & {"apache-airflow", "kafka-python", "confluent-kafka", "pyarrow", "fastapi", "httpx"}


def test_the_wheel_judges_a_healthy_project_and_then_a_blocked_one(light: Light) -> None:
    healthy = light.run("angiogram run --from-seeds --json --page page.html")
    assert (healthy.returncode, json.loads(healthy.stdout)["verdict"]) == (0, "healthy"), healthy.stderr
    assert "healthy" in (light.project / "page.html").read_text(encoding="utf-8")
    linked = (light.project / "dbt_packages" / "data_angiogram").resolve()
    assert linked.is_relative_to(light.bin.parent), "the package came with the wheel, for its entry cannot be fetched"

    model = light.project / "models" / "reports" / "takings_by_month.sql"
    right = model.read_text(encoding="utf-8")
    try:
        model.write_text(right.replace("sum(", "max("), encoding="utf-8")
        blocked = light.run("angiogram run --from-seeds --json")
    finally:
        model.write_text(right, encoding="utf-8")
    told = json.loads(blocked.stdout)
    assert (blocked.returncode, told["verdict"]) == (1, "blocked"), blocked.stderr
    assert told["blockage"] == [{"kind": "model", "name": "takings_by_month"}]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("ingestion load", "kafka"),
        ("ingestion api", "kafka"),
        ("ingestion topic", "kafka"),
        ("ingestion dead-letters replay", "kafka"),
        ("ingestion bulk-load .", "fast"),
        ("angiogram live", "kafka"),
        ("angiogram faults", "kafka"),
        ("sandbox status", "dev"),
    ],
)
def test_a_command_that_needs_an_extra_says_the_command_that_installs_it(
    light: Light, command: str, extra: str
) -> None:
    done = light.run(command)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"This needs the extra `{extra}`: " in done.stderr
    wheel = next(light.bin.parents[1].glob("*.whl"))
    assert done.stderr.endswith(f"Run pip install 'data-angiogram[{extra}] @ {wheel.as_uri()}'\n")


def test_a_live_run_without_the_client_of_kafka_is_recorded_with_the_reason(
    light: Light, connect_as: Callable[..., connection]
) -> None:
    done = light.run("angiogram run")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    with connect_as("angiogram").cursor() as query:
        query.execute("select verdict, report ->> 'error' from angiogram.runs")
        ((verdict, error),) = query.fetchall()
    assert verdict == "could_not_run"
    assert f"{error}\n" == done.stderr
    assert error.startswith("ExtraMissing: This needs the extra `kafka`: kafka is not installed.")


def test_the_commands_on_earlier_runs_need_no_extra(light: Light) -> None:
    assert isinstance(json.loads(light.run("angiogram runs --json").stdout), list)
    assert "verdict" in json.loads(light.run("angiogram status --json").stdout)
    for command in ("accept", "sensitivity", "history", "report", "hold", "prune"):
        told = light.run(f"angiogram {command} --help")
        assert (told.returncode, told.stderr) == (0, "")


def test_outside_a_project_the_wheel_names_the_working_directory(light: Light, tmp_path: Path) -> None:
    done = Light(light.bin, tmp_path).run("angiogram run --from-seeds")
    assert (done.returncode, f"{tmp_path} contains no dbt_project.yml" in done.stderr) == (2, True)
