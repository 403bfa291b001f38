"""Judges a run from its tables and the recorded results of its steps.

Nothing else is needed, so another process may judge the run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

from angiogram.core import findings
from angiogram.core.diagnose import OutputState, StageHealth
from angiogram.core.differences import Difference, Differences
from angiogram.core.findings import Finding, FindingKind, Notice
from angiogram.core.stage import WITH_OUTPUT, Stage, marked, stage_row
from angiogram.core.stage_id import (
    API,
    CHECKPOINT,
    LOADER_STAGE,
    MODEL,
    TOPIC,
    StageId,
    api_stage,
    as_json,
    loader_stage,
    topic_stage,
)
from angiogram.core.words import BLOCKED, COULD_NOT_RUN, HEALTHY
from angiogram.dbt.builds import Builds
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dye.checkpoints import Checkpoint, count_accounted, unverified_dye
from angiogram.dye.messages import Sent
from angiogram.judge.build.batches import incremental_models, untested_notice
from angiogram.judge.build.build_findings import build_findings
from angiogram.judge.build.node_stages import node_stages
from angiogram.judge.build.run_builds import LAST_BATCH, builds_of_run
from angiogram.judge.cause.blame import Blame
from angiogram.judge.compare import stored_positions
from angiogram.judge.compare.compare import compare
from angiogram.judge.compare.trace import Tracer
from angiogram.judge.guards import guards, live_columns, lost_views, production
from angiogram.judge.guards.changes import as_told
from angiogram.judge.guards.limits import too_slow
from angiogram.store.kept_differences import Kept
from angiogram.store.runs import Run
from angiogram.warehouse import ephemeral
from ingestion.settings.pipeline import pipeline

_NOTHING_WATCHED = (
    "No model is watched, so nothing was compared. Give one an expected seed and a test equals_expected that names its "
    "key: see docs/your-project.md."
)

SCHEMA_VERSION = 2
"""Version of the report's JSON, which docs/report.schema.json describes."""


def judge(database: connection, run: Run, project: Project, seconds: float) -> dict[str, Any]:
    """Compare every model, find the blockage and return the report.

    Args:
        database: as role angiogram, in autocommit.
        run: the run, with the results of its steps.
        project: the project whose models were built.
        seconds: seconds since the run began.

    Returns:
        The report: run_id, the result of `conclude`, checkpoints, stages, differences, production (see
        angiogram.judge.guards.production), seconds and seconds_by_step.

    Raises:
        DbtFailed: the project cannot be read.
    """
    nodes = project.nodes
    kept = Kept(database, run.run_id)
    sent = [Sent.of(state) for state in run.step("inject").get("sent", [])]
    builds = builds_of_run(database, run, project.target)
    stages = _way_stages(run) | _node_stages(database, project, kept, builds)
    stages, health = Blame(database, project, sent, kept).judge(stages)
    now = guards.present(database, project, [name for name, stage in stages.items() if stage.state in WITH_OUTPUT])
    found, notices = guards.judge(project, now, stages, health)
    stages, misplaced = stored_positions.check(database, project, stages, health, kept)
    tested = production.compare(database, nodes, project.target, pipeline(project.directory).name)
    of_live, told = as_told(live_columns.changes(database, nodes, tested, health))
    found, notices = [*found, *misplaced, *of_live], [*notices, *told]
    names = {str(place.number): place.name for place in sent}
    failed = {name for name, stage in stages.items() if stage.state is OutputState.FAILED}
    tracer = Tracer(database, nodes, names, failed)
    checkpoints = _checkpoints(database, run, nodes)
    rows = [
        stage_row(stage, stages, health[stage], project.max_seconds(stage), _rows_in(stage, stages[stage], run))
        for stage in stages
    ]
    report = conclude(
        health,
        stages,
        checkpoints,
        more=[*build_findings(project, builds, health), *found],
        notices=[
            *too_slow(rows),
            *tested.notices(),
            *_untested(run, project),
            *notices,
            *lost_views.notices(database, pipeline(project.directory).name),
        ],
    )
    steps = run.steps
    return (
        {"run_id": run.run_id}
        | report
        | {
            "checkpoints": [point.report() for point in checkpoints],
            "stages": marked(rows, found),
            "differences": [
                _difference_rows(name, stage.differences, tracer, kept)
                for name, stage in stages.items()
                if stage.differences.count
            ],
            "production": tested.report(),
            "seconds": round(seconds, 2),
            "seconds_by_step": {name: result["seconds"] for name, result in steps.items()},
        }
    )


