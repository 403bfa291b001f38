"""What Airflow reads in dags/, as JSON on stdout. A process of its own, since Airflow configures itself at import.

Also tells which heavy modules the files pull in beyond Airflow and Cosmos.
"""

import json
import sys
from pathlib import Path

import cosmos  # noqa: F401
from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).parents[2] / "dags"
HEAVY = ("dbt", "kafka", "psycopg2", "polars", "ingestion", "angiogram")


def main() -> None:
    """Import every file under dags/ and print what came of it."""
    before = set(sys.modules)
    sys.path.insert(0, str(DAGS))
    bag = DagBag(DAGS)
    dags = {
        dag_id: {
            "doc": dag.doc_md,
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "dagrun_timeout": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
            "timezone": str(dag.timezone),
            "schedule": dag.schedule,
            "owner": dag.owner,
            "tags": sorted(dag.tags),
            "tasks": {
                task.task_id: {
                    "retries": task.retries,
                    "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                    "trigger_rule": task.trigger_rule.value,
                    "teardown": task.is_teardown,
                    "upstream": sorted(task.upstream_task_ids),
                }
                for task in dag.tasks
            },
        }
        for dag_id, dag in bag.dags.items()
    }
    heavy = sorted({name.split(".")[0] for name in set(sys.modules) - before} & set(HEAVY))
    print(json.dumps({"errors": bag.import_errors, "dags": dags, "heavy": heavy}))


if __name__ == "__main__":
    main()
