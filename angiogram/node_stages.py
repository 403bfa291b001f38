"""The dbt nodes as stages: how each was built, and what a comparison with its expected seed says of it."""

from collections.abc import Callable
from dataclasses import replace

from angiogram.builds import Builds
from angiogram.dbt_command import NodeResult
from angiogram.diagnose import OutputState
from angiogram.differences import Comparison, Differences
from angiogram.nodes import Node
from angiogram.project import Project
from angiogram.source_places import place_of
from angiogram.stage import Stage, state_of, unbuilt_stage
from angiogram.stage_id import EXPECTED, LOADER_STAGE, MODEL, SEED, StageId


def node_stage(
    project: Project, node: Node, builds: Builds, last_batch: int, comparison: Callable[[], Comparison]
) -> Stage:
    """One model or seed as a stage.

    Args:
        project: whose node it is.
        node: which.
        builds: what became of all nodes.
        last_batch: the batch after which its expected seed tells what it holds.
        comparison: compares it with its expected seed.
    """
    build = builds.of(node.unique_id)
    seconds = build.seconds if build else 0.0
    if build and (failure := build.failure):
        place = place_of(project.directory, node.file, failure.message)
        return unbuilt_stage(node.reads, seconds, _told(failure), place)
    if build is None or build.was_skipped or not (node.is_seed or build.saw(last_batch)):
        state = OutputState.NOT_BUILT if builds.was_kept_from_beginning else OutputState.SKIPPED
        return Stage(node.reads, state, Differences(), None, seconds)
    if not node.is_to_be_compared:
        return Stage(node.reads, OutputState.RIGHT, Differences(), None, seconds)
    expected = builds.of(node.expected_id) if node.expected_id else None
    if expected and (failure := expected.failure):
        reason = f"its expected seed could not be loaded: {_told(failure)}"
        return Stage(node.reads, OutputState.UNKNOWN, Differences(), None, seconds, reason)
    found = comparison()
    return Stage(node.reads, state_of(found), found.differences, found.rows, seconds, found.obstacle, found.tolerated)


def missing_stages(project: Project) -> dict[StageId, Stage]:
    """Models that have an expected seed and are not in the project, what is broken, and what is not built for that."""
    gone = {
        StageId(MODEL, name): Stage([], OutputState.FAILED, Differences(), None, 0.0, missing.reason, file=missing.file)
        for name, missing in project.missing_models.items()
    }
    known = {LOADER_STAGE, *gone, *project.reading.stages, *(node.stage for node in project.nodes.values())}
    return gone | {
        name: replace(stage, reads=[above for above in stage.reads if above in known])
        for name, stage in project.reading.stages.items()
    }


def unloaded_stages(project: Project, builds: Builds) -> dict[StageId, Stage]:
    """The expected seeds that dbt could not load, as stages of their own.

    Args:
        project: whose seeds they are.
        builds: what became of all nodes.
    """
    return {
        StageId(EXPECTED, name): unbuilt_stage(
            [], failed.seconds, _told(failed), place_of(project.directory, file, failed.message)
        )
        for unique_id, failed in builds.failures(SEED).items()
        for name, file in [project.expected_seeds.get(unique_id, (None, None))]
        if name is not None
    }


def _told(failed: NodeResult) -> str:
    """What went wrong; dbt has no message for every status."""
    return failed.message or f"dbt ended it with {failed.status}"
