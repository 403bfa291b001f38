"""The verdict on a run, from its tables and what its steps left behind; it needs nothing from this process's past."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

from angiogram import production
from angiogram.blame import Blame
from angiogram.checkpoints import Checkpoint, count_accounted
from angiogram.compare import compare
from angiogram.diagnose import Finding, Health, in_order
from angiogram.differences import Difference, Differences
from angiogram.kept import Kept
from angiogram.limits import is_too_slow, too_slow
from angiogram.project import LOADER, Node, Project
from angiogram.runs import Run
from angiogram.stage import Stage, finding_of, missing_stages, stage_row, unbuilt_stage
from angiogram.trace import Tracer

API, TOPIC = "api", "topic"

LAST_BATCH = 2
"""The batch after which the expected seeds tell what every model holds."""

HEALTHY, BLOCKED, COULD_NOT_RUN = "healthy", "blocked", "could_not_run"
"""The verdicts."""


def judge(database: connection, run: Run, project: Project, seconds: float) -> dict[str, Any]:
    """Compare every model, find the blockage, and write it all down.

    Args:
        database: as role angiogram, in autocommit.
        run: with the results of its steps.
        project: whose models were built.
        seconds: since the run began.

    Returns:
        The report: run_id, verdict, blockage, checkpoints, stages, differences, warnings (which make no verdict),
        production (see angiogram.production), seconds, seconds_by_step and, if not all could be judged, error.

    Raises:
        DbtFailed: the project cannot be read.
    """
    nodes = project.nodes
    kept = Kept(database, run.run_id)
    stages, health = Blame(database, project, run).judge(_way_stages(run) | _node_stages(database, project, kept, run))
    names = {str(sent["ride_number"]): sent["name"] for sent in run.step("inject").get("sent", [])}
    failed = {name for name, stage in stages.items() if stage.finding is Finding.FAILED}
    tracer = Tracer(database, nodes, names, failed)
    checkpoints = _checkpoints(database, run, nodes)
    report = conclude(health, {name: stage.headline for name, stage in stages.items()}, checkpoints)
    rows = [
        stage_row(name, stages, health[name], project.max_seconds(name), _rows_in(name, stages[name], run))
        for name in in_order(_reads(stages))
    ]
    tested = production.compare(database, nodes)
    steps = run.report.get("steps", {})
    return (
        {"run_id": run.run_id}
        | report
        | {
            "checkpoints": [point.report() for point in checkpoints],
            "stages": rows,
            "differences": {
                name: _difference_rows(name, stage.differences, tracer, kept)
                for name, stage in stages.items()
                if stage.differences.count
            },
            "warnings": [*map(too_slow, filter(is_too_slow, rows)), *tested.warnings()],
            "production": tested.report(),
            "seconds": round(seconds, 2),
            "seconds_by_step": {name: result["seconds"] for name, result in steps.items()},
        }
    )


def conclude(
    health: Mapping[str, Health], reasons: Mapping[str, str | None], checkpoints: Sequence[Checkpoint]
) -> dict[str, Any]:
    """The verdict: blocked if a stage is, or else a checkpoint does not hold; healthy only if every stage is.

    Args:
        health: of each stage.
        reasons: why a stage is not right, where known.
        checkpoints: the counts that must agree.

    Returns:
        verdict, blockage and, if something could not be judged and nothing is known to be blocked, error.
    """
    blockage = [name for name, state in health.items() if state is Health.BLOCKED]
    blockage = blockage or [point.name for point in checkpoints if not point.holds]
    unjudged = [
        f"{name} ({reasons.get(name) or 'it was not reached'})"
        for name, state in health.items()
        if state in (Health.NOT_COMPARED, Health.NOT_REACHED)
    ]
    if unjudged and all(state is not Health.BLOCKED for state in health.values()):
        error = f"Could not compare {', '.join(unjudged)}."
        return {"verdict": COULD_NOT_RUN, "blockage": [], "error": error}
    return {"verdict": BLOCKED if blockage else HEALTHY, "blockage": blockage}


def _reads(stages: Mapping[str, Stage]) -> dict[str, list[str]]:
    return {name: stage.reads for name, stage in stages.items()}


def _way_stages(run: Run) -> dict[str, Stage]:
    """The stages before dbt, from what the checks found."""
    inject, topic = run.step("inject"), run.step("check_topic")
    load, loaded = run.step("load"), run.step("check_loaded")
    nothing = {"count": 0, "first": []}
    api_found, topic_found = topic.get(API, nothing), topic.get(TOPIC, nothing)
    loader_found = loaded.get(LOADER, nothing)
    topic_right = not (api_found["count"] or topic_found["count"])
    return {
        API: _way_stage([], bool(topic), api_found, inject.get("published"), inject.get("seconds", 0.0)),
        TOPIC: _way_stage(
            [API], bool(topic), topic_found, topic.get("in_kafka"), topic.get("seconds", 0.0), right=topic_right
        ),
        LOADER: _way_stage(
            [TOPIC],
            bool(loaded),
            loader_found,
            loaded["loaded"] + loaded["dead_letters"] if loaded else None,
            load.get("seconds", 0.0) + loaded.get("seconds", 0.0),
            reason=load.get("behind"),
        ),
    }


def _way_stage(
    reads: list[str],
    reached: bool,
    found: Mapping[str, Any],
    rows: int | None,
    seconds: float,
    right: bool = True,
    reason: str | None = None,
) -> Stage:
    differences = Differences(found["count"], [Difference(**difference) for difference in found["first"]])
    finding = Finding.RIGHT if right and not differences.count else Finding.WRONG
    return Stage("way", reads, finding if reached else Finding.SKIPPED, differences, rows, seconds, reason)


def _node_stages(database: connection, project: Project, kept: Kept, run: Run) -> dict[str, Stage]:
    """Reference seeds and models, from dbt's own record and the comparison with the expected seeds."""
    results = _node_results(database, run)
    stages = missing_stages(project)
    for name, node in project.nodes.items():
        status, message, seconds, of_last_batch = results.get(node.unique_id, (None, None, 0.0, False))
        kind = "reference" if node.is_seed else "model"
        if status == "error":
            stages[name] = unbuilt_stage(kind, node.reads, seconds, message)
        elif status in (None, "skipped") or not (node.is_seed or of_last_batch):
            stages[name] = Stage(kind, node.reads, Finding.SKIPPED, Differences(), None, seconds)
        elif node.is_seed and not node.key:
            stages[name] = Stage(kind, node.reads, Finding.RIGHT, Differences(), None, seconds)
        else:
            comparison = compare(database, node, project.directory, kept, name)
            stages[name] = Stage(
                kind,
                node.reads,
                finding_of(comparison),
                comparison.differences,
                comparison.rows,
                seconds,
                comparison.obstacle,
            )
    return stages


