"""Judges a live run from its tables and the recorded results of its steps.

Nothing else is needed, so another process may judge the run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from psycopg2.extensions import connection

from angiogram.core.diagnose import OutputState
from angiogram.core.differences import Difference, Differences
from angiogram.core.findings import FindingKind, Notice
from angiogram.core.stage import Stage
from angiogram.core.stage_id import API, LOADER_STAGE, TOPIC, StageId, api_stage, loader_stage, topic_stage
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dye.checkpoints import Checkpoint, count_accounted, unverified_dye
from angiogram.dye.messages import Sent
from angiogram.judge.build.batches import incremental_models, untested_notice
from angiogram.judge.build.early_ends import forget_early_ends
from angiogram.judge.build.run_builds import LAST_BATCH, builds_of_run
from angiogram.judge.verdict import Evidence, judge, report
from angiogram.store.kept_differences import Kept
from angiogram.store.runs import Run


def judge_run(database: connection, run: Run, project: Project, seconds: float) -> dict[str, Any]:
    """Compare every model, find the blockage and return the report.

    Args:
        database: as role angiogram, in autocommit.
        run: the run, with the results of its steps.
        project: the project whose models were built.
        seconds: seconds since the run began.

    Returns:
        The report, see angiogram.judge.verdict.report.

    Raises:
        DbtFailed: the project cannot be read.
    """
    builds = builds_of_run(database, run, project.target)
    forget_early_ends(project, builds)
    evidence = Evidence(
        builds,
        LAST_BATCH,
        before_dbt=_stages_before_dbt(run),
        sent=[Sent.of(state) for state in run.step("inject").get("sent", [])],
        kept=Kept(database, run.run_id),
        notices=_untested(run, project),
        rows_in=lambda stage_id, stage: _rows_in(stage_id, stage, run),
    )
    judged = judge(database, project, evidence)
    # Counted once the judge has made the views of ephemeral models.
    evidence = replace(evidence, checkpoints=_checkpoints(database, run, project.nodes))
    seconds_by_step = {name: result["seconds"] for name, result in run.steps.items()}
    return report(run.run_id, project, judged, evidence, seconds, seconds_by_step)


def _stages_before_dbt(run: Run) -> dict[StageId, Stage]:
    """The stages before dbt, from the results of the checks."""
    inject, topic = run.step("inject"), run.step("check_topic")
    load, loaded = run.step("load"), run.step("check_loaded")
    nothing = {"count": 0, "first": []}
    api_found, topic_found = topic.get(API, nothing), topic.get(TOPIC, nothing)
    loader_found = loaded.get(LOADER_STAGE, nothing)
    topic_right = not (api_found["count"] or topic_found["count"])
    return {
        api_stage(): _stage_before_dbt(
            [],
            bool(topic),
            api_found,
            inject.get("published"),
            inject.get("seconds", 0.0),
            reason=inject.get("elsewhere"),
        ),
        topic_stage(): _stage_before_dbt(
            [api_stage()],
            bool(topic),
            topic_found,
            topic.get("in_kafka"),
            topic.get("seconds", 0.0),
            right=topic_right,
            reason=topic.get("obstacle"),
            kind=_kind(bool(topic.get("obstacle"))),
        ),
        loader_stage(): _stage_before_dbt(
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


def _stage_before_dbt(
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
