"""The dbt nodes as stages: how each was built and how it compares with its expected seed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from angiogram.core.diagnose import OutputState
from angiogram.core.differences import Comparison, Differences
from angiogram.core.source_places import place_of, place_of_name
from angiogram.core.stage import Stage, state_of, unbuilt_stage
from angiogram.core.stage_id import EXPECTED, MODEL, SEED, StageId, loader_stage
from angiogram.dbt.builds import Builds
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import Node, inlined, parents
from angiogram.dbt.project import Project
from angiogram.dbt.runner.results import NodeResult
from angiogram.dbt.seeds.seed_text import is_empty
from angiogram.warehouse.views import ephemeral


def node_stages(
    project: Project,
    builds: Builds,
    last_batch: int,
    unread: Mapping[str, str],
    compare: Callable[[Node], Comparison],
) -> dict[StageId, Stage]:
    """Return all models and seeds as stages, missing and broken ones included.

    Args:
        project: the project that was built.
        builds: the build results of its nodes.
        last_batch: the batch after which models should equal their expected seeds.
        unread: why an ephemeral model cannot be read, by its dbt id, as ephemeral.show returns it.
        compare: compares a node with its expected seed.
    """
    stages = missing_stages(project) | unloaded_stages(project, builds)
    for node in filter(project.passes, project.nodes.values()):
        comparison = partial(compare, node)
        if node.is_ephemeral:
            stages[node.stage] = _ephemeral_stage(project, node, builds, unread, comparison)
        else:
            stages[node.stage] = node_stage(project, node, builds, last_batch, comparison)
        expected = project.reading.stages.get(StageId(EXPECTED, node.name))
        if expected and stages[node.stage].state in (OutputState.NOT_WATCHED, OutputState.RIGHT):
            stages[node.stage] = replace(stages[node.stage], state=OutputState.UNKNOWN, reason=expected.reason)
    return _with_unread(project, stages, unread)


def within(stages: Mapping[StageId, Stage]) -> dict[StageId, Stage]:
    """Return stages that read only each other, and the loader.

    What a selected run fills from expected seeds is no stage.
    """
    known = {*stages, loader_stage()}
    return {name: replace(stage, reads=[one for one in stage.reads if one in known]) for name, stage in stages.items()}


def _ephemeral_stage(
    project: Project,
    node: Node,
    builds: Builds,
    unread: Mapping[str, str],
    comparison: Callable[[], Comparison],
) -> Stage:
    if message := unread.get(node.unique_id):
        return unbuilt_stage(node.reads, 0.0, message, place_of(project.directory, node.file, message))
    if not ephemeral.is_there(project, builds, unread, node.unique_id):
        state = OutputState.NOT_BUILT if builds.was_kept_from_beginning else OutputState.SKIPPED
        return Stage(node.reads, state, Differences(), None, 0.0)
    if not node.is_to_be_compared:
        return Stage(node.reads, OutputState.RIGHT, Differences(), None, 0.0)
    return _compared(project, node, builds, 0.0, comparison)


def _with_unread(project: Project, stages: Mapping[StageId, Stage], unread: Mapping[str, str]) -> dict[StageId, Stage]:
    """Add the ephemeral models that cannot be read and that nothing compares.

    Each is placed above the stages that read it.
    """
    manifest, shown = project.manifest, project.shown_ephemeral
    names = {i: StageId(MODEL, node_with_id(manifest, i).search_name) for i in unread.keys() - shown}
    found = dict(stages)
    for unique_id, name in names.items():
        above = [node.stage for i in parents(manifest, unique_id, shown) if (node := project.node_of(i))]
        file, message = node_with_id(manifest, unique_id).original_file_path, unread[unique_id]
        found[name] = unbuilt_stage(above, 0.0, message, place_of(project.directory, file, message))
    for node in filter(project.passes, project.nodes.values()):
        if read := [names[i] for i in inlined(manifest, node.unique_id, shown) if i in names]:
            found[node.stage] = replace(found[node.stage], reads=[*found[node.stage].reads, *read])
    return found


def node_stage(
    project: Project, node: Node, builds: Builds, last_batch: int, comparison: Callable[[], Comparison]
) -> Stage:
    """Return one model or seed as a stage.

    Args:
        project: the node's project.
        node: the model or seed.
        builds: the build results of all nodes.
        last_batch: the batch after which the node should equal its expected seed.
        comparison: compares it with its expected seed.
    """
    build = builds.of(node.unique_id)
    seconds = build.seconds if build else 0.0
    if build and (failure := build.failure):
        place = place_of(project.directory, node.file, failure.message)
        return unbuilt_stage(node.reads, seconds, why_failed(project, failure, node.file), place)
    if build is None or build.was_skipped or not (node.is_seed or build.saw(last_batch)):
        state = OutputState.NOT_BUILT if builds.was_kept_from_beginning else OutputState.SKIPPED
        return Stage(node.reads, state, Differences(), None, seconds)
    if not node.is_to_be_compared:
        return Stage(node.reads, OutputState.RIGHT, Differences(), None, seconds)
    return _compared(project, node, builds, seconds, comparison)


def _compared(
    project: Project, node: Node, builds: Builds, seconds: float, comparison: Callable[[], Comparison]
) -> Stage:
    expected_id = node.expected_id
    expected = builds.of(expected_id) if expected_id else None
    if expected_id and expected and (failure := expected.failure):
        _, file = project.expected_seeds[expected_id]
        reason = f"its expected seed could not be loaded: {why_failed(project, failure, file)}"
        return Stage(node.reads, OutputState.UNKNOWN, Differences(), None, seconds, reason)
    found = comparison()
    stage = Stage(node.reads, state_of(found), found.differences, found.rows, seconds, found.obstacle, found.tolerated)
    if not found.is_test_wrong or node.test_file is None:
        return stage
    place = place_of_name(project.directory, node.test_file, node.name.split(".")[0])
    return replace(stage, is_test_wrong=True, file=place.file, line=place.line)


def missing_stages(project: Project) -> dict[StageId, Stage]:
    """Return stages for missing models, broken models, and the models that depend on them.

    A model is missing if it has an expected seed but is not in the project. Nobody can select it.
    """
    gone = {
        StageId(MODEL, name): Stage([], OutputState.FAILED, Differences(), None, 0.0, missing.reason, file=missing.file)
        for name, missing in ({} if project.part else project.missing_models).items()
    }
    known = {loader_stage(), *gone, *project.reading.stages, *(node.stage for node in project.nodes.values())}
    return gone | {
        name: replace(stage, reads=[above for above in stage.reads if above in known])
        for name, stage in project.reading.stages.items()
    }


def unloaded_stages(project: Project, builds: Builds) -> dict[StageId, Stage]:
    """Return a stage for each expected seed that dbt could not load.

    Args:
        project: the project that the seeds belong to.
        builds: the build results of all nodes.
    """
    return {
        StageId(EXPECTED, name): unbuilt_stage(
            [], failed.seconds, why_failed(project, failed, file), place_of(project.directory, file, failed.message)
        )
        for unique_id, failed in builds.failures(SEED).items()
        for name, file in [project.expected_seeds.get(unique_id, (None, None))]
        if name is not None and file is not None
    }


def why_failed(project: Project, failed: NodeResult, file: str | None) -> str:
    """Return what went wrong, in words.

    dbt does not give a message for every status, and none that helps for a seed without a line.

    Args:
        project: the project that was built.
        failed: the result of a node.
        file: the node's file, below the project's folder; None if unknown.
    """
    if failed.kind == SEED and file and is_empty(project.directory / file):
        return f"{file} is empty: its first line must name the columns"
    return failed.message or f"dbt reported status {failed.status}"