def could_not_run(run_id: str | None, error: str) -> dict[str, Any]:
    """Return the report on a run that ended without a verdict.

    Args:
        run_id: the run's id. None if it has none.
        error: why there is no verdict.
    """
    return {
        **{"schema_version": SCHEMA_VERSION, "run_id": run_id, "verdict": COULD_NOT_RUN, "error": error},
        **{"blockage": [], "findings": [], "notices": []},
    }


def conclude(
    health: Mapping[StageId, StageHealth],
    stages: Mapping[StageId, Stage],
    checkpoints: Sequence[Checkpoint],
    more: Sequence[Finding] = (),
    notices: Sequence[Notice] = (),
) -> dict[str, Any]:
    """Return the verdict: blocked if anything is red, else healthy or no verdict.

    A run is healthy only if every watched stage is healthy and at least one model is watched.

    Args:
        health: the health of each stage.
        stages: the stages, each judged by itself.
        checkpoints: the counts that must agree.
        more: findings beyond those of stages and checkpoints.
        notices: what a reader should know in any case.

    Returns:
        schema_version, verdict, blockage, findings, notices and models. If something could not be judged and nothing is
        known to be blocked, also error. The blockage names a checkpoint only if it names nothing else.
    """
    red = [_finding(stage, stages[stage]) for stage, state in health.items() if state is StageHealth.BLOCKED]
    red += more
    tolerated = [_tolerated(stage, stages[stage]) for stage, state in health.items() if state is StageHealth.TOLERATED]
    lost = [_lost(point) for point in checkpoints if not point.holds]
    unjudged = [
        f"{stage} ({stages[stage].headline or 'it was not reached'})"
        for stage, state in health.items()
        if state in (StageHealth.NOT_COMPARED, StageHealth.NOT_REACHED)
    ]
    verdict = BLOCKED if red or lost else HEALTHY
    error = {}
    models = _models(health)
    if unjudged and not red:
        verdict, error = COULD_NOT_RUN, {"error": f"Could not compare {', '.join(unjudged)}."}
    elif verdict == HEALTHY and not models["watched"]:
        verdict, error = COULD_NOT_RUN, {"error": _NOTHING_WATCHED}
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict,
        "blockage": as_json(findings.blocked_stages(red or lost)) if verdict == BLOCKED else [],
        "findings": findings.as_json([*red, *lost]),
        "notices": findings.as_json([*tolerated, *notices]),
        "models": models,
        **error,
    }


_NOTHING_TO_COMPARE = (
    StageHealth.NOT_COMPARED,
    StageHealth.NOT_REACHED,
    StageHealth.NOT_BUILT,
    StageHealth.NOT_WATCHED,
)


def _models(health: Mapping[StageId, StageHealth]) -> dict[str, int]:
    """Count the models, and those whose output was compared."""
    models = [state for stage, state in health.items() if stage.kind == MODEL]
    compared = [state for state in models if state not in _NOTHING_TO_COMPARE]
    return {"watched": len(compared), "total": len(models)}


def _finding(stage: StageId, found: Stage) -> Finding:
    """Finding for a blocked stage."""
    text = found.headline or f"{_many(found)} from what is expected"
    text = f"{text.rstrip('.')}. {found.hint}" if found.hint else text
    kind = FindingKind.BUILD if found.state is OutputState.FAILED else found.kind
    return Finding(kind, stage, text, found.file, found.line)


