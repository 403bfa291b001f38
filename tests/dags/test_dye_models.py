"""What dbt does in the DAG angiogram reaches the verdict as what it does in `angiogram run`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from angiogram import runs, steps
from sandbox.services import Sandbox
from tests.angiogram.edits import edit
from tests.angiogram.recorded import blocked
from tests.services import new_database, new_topic

ROOT = Path(__file__).parents[2]


def test_no_variable_of_dbt_and_no_hook_makes_the_verdict_of_the_dag_better_than_the_truth(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebuilt in full, batch 2 would hide that offsets are skipped; the hook fails when dbt has noted its results."""
    project = tmp_path / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target*", "logs"))
    edit(project / "macros" / "beyond_taken.sql", ">= ", "> ")
    printed = '  - "{{ print_differences(results) }}"\n'
    edit(project / "dbt_project.yml", printed, f"{printed}  - select 1 / 0\n")
    for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        monkeypatch.setenv(name, str(project))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")
    monkeypatch.setenv("DBT_FULL_REFRESH", "1")
    subprocess.run([sys.executable, ROOT / "dags" / "manifests.py"], check=True)
    with new_database(), new_topic():
        run_id = steps.begin()
        try:
            steps.prepare(run_id)
            steps.inject(run_id)
            steps.check_topic(run_id)
            steps.load(run_id)
            steps.check_loaded(run_id)
            steps.build_batch(run_id, 1)
            steps.take_batch(run_id, 2)
            told = subprocess.run(
                [sys.executable, "-m", "tests.dags.build_models", run_id],
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if name != "AIRFLOW__CORE__UNIT_TEST_MODE"},
                capture_output=True,
                text=True,
                check=False,
            )
            report = steps.verdict(run_id)
        finally:
            steps.finish(run_id)
        with runs.database("tests") as database:
            assert runs.read(database, run_id).verdict == "blocked"

    assert told.returncode == 1, told.stdout + told.stderr
    assert "division by zero" in told.stderr
    assert "Running with dbt" in told.stdout
    assert {"stg_taxi__rides", "hook:taxi_angiogram-on-run-end-4"} <= {*blocked(report)}
    assert "build_batch_2" in report["seconds_by_step"]
