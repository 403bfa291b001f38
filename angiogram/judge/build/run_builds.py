"""What dbt built in a run: as each command noted it in the database, and what this package heard besides."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.dbt.builds import Builds
from angiogram.dbt.command import NodeResult, Outcome
from angiogram.dbt.project_file import results_relation
from angiogram.store.runs import Run

LAST_BATCH = 2
"""The batch after which the expected seeds tell what every model holds."""


def builds_of_run(database: connection, run: Run, target: str) -> Builds:
    """What became of each node in each batch of a run.

    dbt notes its results at the end of each command (dbt_project/macros/record_node_results.sql), so that a process of
    its own, as a task of Airflow, tells as much as this one. The steps of the run add what such a note cannot hold: the
    hooks that come after it, what the batches of a microbatch model failed at, and dbt's exit code.

    Args:
        database: as role angiogram.
        run: with the results of its steps.
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
                if batch is not None:  # else of an earlier try of the first batch
                    builds.add_results(batch, [NodeResult(*result)])
    for batch in sorted(map(int, taken_at)):
        told = run.step(f"build_batch_{batch}").get("dbt") or {"is_unexplained": False, "results": []}
        builds.add_results(batch, [replace(NodeResult(**result), seconds=0.0) for result in told["results"]])
        builds.is_unexplained |= told["is_unexplained"]
    return builds


def heard(outcome: Outcome, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a step adds to the note of a build, as JSON.

    Args:
        outcome: of dbt's command.
        before: what the step added earlier, of a build of which this one built a part again.
    """
    now = {result.unique_id for result in outcome.results}
    earlier = [result for result in (before or {}).get("results", []) if result["unique_id"] not in now]
    unsuccessful = [asdict(result) for result in outcome.results if not result.is_success]
    return {
        "is_unexplained": bool((before or {}).get("is_unexplained")) or outcome.is_unexplained,
        "results": [*earlier, *unsuccessful],
    }
