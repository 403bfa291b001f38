"""Airflow's scheduler with the tasks' heavy imports done in advance.

Run it with `python -m sandbox.airflow.scheduler`. The local executor's tasks are forks of the scheduler, so none of
them imports again what the scheduler has imported.
"""

import importlib
import runpy
import sys

# In this order: Cosmos cannot be imported before Airflow.
_OF_THE_TASKS = ("airflow.sdk.execution_time.task_runner", "cosmos", "dbt.cli.main")

if __name__ == "__main__":
    for module in _OF_THE_TASKS:
        importlib.import_module(module)
    sys.argv = ["airflow", "scheduler"]
    runpy.run_module("airflow", run_name="__main__")
