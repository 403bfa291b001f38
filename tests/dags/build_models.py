"""The task `models.dbt_build` of the DAG angiogram as Airflow executes it, for the run whose id is given.

A process of its own, since Airflow configures itself at import. No scheduler and no database of Airflow's is needed:
what they would give the task is its context.
"""

import logging
import sys
from typing import Any

import cosmos  # noqa: F401
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowException

from tests.dags.describe import DAGS


class TaskInstance:
    """What the task asks of Airflow: the run id that `begin` gave, and a place for its results."""

    def __init__(self, dye_run: str) -> None:
        """Of a run."""
        self._dye_run = dye_run

    def xcom_pull(self, task_ids: str) -> str:
        """What a task gave."""
        assert task_ids == "begin"
        return self._dye_run

    def xcom_push(self, key: str, value: Any) -> None:
        """Nobody waits for it here."""


class DagRun:
    """A run of the DAG in which nothing was cleared."""

    clear_number = 0


def main() -> int:
    """Execute it; its log and its error go to stderr."""
    log = logging.getLogger("airflow.task")
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    sys.path.insert(0, str(DAGS))
    task = DagBag(DAGS / "angiogram_dag.py").dags["angiogram"].get_task("models.dbt_build")
    try:
        task.execute({"ti": TaskInstance(sys.argv[1]), "dag_run": DagRun()})
    except AirflowException as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
