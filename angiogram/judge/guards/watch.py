"""Reports columns, rows and models that are no longer compared but were when accepted.

A model that was compared and no longer is at all is red. So is one whose differences its test tolerates now, and an
expected seed that nothing is compared with, whether a surface is accepted or not. Anything else that weakens the watch
is a notice. A model that was never watched, and has no expected seed, is neither.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from angiogram.core.findings import FindingKind
from angiogram.core.stage_id import EXPECTED, MODEL, SEED, StageId
from angiogram.dbt.manifest.lookup import disabled_of
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX, expected_name
from angiogram.judge.guards.changes import Change
from angiogram.judge.guards.surface import EPHEMERAL, ModelSurface, Surface

NAMED = 5
"""Rows of the dye that a notice names. The others are counted."""


def changes(accepted: Surface, now: Surface, project: Project) -> Iterator[Change]:
    """Yield what is compared less, or more, than the accepted surface says.

    Args:
        accepted: the accepted surface.
        now: the surface of this run.
        project: the project under the dye target.
    """
    for name, before in accepted.models.items():
        after = now.models.get(name)
        if after is None or before.watched == after.watched:
            continue
        stage = StageId(MODEL, name)
        if StageId(EXPECTED, name) in project.reading.stages:
            continue  # its expected seed cannot be read, which is reported already
        if after.materialized == EPHEMERAL != before.materialized:
            continue  # readers no longer find it, which is reported already
        if after.watched:
            yield Change(f"{name} is now watched.", stage)
        else:
            text = f"{name} is no longer compared: {_why(project, stage)}."
            yield Change(text, stage, FindingKind.WATCH)
    for name in sorted(set(accepted.seeds) - set(now.seeds)):
        stage = StageId(SEED, name)
        if {stage, StageId(EXPECTED, name)} & project.reading.stages.keys():
            continue
        text = f"The reference seed {name} is no longer compared: {_why(project, stage)}."
        yield Change(text, stage, FindingKind.WATCH)
    for name in sorted(set(now.seeds) - set(accepted.seeds)):
        yield Change(f"The reference seed {name} is now watched.", StageId(SEED, name))
    yield from _columns(accepted, now)
    yield from _rows(accepted, now)
    yield from _exactness(accepted, now)
    yield from _tolerated(accepted, now)
    yield from _dye(accepted, now, project)


def disabled_expected(project: Project) -> Iterator[Change]:
    """Yield the expected seeds that are disabled although their model or seed is there.

    Args:
        project: the project under the dye target.
    """
    disabled = {
        node.name: node.original_file_path
        for node in disabled_of(project.manifest, SEED)
        if node.name.startswith(EXPECTED_PREFIX)
    }
    for name, node in project.nodes.items():
        seed = expected_name(name)
        if not node.is_watched and seed in disabled:
            yield Change(
                f"Nothing is compared with the expected seed {seed}: it is disabled under target {project.target}.",
                node.stage,
                FindingKind.WATCH,
                advice=f"Enable it, or delete it if {node.stage} should not be compared.",
                file=disabled[seed],
            )


def _why(project: Project, stage: StageId) -> str:
    node = project.nodes.get(stage.name)
    if node is None and stage.kind == MODEL and stage.name in project.inlined_models:
        return "its expected seed is gone or disabled"
    if node is None:
        return "the dye does not reach it" if stage.kind == MODEL else "no model that the dye reaches reads it"
    return "its expected seed is gone or disabled"


def _watched_in_both(accepted: Surface, now: Surface) -> Iterator[tuple[str, ModelSurface, ModelSurface]]:
    """Yield the models that were watched and still are, with both surfaces."""
    for name, before in accepted.models.items():
        after = now.models.get(name)
        if after is not None and before.watched and after.watched:
            yield name, before, after


def _columns(accepted: Surface, now: Surface) -> Iterator[Change]:
    """Yield columns that still exist but are now excluded, one text for all their models."""
    less, more = defaultdict(list), defaultdict(list)
    for name, before, after in _watched_in_both(accepted, now):
        if before.columns is None or after.columns is None:
            continue
        for column in before.columns.keys() & after.columns.keys():
            if column in after.left_out and column not in before.left_out:
                less[column].append(name)
            elif column in before.left_out and column not in after.left_out:
                more[column].append(name)
    for column, models in sorted(less.items()):
        yield Change(f"{column} is no longer compared in {_counted(models)}.", code="watched_less")
    for column, models in sorted(more.items()):
        yield Change(f"{column} is now compared in {_counted(models)}.")


def _counted(models: list[str]) -> str:
    return models[0] if len(models) == 1 else f"{len(models)} models ({', '.join(sorted(models))})"


def _rows(accepted: Surface, now: Surface) -> Iterator[Change]:
    for name, before, after in _watched_in_both(accepted, now):
        if before.where == after.where:
            continue
        stage = StageId(MODEL, name)
        if after.where is None:
            yield Change(f"All rows of {name} are now compared; before, only those with {before.where}.", stage)
            continue
        was = f"; before, those with {before.where}" if before.where else ""
        text = f"Only rows of {name} with {after.where} are now compared{was}."
        yield Change(text, stage, code="watched_less")


def _exactness(accepted: Surface, now: Surface) -> Iterator[Change]:
    """Yield numbers compared to fewer or more decimals, and types compared no more."""
    for name, before, after in _watched_in_both(accepted, now):
        stage = StageId(MODEL, name)
        for column in sorted(before.precision.keys() | after.precision.keys()):
            was, is_ = before.precision.get(column), after.precision.get(column)
            if was == is_:
                continue
            text = f"{column} of {name} is now compared {_decimals(is_)}; before, {_decimals(was)}."
            is_less = is_ is not None and (was is None or is_ < was)
            yield Change(text, stage, code="watched_less") if is_less else Change(text, stage)
        if before.types and not after.types:
            yield Change(f"Types of columns are no longer compared in {name}.", stage, code="watched_less")
        elif after.types and not before.types:
            yield Change(f"Types of columns are now compared in {name}.", stage)


def _decimals(number: int | None) -> str:
    return "exactly" if number is None else f"to {number} decimal{'s' if number != 1 else ''}"


def _tolerated(accepted: Surface, now: Surface) -> Iterator[Change]:
    """Yield models whose test tolerates what it did not when the surface was accepted."""
    for name, before, after in _watched_in_both(accepted, now):
        if before.tolerates == after.tolerates:
            continue
        stage = StageId(MODEL, name)
        if after.tolerates is None:
            yield Change(
                f"Every difference in {name} blocks now; its test equals_expected had {before.tolerates}.", stage
            )
        else:
            was = f" (accepted: {before.tolerates})" if before.tolerates else ""
            text = f"Differences in {name} no longer block: its test equals_expected has {after.tolerates}{was}."
            yield Change(text, stage, FindingKind.WATCH)


def _dye(accepted: Surface, now: Surface, project: Project) -> Iterator[Change]:
    for name in sorted(accepted.dye.keys() | now.dye.keys()):
        if StageId(SEED, name) in project.reading.stages:
            continue
        before, after = accepted.dye.get(name), now.dye.get(name)
        if before is None:
            yield Change(f"The input seed {name} is new.")
        elif after is None:
            yield Change(f"The input seed {name} was removed, with its {len(before)} dye rows.", code="dye_removed")
        else:
            lost, new = (list((Counter(a) - Counter(b)).elements()) for a, b in ((before, after), (after, before)))
            if lost:
                text = f"The input seed {name} lost {_some(lost)}."
                yield Change(text, code="dye_removed")
            if new:
                yield Change(f"The input seed {name} gained {_some(new)}.")


def _some(ids: list[str]) -> str:
    named = ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
    return f"{len(ids)} dye row{'s' if len(ids) > 1 else ''} ({named})"
