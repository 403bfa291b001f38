"""A run fed from the input seeds: any dbt project's models on its dye, without Kafka, an API or a loader.

The seeds come in batch by batch, so that incremental models are built and then changed; every model is compared with
its expected seed after the last. What is blocked here is blocked in dbt.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.blame import Blame
from angiogram.compare import Comparison, compare
from angiogram.diagnose import OutputState
from angiogram.differences import Differences
from angiogram.errors import NotReady
from angiogram.limits import too_slow
from angiogram.project import BATCH, Node, Project
from angiogram.relations import columns, later_batches
from angiogram.runs import WAIT, Run, hold_tables, say_on_stderr
from angiogram.sensitivity.database import open_sessions, target_schema
from angiogram.stage import Stage, missing_stages, stage_row, state_of, unbuilt_stage
from angiogram.stage_id import LOADER_STAGE, from_json
from angiogram.target_relations import claim
from angiogram.trace import Tracer
from angiogram.verdict import conclude


def run_from_seeds(project: Project, wait: float = WAIT, say: Callable[[str], None] = say_on_stderr) -> Run:
    """Build the project on its input seeds and judge it.

    Args:
        project: opened with its dye taken from the seeds.
        wait: seconds to wait at most for whoever has the tables.
        say: told what is waited for.

    Returns:
        The run with its report, as angiogram.verdict.judge makes it; it is kept nowhere.

    Raises:
        DbtFailed: dbt ended before it built anything.
        NotReady: the profile names no PostgreSQL that lets its user in, or the project lacks the macro `differences`.
        NotTheDyes: dbt would write what is live, or what the dye did not make.
        RunInHand: another run, or build from the seeds, outlasted the wait. None begins while the tables are built.
        SeedError: the dye cannot be read.
    """
    started_at, begun = datetime.now(UTC), time.perf_counter()
    with tables_of(project, wait, say) as database:
        results = build(database, project)
        unloaded = _unloaded(results)
        stages = missing_stages(project) | {
            node.stage: _stage(database, project, node, results, unloaded) for node in project.nodes.values()
        }
        stages, health = Blame(database, project).judge(stages)
        failed = {name for name, stage in stages.items() if stage.state is OutputState.FAILED}
        tracer = Tracer(database, project.nodes, {}, failed)
        differences = [
            tracer.told(name, stage.differences) for name, stage in stages.items() if stage.differences.count
        ]
    rows = [stage_row(name, stages, health[name], project.max_seconds(name)) for name in stages]
    verdict = conclude(health, stages, [], notices=too_slow(rows))
    run_id = f"seeds-{started_at:%Y%m%dT%H%M%SZ}"
    report: dict[str, Any] = {
        "run_id": run_id,
        **verdict,
        "checkpoints": [],
        "stages": rows,
        "differences": differences,
        "seconds": round(time.perf_counter() - begun, 2),
        "seconds_by_step": {},
        "kept": False,
    }
    return Run(
        run_id=run_id,
        in_hand=False,
        batch=0,
        lease_until=None,
        owner=None,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        verdict=verdict["verdict"],
        blockage=from_json(verdict["blockage"]),
        report=report,
    )


@contextmanager
def tables_of(project: Project, wait: float, say: Callable[[str], None]) -> Iterator[connection]:
    """The dye's tables, for this session alone to build, and the session; see run_from_seeds."""
    with opened(project) as database:
        hold_tables(database, wait, say)
        claim(database, project, say)
        yield database


@contextmanager
def opened(project: Project) -> Iterator[connection]:
    """A session as the project's own profile opens it, in autocommit, closed at the end.

    Raises:
        NotReady: the profile names no PostgreSQL that lets its user in.
    """
    project.parse()  # dbt finds its profile only once it has run
    (database,) = open_sessions(project.directory, project.target, 1)
    with closing(database):
        database.autocommit = True
        yield database


