"""The other version of dbt-core that angiogram runs as a library, in an environment of its own.

All other tests run with the version that requirements.txt pins.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from dbt.contracts.graph.manifest import Manifest

from angiogram.core.errors import DbtFailed, NotReady, UnsupportedProject
from angiogram.dbt.command import run_dbt
from angiogram.dbt.package.installing import install
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria
from angiogram.judge.from_seeds import run_from_seeds
from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import copied
from tests.angiogram.edits import edit
from tests.report_schema import validated
from tests.services import new_database

ROOT = Path(__file__).resolve().parents[1]
UV = str(Path(sys.executable).with_name("uv"))
SERVER = ("PGHOST", "PGPORT", "PGDATABASE", "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD")
OTHER = "1.10"


@dataclass(frozen=True)
class Older:
    """An environment with the other version of dbt, as pip makes it of the package and that version."""

    bin: Path

    def report(self, project: Path, *options: str, **variables: str) -> dict[str, Any]:
        """The report on a run from the seeds."""
        done = subprocess.run(
            [str(self.bin / "angiogram"), "run", "--from-seeds", "--json", *options],
            env={name: os.environ[name] for name in ("PATH", "HOME", *SERVER) if name in os.environ}
            | {"DBT_PROJECT_DIR": str(project), "DBT_PROFILES_DIR": str(project), **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stdout, done.stderr
        return validated(json.loads(done.stdout))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Older:
    """The environment. Where an index does not serve that version, its tests are skipped and say so."""
    folder = tmp_path_factory.mktemp("older")
    source, python = folder / "source", folder / "environment" / "bin" / "python"
    for name in ("angiogram", "dbt_package", "ingestion", "sandbox", "taxi"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for command in (
        [UV, "venv", "--quiet", "--python", sys.executable, str(folder / "environment")],
        [UV, "pip", "install", "--quiet", "--python", str(python), f"{source}[duckdb]", f"dbt-core=={OTHER}.*"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"dbt-core {OTHER} cannot be installed here: {done.stderr.strip()[-300:]}")
    return Older(python.parent)


@pytest.fixture
def on_duckdb(older: Older, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Function that runs the project on DuckDB."""
    folder = tmp_path / "bakery"
    ignored = shutil.ignore_patterns("target*", "logs", "*.duckdb*", "dbt_packages")
    shutil.copytree(ROOT / "tests" / "projects" / "bakery", folder, ignore=ignored)
    install(folder)
    files = {"BAKERY_FILE": str(tmp_path / "live.duckdb"), "BAKERY_DYE_FILE": str(tmp_path / "dye.duckdb")}
    return lambda *options: older.report(folder, *options, **files)


@pytest.fixture
def database(sandbox: Sandbox) -> Iterator[str]:
    """A database of the test's own."""
    with new_database() as name:
        yield name


def test_models_built_by_a_command_are_judged_from_its_artifacts(
    older: Older, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library of one version reads the project, and the command of another builds it."""
    project = copied(tmp_path / "coffee_shop")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(project))
    monkeypatch.setenv("ANGIOGRAM_DBT_COMMAND", str(older.bin / "dbt"))
    monkeypatch.setenv("DBT_FULL_REFRESH", "true")  # no variable of dbt reaches it
    edit(project / "models/core/guests.sql", "from paid", "from payed")
    found = validated(run_from_seeds(Project(project, dye_source="seeds")).report)
    assert [(one["kind"], one["stage"]["name"]) for one in found["findings"]] == [("build", "guests")]
    assert "payed" in found["findings"][0]["text"]
    assert {stage["name"]: stage["verdict"] for stage in found["stages"]}["takings_by_month"] == "healthy"
    edit(project / "models/core/guests.sql", "from payed", "from paid")
    chosen = Criteria(select=("guests",))
    found = validated(run_from_seeds(Project(project, dye_source="seeds"), criteria=chosen).report)
    assert (found["verdict"], [stage["name"] for stage in found["stages"]]) == ("healthy", ["guests"])
    results = json.loads(next(project.rglob("run_results.json")).read_text(encoding="utf-8"))
    assert results["metadata"]["dbt_version"].startswith(f"{OTHER}.")


def test_a_command_that_cannot_build_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest()
    arguments = ["--log-level", "none", "seed", "--target-path", str(tmp_path)]
    monkeypatch.setenv("ANGIOGRAM_DBT_COMMAND", "no-such-dbt")
    with pytest.raises(NotReady, match="ANGIOGRAM_DBT_COMMAND names no-such-dbt, which cannot be started"):
        run_dbt(arguments, manifest)
    monkeypatch.setenv("ANGIOGRAM_DBT_COMMAND", f"{sys.executable} -c 'print(\"no licence\"); exit(3)'")
    with pytest.raises(DbtFailed, match=r"ended with code 3 and left no run_results\.json:\nno licence"):
        run_dbt(arguments, manifest)
    manifest.metadata.adapter_type = "duckdb"
    with pytest.raises(UnsupportedProject, match="cannot build in a DuckDB file"):
        run_dbt(arguments, manifest)


def test_the_environment_of_all_other_tests_has_the_newer_version() -> None:
    assert version("dbt-core").startswith("1.11.")


@pytest.mark.projects
def test_a_run_on_duckdb_is_judged_as_with_the_newer_version(
    on_duckdb: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Incremental models, a snapshot, an ephemeral model, hooks, and a selection that dbt resolves."""
    edit(tmp_path / "bakery/models/sales/sales_by_day.sql", "sum(amount)", "max(amount)")
    found = on_duckdb()
    wrong = {stage["name"] for stage in found["stages"] if stage["verdict"] != "healthy"}
    assert (wrong, found["models"]) == ({"sales_by_day"}, {"watched": 6, "total": 6})
    edit(tmp_path / "bakery/models/sales/sales_by_day.sql", "max(amount)", "sum(amount)")
    found = on_duckdb("--select", "orders+", "--exclude", "orders")
    assert (found["verdict"], found["selection"]["selected"]) == ("healthy", 1)
    assert found["selection"]["fed"] == [{"kind": "model", "name": "orders"}]


def test_a_run_on_postgresql_compares_the_surface_and_the_live_sql_too(
    older: Older, database: str, tmp_path: Path
) -> None:
    project = copied(tmp_path / "coffee_shop")
    edit(
        project / "models/core/guests.sql",
        "where state = 'paid'",
        "where state = 'paid'{% if target.name == 'live' %} and guest_id > 1{% endif %}",
    )
    edit(project / "models/core/tickets.sql", "lines.cups * menu.price_cents", "lines.cups")
    found = older.report(project)
    assert {(one["kind"], one["stage"]["name"]) for one in found["findings"]} == {
        ("output", "tickets"),
        ("live_sql", "guests"),
    }
