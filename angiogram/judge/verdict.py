"""Judges what a run built and writes its report, live or from the seeds.

A live run (live_run.py) brings stages before dbt and checkpoints, and keeps all its differences; a run from the seeds
(from_seeds.py) has none of these. All else is the same for both, and stands here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from angiogram.core import findings
from angiogram.core.diagnose import OutputState, StageHealth
from angiogram.core.differences import Differences
from angiogram.core.findings import Finding, FindingKind, Notice
from angiogram.core.stage import WITH_OUTPUT, Stage, marked, stage_row
from angiogram.core.stage_id import CHECKPOINT, MODEL, StageId, as_json, loader_stage
from angiogram.core.words import BLOCKED, COULD_NOT_RUN, HEALTHY
from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.dye.checkpoints import Checkpoint
from angiogram.dye.messages import Sent
from angiogram.judge.build.build_findings import build_findings, wrong_tests
from angiogram.judge.build.node_stages import node_stages, within
from angiogram.judge.cause.blame import Blame
from angiogram.judge.compare import stored_positions
from angiogram.judge.compare.compare import compare
from angiogram.judge.compare.trace import Tracer
from angiogram.judge.guards import guards, live_columns, lost_views, production
from angiogram.judge.guards.changes import as_told
from angiogram.judge.guards.limits import too_slow
from angiogram.judge.provenance import NOTHING_KNOWN, Provenance
from angiogram.store.kept_differences import Kept
from angiogram.store.local import SomeKept
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.views import ephemeral, snapshots
from ingestion.settings.pipeline import pipeline

_NOTHING_OF_THEM_WATCHED = (
    "None of the selected models is watched, so nothing was compared. Select one that has an expected seed: `angiogram "
    "coverage` lists them."
)
_NOTHING_WATCHED = "No model is watched, so nothing was compared. Give one an expected seed: see docs/your-project.md."

SCHEMA_VERSION = 2
"""Version of the report's JSON, which docs/report.schema.json describes."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run leaves to the judge.

    Attributes:
        builds: the build result of each node.
        last_batch: the batch that completes the input.
        before_dbt: the stages before dbt. Empty if the models read the input seeds.
        sent: where the broker put each dye message. Empty if the models read the input seeds.
        kept: where all differences are kept, in a live run. None: they are not kept.
        checkpoints: the counts that must agree.
        notices: what the batches leave untested.
        rows_in: rows given to a stage. None: those that the stages above it produced.
        selection: what was selected, as a report holds it. None: everything.
    """

    builds: Builds
    last_batch: int
    before_dbt: Mapping[StageId, Stage] = field(default_factory=dict)
    sent: Sequence[Sent] = ()
    kept: SomeKept | None = None
    checkpoints: Sequence[Checkpoint] = ()
    notices: Sequence[Notice] = ()
    rows_in: Callable[[StageId, Stage], int | None] = lambda stage_id, stage: None
    selection: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """How the outputs of a run were judged.

    Attributes:
        stages: the stages, each judged by itself.
        health: the health of each stage.
        findings: findings beyond the outputs: surface, watch, live SQL, stored positions.
        notices: what a reader should know in any case.
        differences: the differences of each stage, as a report holds them.
        production: what production runs beside what the dye tested, as a report holds it. None if live builds keep no
            notes in this database.
    """

    stages: Mapping[StageId, Stage]
    health: Mapping[StageId, StageHealth]
    findings: Sequence[Finding] = ()
    notices: Sequence[Notice] = ()
    differences: Sequence[Mapping[str, Any]] = ()
    production: Mapping[str, Any] | None = None


def judge(database: Warehouse, project: Project, evidence: Evidence) -> Judged:
    """Compare every model with its expected seed and find the blockage.

    Args:
        database: as the role of the dye target, in autocommit.
        project: the project whose models were built.
        evidence: what the run left.

    Raises:
        DbtFailed: the project cannot be read.
        SeedError: the dye cannot be read.
        InvalidSurface: the accepted surface cannot be read.
    """
    name, kept = pipeline(project.directory).name, evidence.kept
    stages, health = Blame(database, project, evidence.sent, kept).judge(_stages(database, project, evidence))
    now = guards.present(database, project, [stage for stage, is_ in stages.items() if is_.state in WITH_OUTPUT])
    found, notices = guards.judge(project, now, stages, health)
    found = [*wrong_tests(stages), *found]
    is_live = isinstance(kept, Kept)
    if isinstance(kept, Kept):
        stages, misplaced = stored_positions.check(database, project, stages, health, kept)
        found = [*found, *misplaced]
    tested = None
    # A live run is kept in the database that holds these notes. A selected one tests too little to be compared.
    if is_live or (project.part is None and production.is_noted(database)):
        tested = production.compare(database, project.nodes, project.target, name)
        of_live, told = as_told(live_columns.changes(database, project.nodes, tested, health))
        found, notices = [*found, *of_live], [*tested.notices(), *notices, *told]
    names = {str(message.number): message.name for message in evidence.sent}
    failed = {stage for stage, is_ in stages.items() if is_.state is OutputState.FAILED}
    tracer = Tracer(database, project.nodes, names, failed)
    return Judged(
        stages,
        health,
        found,
        [*notices, *lost_views.notices(database, name)],
        [
            _difference_rows(stage, is_.differences, tracer, kept)
            for stage, is_ in stages.items()
            if is_.differences.count
        ],
        tested.report() if tested else None,
    )


def report(
    run_id: str,
    project: Project,
    judged: Judged,
    evidence: Evidence,
    seconds: float,
    seconds_by_step: Mapping[str, float],
) -> dict[str, Any]:
    """Return the report of a run, see docs/report.schema.json.

    Args:
        run_id: the run's id.
        project: the project whose models were built.
        judged: how its outputs were judged.
        evidence: what the run left.
        seconds: seconds since the run began.
        seconds_by_step: seconds that each step of the run took.
    """
    rows = [
        stage_row(
            stage_id,
            judged.stages,
            judged.health[stage_id],
            project.max_seconds(stage_id),
            evidence.rows_in(stage_id, stage),
        )
        for stage_id, stage in judged.stages.items()
    ]
    return {
        "run_id": run_id,
        **conclude(
            judged.health,
            judged.stages,
            evidence.checkpoints,
            more=[*build_findings(project, evidence.builds, judged.health), *judged.findings],
            notices=[*too_slow(rows), *evidence.notices, *judged.notices],
            left_out=[entry.model for entry in project.settings.left_out],
            provenance=Provenance.of(project, judged.stages),
            nothing_watched=_NOTHING_OF_THEM_WATCHED if evidence.selection else _NOTHING_WATCHED,
        ),
        **({"selection": dict(evidence.selection)} if evidence.selection else {}),
        "checkpoints": [point.report() for point in evidence.checkpoints],
        "stages": marked(rows, judged.findings),
        "differences": list(judged.differences),
        **({} if judged.production is None else {"production": judged.production}),
        "seconds": round(seconds, 2),
        "seconds_by_step": dict(seconds_by_step),
    }


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
    left_out: Collection[str] = (),
    provenance: Provenance = NOTHING_KNOWN,
    nothing_watched: str = _NOTHING_WATCHED,
) -> dict[str, Any]:
    """Return the verdict: blocked if anything is red, else healthy or no verdict.

    A run is healthy only if every watched stage is healthy and at least one model is watched.

    Args:
        health: the health of each stage.
        stages: the stages, each judged by itself.
        checkpoints: the counts that must agree.
        more: findings beyond those of stages and checkpoints.
        notices: what a reader should know in any case.
        left_out: models that are not to be compared, by angiogram.yml.
        provenance: which expected seeds are recorded, and which wait for their first rows.
        nothing_watched: what to say if no model is watched.

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
    models = _models(health, left_out, provenance)
    if unjudged and not red:
        verdict, error = COULD_NOT_RUN, {"error": f"Could not compare {', '.join(unjudged)}."}
    elif verdict == HEALTHY and not models["watched"]:
        verdict, error = COULD_NOT_RUN, {"error": provenance.to_accept or nothing_watched}
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict,
        "blockage": as_json(findings.blocked_stages(red or lost)) if verdict == BLOCKED else [],
        "findings": findings.as_json([*red, *lost]),
        "notices": findings.as_json([*tolerated, *notices, *provenance.notices()]),
        "models": models,
        **error,
    }


