"""Every DAG file imports, lightly, and keeps the project's habits."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.services import Sandbox

PROJECT = Path(__file__).parents[2]
MODELS = sorted(path.stem for path in (PROJECT / "dbt_project" / "models").rglob("*.sql"))


@pytest.fixture(scope="module")
def read(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests/dags/describe.py tells. dbt wants the sandbox's environment to draw the models, not its servers."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "DBT_PROFILES_DIR": "",  # as compose hands on what is not set
    }
    subprocess.run([sys.executable, PROJECT / "dags" / "manifests.py"], check=True, env=environment)
    told = subprocess.run(
        [sys.executable, "-m", "tests.dags.describe"],
        check=True,
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return answer


def test_every_file_imports_and_holds_its_dag(read: dict[str, Any]) -> None:
    assert read["errors"] == {}
    assert {"taxi_pipeline", "angiogram"} <= set(read["dags"])


def test_no_file_pulls_in_what_only_its_tasks_need(read: dict[str, Any]) -> None:
    """Airflow reads the files again and again; dbt, Kafka's client and our own packages are for the tasks."""
    assert read["heavy"] == []


def test_every_dag_keeps_the_habits(read: dict[str, Any]) -> None:
    """Documented, owned, tagged; one run at a time, none caught up; a time zone, and an end to every wait."""
    for dag in read["dags"].values():
        assert dag["doc"]
        assert dag["owner"] != "airflow"
        assert dag["tags"]
        assert dag["catchup"] is False
        assert dag["max_active_runs"] == 1
        assert dag["timezone"] == "America/New_York"
        assert dag["dagrun_timeout"]
        assert [name for name, task in dag["tasks"].items() if task["timeout"] is None and "done" not in name] == []


@pytest.mark.parametrize("dag_id", ["taxi_pipeline", "angiogram"])
def test_cosmos_draws_every_model_in_the_order_of_its_lineage(read: dict[str, Any], dag_id: str) -> None:
    tasks = read["dags"][dag_id]["tasks"]
    assert {f"models.{model}" for model in MODELS} <= set(tasks)
    assert "models.int_rides__checked" in tasks["models.fct_rides"]["upstream"]


def test_the_live_dag_runs_hourly_and_the_dye_on_weekday_mornings(read: dict[str, Any]) -> None:
    assert read["dags"]["taxi_pipeline"]["schedule"] == "0 * * * *"
    assert read["dags"]["angiogram"]["schedule"] == "30 7 * * 1-5"


def test_the_verdict_comes_whatever_a_model_does_and_the_run_is_always_released(read: dict[str, Any]) -> None:
    tasks = read["dags"]["angiogram"]["tasks"]
    assert tasks["verdict"]["trigger_rule"] == "all_done"
    assert set(tasks["verdict"]["upstream"]) >= {f"models.{model}" for model in MODELS if "revenue_by" in model}
    assert tasks["healthy.verified"]["upstream"] == tasks["blocked.stop"]["upstream"] == ["begin", "verdict"]
    assert tasks["finish"]["teardown"]
    assert tasks["finish"]["upstream"] == ["begin", "blocked.stop", "healthy.verified"]
    assert all(tasks[f"models.{model}"]["trigger_rule"] == "all_done" for model in MODELS)
    assert tasks["inject"]["retries"] == 0, "dye that is sent twice is counted twice"