def _node_results(database: connection, run: Run) -> dict[str, tuple[str, str | None, float, bool]]:
    """Of each node dbt's last status and message, the seconds of all its builds in this run, and whether it saw it all.

    A model that was last built before the last batch was in hand holds less than is expected, and is no less right.
    """
    with database.cursor() as query:
        query.execute("select to_regclass('angiogram_results.node_results') is null")
        if query.fetchall()[0][0]:
            return {}
        query.execute(
            "select distinct on (unique_id) unique_id, status, message,"
            " (sum(seconds) over (partition by unique_id))::float8, coalesce(recorded_at > %s::timestamptz, false)"
            " from angiogram_results.node_results order by unique_id, recorded_at desc",
            (run.report.get("batch_taken_at") if run.batch == LAST_BATCH else None,),
        )
        return {unique_id: tuple(result) for unique_id, *result in query.fetchall()}


def _checkpoints(database: connection, run: Run, nodes: Mapping[str, Node]) -> list[Checkpoint]:
    published = run.step("inject").get("published", 0)
    loaded = run.step("check_loaded")
    accounts = {node.accounts_for: node.relation for node in nodes.values() if node.accounts_for}
    return [
        Checkpoint("published = in Kafka", published, {"in_kafka": run.step("check_topic").get("in_kafka")}),
        Checkpoint(
            "published = loaded + dead letters",
            published,
            {"loaded": loaded.get("loaded"), "dead_letters": loaded.get("dead_letters")},
        ),
        Checkpoint(
            "loaded = accepted + superseded + rejected", loaded.get("loaded", 0), count_accounted(database, accounts)
        ),
    ]


def _rows_in(name: str, stage: Stage, run: Run) -> int | None:
    """What a stage of the way was given; of any other the stages that it reads tell."""
    if name == API:
        return len(run.step("inject").get("sent", []))
    loaded: int | None = run.step("check_loaded").get("loaded") if LOADER in stage.reads else None
    return loaded


def _difference_rows(name: str, differences: Differences, tracer: Tracer, kept: Kept) -> dict[str, Any]:
    tracer.name_rides(kept, name)
    return {"count": differences.count, "first": kept.first(name)}