def _tolerated(stage: StageId, found: Stage) -> Notice:
    """Notice for a stage whose test tolerates its differences."""
    return Notice(
        "tolerated",
        f"{stage} has {_many(found)} from what is expected; its test equals_expected has {found.tolerated}, so "
        "that does not block.",
    )


def _many(found: Stage) -> str:
    count = found.differences.count
    return f"{count} difference{'s' if count != 1 else ''}"


def _lost(point: Checkpoint) -> Finding:
    return Finding(FindingKind.CHECKPOINT, StageId(CHECKPOINT, point.name), point.finding)


def _way_stages(run: Run) -> dict[StageId, Stage]:
    """The stages before dbt, from the results of the checks."""
    inject, topic = run.step("inject"), run.step("check_topic")
    load, loaded = run.step("load"), run.step("check_loaded")
    nothing = {"count": 0, "first": []}
    api_found, topic_found = topic.get(API, nothing), topic.get(TOPIC, nothing)
    loader_found = loaded.get(LOADER_STAGE, nothing)
    topic_right = not (api_found["count"] or topic_found["count"])
    return {
        api_stage(): _way_stage(
            [],
            bool(topic),
            api_found,
            inject.get("published"),
            inject.get("seconds", 0.0),
            reason=inject.get("elsewhere"),
        ),
        topic_stage(): _way_stage(
            [api_stage()],
            bool(topic),
            topic_found,
            topic.get("in_kafka"),
            topic.get("seconds", 0.0),
            right=topic_right,
            reason=topic.get("obstacle"),
            kind=_kind(bool(topic.get("obstacle"))),
        ),
        loader_stage(): _way_stage(
            [topic_stage()],
            bool(loaded),
            loader_found,
            loaded["loaded"] + loaded["dead_letters"] if loaded else None,
            load.get("seconds", 0.0) + loaded.get("seconds", 0.0),
            reason=load.get("behind"),
            kind=_kind(load.get("is_held", False)),
        ),
    }


def _kind(is_held: bool) -> FindingKind:
    """Kind of finding of a stage before dbt.

    An open transaction makes counts unequal, but no output wrong.
    """
    return FindingKind.CHECKPOINT if is_held else FindingKind.OUTPUT


def _way_stage(
    reads: list[StageId],
    reached: bool,
    found: Mapping[str, Any],
    rows: int | None,
    seconds: float,
    right: bool = True,
    reason: str | None = None,
    kind: FindingKind = FindingKind.OUTPUT,
) -> Stage:
    differences = Differences(found["count"], [Difference(**difference) for difference in found["first"]])
    state = OutputState.RIGHT if right and not differences.count else OutputState.WRONG
    return Stage(reads, state if reached else OutputState.SKIPPED, differences, rows, seconds, reason, kind=kind)


def _node_stages(database: connection, project: Project, kept: Kept, builds: Builds) -> dict[StageId, Stage]:
    """Reference seeds and models, from dbt's results and the comparison with expected seeds."""
    return node_stages(
        project,
        builds,
        LAST_BATCH,
        ephemeral.show(database, project, builds),
        lambda node: compare(database, node, project.directory, kept, node.stage),
    )


def _untested(run: Run, project: Project) -> list[Notice]:
    """Notices that incremental models met no later batch, if the dye has only one."""
    models = incremental_models(project.manifest)
    return [untested_notice(models)] if models and run.step("inject").get("batches", LAST_BATCH) < LAST_BATCH else []


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
        unverified_dye(database),
    ]


def _rows_in(stage_id: StageId, stage: Stage, run: Run) -> int | None:
    """Rows given to a stage before dbt. For other stages, those that they read tell."""
    if stage_id == api_stage():
        return len(run.step("inject").get("sent", []))
    loaded: int | None = run.step("check_loaded").get("loaded") if loader_stage() in stage.reads else None
    return loaded


def _difference_rows(stage: StageId, differences: Differences, tracer: Tracer, kept: Kept) -> dict[str, Any]:
    tracer.name_messages(kept, stage)
    return {"stage": stage.as_json(), "count": differences.count, "first": kept.first(stage)}
