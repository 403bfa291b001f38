"""What dbt built in a run, from dbt's notes in the database and the results of the steps."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.dbt.builds import Builds
from angiogram.dbt.project_file import results_relation
from angiogram.dbt.runner.results import NodeResult, Outcome
from angiogram.store.runs import Run

LAST_BATCH = 2
"""The batch after which every model should equal its expected seed."""


def builds_of_run(database: connection, run: Run, target: str) -> Builds:
    """Return the build result of each node in each batch of a run.

    dbt writes its results to the database at the end of each command (dbt_package/macros/record_node_results.sql). So a
    separate process, such as an Airflow task, reports as much as this one. The steps of the run add what dbt's notes
    cannot hold: hooks that run afterwards, failures of single batches of a microbatch model, and dbt's exit code.

    Args:
        database: as role angiogram.
        run: the run, with the results of its steps.
        target: the dye target.
    """
    builds = Builds()
    taken_at = run.batches_taken_at
    relation = results_relation(target)
    with database.cursor() as query:
        query.execute("select to_regclass(%s) is not null", (relation,))
        if query.fetchone() == (True,):
            query.execute(
                sql.SQL(
                    "select unique_id, name, resource_type, status, message, seconds::float8,"
                    " (select max(taken.batch::int) from jsonb_each_text(%s) as taken (batch, taken_at)"
                    " where taken.taken_at::timestamptz < recorded_at)"
                    " from {} order by recorded_at"
                ).format(sql.SQL(relation)),
                (Json(taken_at),),
            )
            for *result, batch in query.fetchall():
                if batch is not None:  # None: an earlier attempt at the first batch
                    builds.add_results(batch, [NodeResult(*result)])
    for batch in sorted(map(int, taken_at)):
        told = run.step(f"build_batch_{batch}").get("dbt") or {"is_unexplained": False, "results": []}
        builds.add_results(batch, [replace(NodeResult(**result), seconds=0.0) for result in told["results"]])
        builds.is_unexplained |= told["is_unexplained"]
    return builds


def heard(outcome: Outcome, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a step adds to dbt's notes on a build, as JSON.

    Args:
        outcome: the outcome of dbt's command.
        before: what the step added for an earlier build that this one partly repeated.
    """
    now = {result.unique_id for result in outcome.results}
    earlier = [result for result in (before or {}).get("results", []) if result["unique_id"] not in now]
    unsuccessful = [asdict(result) for result in outcome.results if not result.is_success]
    return {
        "is_unexplained": bool((before or {}).get("is_unexplained")) or outcome.is_unexplained,
        "results": [*earlier, *unsuccessful],
    }
