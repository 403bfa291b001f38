"""`sandbox airflow`: Airflow on the sandbox, and its DAGs from the command line."""

import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sandbox.airflow.airflow import USER, Airflow
from sandbox.airflow.runs import DagRuns, TaskRun
from sandbox.services import Sandbox

app = typer.Typer(help="Airflow on the sandbox's PostgreSQL: web page, scheduler, DAGs.", no_args_is_help=True)

_LOG_LINES = 30


@app.command()
def up() -> None:
    """Start PostgreSQL, Kafka and Airflow, and print the web page's address and the login."""
    airflow = Airflow(Sandbox())
    print("Starting Airflow", file=sys.stderr)
    airflow.up()
    print(f"Airflow is up: {airflow.url}  user {USER}  password {airflow.password}")


@app.command()
def down() -> None:
    """Stop Airflow. Its records are kept."""
    Airflow(Sandbox()).stop()
    print("Airflow is stopped", file=sys.stderr)


@app.command()
def run(dag_ids: Annotated[list[str], typer.Argument(metavar="DAG...", help="DAGs, run one after the other.")]) -> None:
    """Run DAGs in Airflow, which is started if necessary.

    Exit code: 0 all succeeded, 1 one failed, 2 could not run.
    """
    begun = time.monotonic()
    airflow = Airflow(Sandbox())
    print("Starting Airflow", file=sys.stderr)
    airflow.up()
    print(f"Airflow is up after {time.monotonic() - begun:.0f} s: {airflow.url}", file=sys.stderr)
    with DagRuns(airflow) as runs:
        for dag_id in dag_ids:
            if not _run(runs, dag_id):
                raise typer.Exit(1)


def _run(runs: DagRuns, dag_id: str) -> bool:
    begun = time.monotonic()
    run_id = runs.trigger(dag_id)
    print(f"DAG {dag_id}, run {run_id}", file=sys.stderr)
    told: dict[str, str | None] = {}
    tasks: list[TaskRun] = []
    state = ""
    try:
        for seen in runs.follow(dag_id, run_id):
            state, tasks = seen
            for task in tasks:
                if task.state != told.get(task.name) and task.state not in (None, "scheduled", "queued"):
                    print(f"  {time.monotonic() - begun:6.1f} s  {task.name}: {task.state}", file=sys.stderr)
                    told[task.name] = task.state
    except KeyboardInterrupt:
        print(f"Stopping DAG {dag_id} and waiting for its clean-up", file=sys.stderr)
        runs.end(dag_id, run_id)
        raise
    for task in tasks:
        if task.state == "failed":
            print(f"\nThe end of the log of {task.name}:", file=sys.stderr)
            print("\n".join(runs.log(dag_id, run_id, task)[-_LOG_LINES:]), file=sys.stderr)
    Console().print(_table(dag_id, state, tasks, time.monotonic() - begun))
    return state == "success"


def _table(dag_id: str, state: str, tasks: list[TaskRun], seconds: float) -> Table:
    table = Table("task", "state", "seconds", title=f"{dag_id}: {state} after {seconds:.0f} s", title_justify="left")
    table.columns[2].justify = "right"
    for task in sorted(tasks, key=lambda task: (task.started is None, task.started)):
        table.add_row(task.name, task.state or "-", "-" if task.seconds is None else f"{task.seconds:.1f}")
    return table