def build(database: connection, project: Project) -> dict[str, Any]:
    """Load all seeds and build all models anew, batch by batch; dbt's last result of each node by its id.

    Raises:
        DbtFailed: dbt ended before it built anything.
        NotReady: a model that dbt may not build anew has rows in a schema that other targets may use.
    """
    results = {result.node.unique_id: result for result in project.invoke(["seed", "--full-refresh"])}
    _drop(database, _unloaded(results))
    _drop(database, _protected(database, project))
    for number, _ in enumerate(_batches(database, project)):
        command = ["run"] if number else ["run", "--full-refresh"]
        results |= {result.node.unique_id: result for result in project.invoke(command)}
    return results


def _unloaded(results: Mapping[str, Any]) -> dict[str, str]:
    """dbt's messages on the seeds that it could not load, by their tables, which hold the rows of an earlier run."""
    return {
        result.node.relation_name: result.message
        for result in results.values()
        if result.node.resource_type == "seed" and result.status == "error"
    }


def _protected(database: connection, project: Project) -> Iterator[str]:
    """Tables of models with full_refresh: false: dbt would leave the rows of an earlier run in them."""
    own = target_schema(project.directory, project.target)
    for node in project.manifest.nodes.values():
        if node.config.materialized != "incremental" or node.config.full_refresh is not False:
            continue
        if node.schema == own or node.schema.startswith(f"{own}_"):
            yield node.relation_name
            continue
        with database.cursor() as query:
            if columns(query, node.relation_name):
                raise NotReady(
                    f"{node.name} has full_refresh: false and rows in {node.relation_name}, which is no schema of "
                    f"target {project.target} alone ({own}, {own}_...). Drop the table if it may go, or set "
                    "full_refresh otherwise there."
                )


def _drop(database: connection, relations: Iterable[str]) -> None:
    with database.cursor() as query:
        for relation in relations:
            query.execute("select relkind in ('r', 'p') from pg_class where oid = to_regclass(%s)", (relation,))
            if query.fetchone() == (True,):
                query.execute(sql.SQL("drop table {} cascade").format(sql.SQL(relation)))  # as dbt does


def _batches(database: connection, project: Project) -> Iterator[None]:
    """Let the input seeds hold batch 1, then those up to the next one, and so on."""
    with database.cursor() as query:
        seeds = [node for node in project.nodes.values() if node.is_seed and BATCH in columns(query, node.relation)]
        taken = {1}
        for number, node in enumerate(seeds):
            # dbt names its relations quoted already.
            relation, kept = sql.SQL(node.relation), sql.Identifier("pg_temp", f"kept {number}")
            query.execute(
                sql.SQL("create temporary table {} as table {}").format(sql.Identifier(f"kept {number}"), relation)
            )
            taken |= later_batches(query, kept)
        for batch in sorted(taken):
            for number, node in enumerate(seeds):
                relation, kept = sql.SQL(node.relation), sql.Identifier("pg_temp", f"kept {number}")
                query.execute(sql.SQL("delete from {}").format(relation))
                query.execute(
                    sql.SQL("insert into {} select * from {} where coalesce({}, 1) <= %s").format(
                        relation, kept, sql.Identifier(BATCH)
                    ),
                    (batch,),
                )
            yield


def _stage(
    database: connection, project: Project, node: Node, results: dict[str, Any], unloaded: Mapping[str, str]
) -> Stage:
    result = results.get(node.unique_id)
    seconds = result.execution_time if result else 0.0
    reads = [above for above in node.reads if above != LOADER_STAGE]
    if result is None or result.status == "skipped":
        return Stage(reads, OutputState.SKIPPED, Differences(), None, seconds)
    if result.status == "error":
        return unbuilt_stage(reads, seconds, result.message)
    if node.is_seed and not node.key:
        return Stage(reads, OutputState.RIGHT, Differences(), None, seconds)
    if reason := unloaded.get(node.expected_relation or ""):
        return Stage(reads, OutputState.UNKNOWN, Differences(), None, seconds, f"its expected seed: {reason}")
    found: Comparison = compare(database, node, project.directory)
    return Stage(reads, state_of(found), found.differences, found.rows, seconds, found.obstacle, found.tolerated)
