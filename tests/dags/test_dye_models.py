"""What dbt does in the DAG angiogram reaches the verdict as what it does in `angiogram run`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from angiogram.run import steps
from angiogram.run.walk import Walk, through
from angiogram.store import runs
from sandbox.services import Sandbox
from tests.angiogram.edits import edit
from tests.angiogram.recorded import blocked, stages_of
from tests.services import new_database, new_topic

ROOT = Path(__file__).parents[2]


YEARLY = """
{{ config(
    materialized='incremental', incremental_strategy='microbatch', unique_key='began_at',
    event_time='began_at', batch_size='year', begin='2024-01-01',
) }}
{% set year = model.batch.event_time_start if model.batch else '2024-01-01' %}
select
    timestamptz '{{ year }}' as began_at,
    1 / case when timestamptz '{{ year }}' > now() - interval '1 year' then 2 - batch else 1 end as inverse
from angiogram.runs
where in_hand
"""

UNWRITTEN = "{{ config(materialized='ephemeral') }} select {{ no_such_macro() }}"


@dataclass(frozen=True, slots=True)
class DagRun:
    """A run whose second batch the DAG built.

    Attributes:
        task: how the task `models.dbt_build` ended, what it printed (stdout), and its log (stderr).
        report: on the run.
        verdict: as it is kept.
    """

    task: "subprocess.CompletedProcess[str]"
    report: dict[str, Any]
    verdict: str | None


@pytest.fixture(scope="module")
def dag_run(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagRun]:
    """With an offset skipped in batch 2, a model of which one microbatch fails then, and a hook that fails last.

    DBT_FULL_REFRESH would hide the first, and the hook fails when dbt has noted its results.
    """
    folder = tmp_path_factory.mktemp("dag")
    project = folder / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target*", "logs"))
    edit(project / "macros" / "beyond_taken.sql", ">= ", "> ")
    (project / "models" / "facts" / "yearly.sql").write_text(YEARLY)
    (project / "models" / "facts" / "unwritten.sql").write_text(UNWRITTEN)
    printed = '  - "{{ data_angiogram.print_differences(results) }}"\n'
    edit(project / "dbt_project.yml", printed, f"{printed}  - select 1 / 0\n")
    with pytest.MonkeyPatch.context() as environment, new_database(), new_topic():
        for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
            environment.setenv(name, str(project))
        environment.setenv("DBT_TARGET_PATH", str(folder / "target"))
        environment.setenv("DBT_LOG_PATH", str(folder / "logs"))
        environment.setenv("AIRFLOW_HOME", str(folder / "airflow"))
        environment.setenv("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")
        environment.setenv("DBT_FULL_REFRESH", "1")
        subprocess.run([sys.executable, ROOT / "dags" / "manifests.py"], check=True)
        run_id = steps.begin()
        try:
            list(through(Walk(run_id=run_id), last="build_batch_1"))
            steps.take_batch(run_id, 2)
            task = subprocess.run(
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
            yield DagRun(task, report, runs.read(database, run_id).verdict)


def test_no_variable_of_dbt_and_no_hook_makes_the_verdict_of_the_dag_better_than_the_truth(dag_run: DagRun) -> None:
    assert dag_run.verdict == "blocked"
    assert dag_run.task.returncode == 1, dag_run.task.stdout + dag_run.task.stderr
    assert "division by zero" in dag_run.task.stderr
    assert "Running with dbt" in dag_run.task.stdout
    assert {"stg_taxi__rides", "hook:taxi_angiogram-on-run-end-4"} <= {*blocked(dag_run.report)}
    assert "build_batch_2" in dag_run.report["seconds_by_step"]


def test_what_dbt_could_not_build_is_in_the_log_of_the_task_itself(dag_run: DagRun) -> None:
    """Airflow may fold the last lines that dbt prints: they arrive by another way."""
    log = dag_run.task.stderr.splitlines()
    (told,) = [line for line in log if line.startswith("model yearly: ")]
    assert told.startswith("model yearly: partial success: ")
    assert [line for line in log if line.startswith("operation taxi_angiogram-on-run-end-4: error: ")]
    assert [line for line in log if line.startswith("dbt built ")]


def test_an_ephemeral_model_that_dbt_cannot_compile_is_named(dag_run: DagRun) -> None:
    """dbt does not exit with an error for it."""
    (found,) = [finding for finding in dag_run.report["findings"] if finding["stage"]["name"] == "unwritten"]
    assert (found["kind"], found["file"]) == ("build", "models/facts/unwritten.sql")
    assert "'no_such_macro' is undefined" in found["text"]


def test_a_model_of_which_one_microbatch_failed_in_the_dag_is_no_success(dag_run: DagRun) -> None:
    """dbt calls that a partial success, and Cosmos a success."""
    (found,) = [finding for finding in dag_run.report["findings"] if finding["stage"]["name"] == "yearly"]
    assert found["kind"] == "build"
    assert found["text"].startswith("in batch 2: PARTIAL SUCCESS (")
    assert found["text"].endswith("division by zero")
    assert stages_of(dag_run.report)["yearly"]["verdict"] == "blocked"
