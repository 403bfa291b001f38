"""Loads files of rides into the raw tables on request: Parquet, CSV and NDJSON.

Trigger it with the folder, as the workers see it. **The task `no_bad_files` fails if there is a bad file, and names it;
the rest is loaded.** Triggered again, it loads only what is not loaded yet. `count_before` and `count_after` store the
number of rows in the raw tables that came from files (XCom).

By hand: `ingestion bulk-load DIR` does the same without Airflow.
"""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

import dag_defaults
from task_log import log_lines


@dag(
    dag_id="bulk_load",
    schedule=None,
    dagrun_timeout=timedelta(hours=4),
    default_args=dag_defaults.tasks(retries=1, pause=timedelta(seconds=30), within=timedelta(hours=3)),
    params={
        "folder": Param(type="string", minLength=1, description="Folder of the files."),
        "replace_day": Param(
            None,
            type=["null", "string"],
            format="date",
            description="Load only the files whose path names this day, and replace that day's earlier files.",
        ),
    },
    tags=["taxi", "live"],
    doc_md=__doc__,
    **dag_defaults.DAG,
)
def bulk_load() -> None:
    @task(doc_md="Count the rows that came from files, before the load.")
    def count_before() -> dict[str, int]:
        from ingestion.bulk.counts import row_counts

        return row_counts()

    @task(doc_md="Load the files. Returns the command's report.")
    def load(params: dict[str, Any]) -> dict[str, Any]:
        # A separate process: the command forks its workers, and a task's process has too many threads for that.
        command = [str(Path(sys.executable).with_name("ingestion")), "bulk-load", params["folder"]]
        if params["replace_day"]:
            command += ["--replace-day", params["replace_day"]]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  # no shell reads it
        if done.returncode not in (0, 1) or not done.stdout:  # 1: bad files, which the last task reports
            done.check_returncode()
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    @task(doc_md="Count the rows that came from files, after the load, and how many are new.")
    def count_after(before: dict[str, int]) -> dict[str, dict[str, int]]:
        from ingestion.bulk.counts import row_counts

        after = row_counts()
        more = {name: after[name] - before[name] for name in after}
        log_lines(f"Rows of files before {before}, after {after}: {more} more.")
        return {"before": before, "after": after, "more": more}

    @task(retries=0, doc_md="Fails if a file was bad, and names it.")
    def no_bad_files(report: dict[str, Any]) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        if bad := report["bad_files"]:
            listed = "\n".join(f"{name}: {reason}" for name, reason in sorted(bad.items()))
            raise AirflowFailException(f"{len(bad)} bad files of {report['found']}. The rest is loaded.\n{listed}")

    before = count_before()
    report = load()  # type: ignore[call-arg]  # Airflow gives params
    before >> report >> count_after(before) >> no_bad_files(report)


bulk_load()
