"""The DAG bulk_load through Airflow's own test run: rows counted before and after, a bad file named at the end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.services import Sandbox
from tests.ingestion.bulk.support import parquet
from tests.ingestion.support import count
from tests.services import connect_as_administrator

DAGS = Path(__file__).parents[2] / "dags"
AIRFLOW = Path(sys.executable).with_name("airflow")
Run = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_dag(
    sandbox: Sandbox, fresh_database: str, tmp_path: Path
) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Function that runs the DAG on a folder, with Airflow's records in the test's own folder."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def airflow(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([AIRFLOW, *arguments], env=environment, capture_output=True, text=True, check=False)

    airflow("db", "migrate").check_returncode()

    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        dag = str(Path(__file__).parents[2] / "dags" / "bulk_load.py")
        return airflow(
            "dags", "test", "--dagfile-path", dag, "--conf", json.dumps({"folder": str(folder)}), "bulk_load"
        )

    return run


def test_rows_are_counted_and_bad_files_named(run_dag: Run, fresh_database: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    parquet(folder / "good.parquet", 30)
    (folder / "cut.ndjson").write_text('{"taxi_id": "t1')
    done = run_dag(folder)
    talk = done.stdout + done.stderr
    assert "{'rows': 30, 'dead_letters': 0, 'files': 1} more" in talk
    assert "cut.ndjson: its last line, 1, is cut off" in talk
    assert "state=failed" in talk
    with closing(connect_as_administrator(fresh_database)) as session:
        assert count(session, "raw.taxi_rides") == 30