_NOTHING_TO_COMPARE = (
    StageHealth.NOT_COMPARED,
    StageHealth.NOT_REACHED,
    StageHealth.NOT_BUILT,
    StageHealth.NOT_WATCHED,
)


def _models(health: Mapping[StageId, StageHealth], left_out: Collection[str], provenance: Provenance) -> dict[str, int]:
    """Count the models, those that were compared, and those left out or recorded, if any."""
    models = {stage.name: state for stage, state in health.items() if stage.kind == MODEL}
    compared = [state for state in models.values() if state not in _NOTHING_TO_COMPARE]
    apart = [name for name in left_out if models.get(name) is StageHealth.NOT_WATCHED]
    counts = {"watched": len(compared), "total": len(models), **({"left_out": len(apart)} if apart else {})}
    those = [models.get(stage.name) for stage in provenance.recorded if stage.kind == MODEL]
    if recorded := sum(state in compared for state in those):
        counts |= {"worked_out": len(compared) - recorded, "recorded": recorded}
    return counts


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


def _stages(database: Warehouse, project: Project, evidence: Evidence) -> dict[StageId, Stage]:
    """The stages before dbt, then seeds and models as built and as compared."""
    snapshots.show(database, project)
    of_nodes = node_stages(
        project,
        evidence.builds,
        evidence.last_batch,
        ephemeral.show(database, project, evidence.builds),
        lambda node: compare(database, node, project.directory, evidence.kept, node.stage),
    )
    if project.part:
        of_nodes = within(of_nodes)
    if loader_stage() not in evidence.before_dbt:
        of_nodes = {name: replace(stage, reads=_without_loader(stage)) for name, stage in of_nodes.items()}
    return {**evidence.before_dbt, **of_nodes}


def _without_loader(stage: Stage) -> list[StageId]:
    return [above for above in stage.reads if above != loader_stage()]


def _difference_rows(stage: StageId, differences: Differences, tracer: Tracer, kept: SomeKept | None) -> dict[str, Any]:
    """A stage's differences for the report: the count, and the first ones with their messages."""
    if kept is None:
        return tracer.told(stage, differences)
    tracer.name_messages(kept, stage)
    return {"stage": stage.as_json(), "count": differences.count, "first": kept.first(stage)}
