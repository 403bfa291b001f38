"""Checks of a run beyond its outputs: the surface, the watch, and the live target's SQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from angiogram.core.diagnose import UNSOUND, StageHealth
from angiogram.core.findings import Finding, FindingKind, Notice
from angiogram.core.stage import Stage, all_above
from angiogram.core.stage_id import EXPECTED, MODEL, SEED, SNAPSHOT, StageId
from angiogram.dbt import live_target
from angiogram.dbt.live_target import LiveTarget, OnOtherEngine, Unread
from angiogram.dbt.manifest.lookup import all_nodes
from angiogram.dbt.project import Project
from angiogram.dbt.targets import engine_of_target
from angiogram.judge.guards import live_sql, live_sql_changes, surface_changes, watch
from angiogram.judge.guards.changes import Change, as_told
from angiogram.judge.guards.live_sql import LiveSql
from angiogram.judge.guards.surface import Surface, of_project
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.target_relations import left_by_hooks

_NOT_ACCEPTED = (
    "No surface has been accepted, so nothing reports when readers lose a table, a column or a right, or when fewer "
    "models are compared. Record one: angiogram accept"
)


LEFT_BY_HOOKS = "kept_between_runs"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Present:
    """The project as it is now.

    Attributes:
        surface: the project's surface.
        live: the project under the live target. None if no live target is set.
        sql: how the live target's SQL compares. None if there is none.
        kept: what hooks write where no run empties it, with the hook that does.
    """

    surface: Surface
    live: LiveTarget | Unread | OnOtherEngine | None
    sql: LiveSql | None
    kept: Mapping[str, str] = field(default_factory=dict)


def present(database: Warehouse, project: Project, built: Sequence[StageId]) -> Present:
    """Look at the project as it is.

    Args:
        database: as the role of the dye target, in autocommit.
        project: the project whose models were built.
        built: the stages that the run built.

    Raises:
        DbtFailed: dbt cannot compile the project.
    """
    live = _live_target(project)
    known = live if isinstance(live, LiveTarget) else None
    sql = live_sql.compare(project, known) if known and known.adapter == project.adapter else None
    names = [stage.name for stage in built if stage.kind == MODEL]
    return Present(of_project(database, project, known, sql, names), live, sql, left_by_hooks(database, project))


def _live_target(project: Project) -> LiveTarget | Unread | OnOtherEngine | None:
    """The project under the live target.

    It is not read where it is on another engine and a run on that engine compares it with the accepted surface.
    """
    if (target := project.settings.live_target) is None:
        return None
    accepted, engine = Surface.accepted(project.directory), engine_of_target(project, target)
    if accepted is not None and accepted.engine == engine != project.adapter:
        return OnOtherEngine(target, engine)
    return live_target.read(project, target)


def changes(accepted: Surface, now: Present, project: Project) -> list[Change]:
    """What `angiogram accept` would change in the accepted surface.

    Each change says whether it is red or worth a notice.
    """
    now = replace(now, surface=now.surface.in_terms_of(accepted))
    accepted, names = accepted.under_new_names(now.surface)
    found = [*surface_changes.changes(accepted, now.surface), *watch.changes(accepted, now.surface, project)]
    found += [
        Change(f"{accepted.models[new].relation} is built by the model {new} now; it was {old}.", code="renamed_model")
        for old, new in names.items()
    ]
    found += live_sql_changes.another_target(accepted, project.settings.live_target)
    if isinstance(now.live, LiveTarget) and now.sql is not None:
        found += live_sql_changes.changes(accepted, now.surface, now.sql, now.live.name, project.target)
    return found


def judge(
    project: Project, now: Present, stages: Mapping[StageId, Stage], health: Mapping[StageId, StageHealth]
) -> tuple[list[Finding], list[Notice]]:
    """Return findings beyond the outputs, and notices for the reader.

    Args:
        project: the project under the dye target.
        now: the project as it is now, from `present`.
        stages: the stages of the run.
        health: the health of each stage.

    Raises:
        InvalidSurface: the accepted surface cannot be read.
    """
    accepted = Surface.accepted(project.directory)
    found = [*_live(project, now, accepted), *_kept(now.kept)]
    if accepted is None:
        found.append(Change(_NOT_ACCEPTED, code="no_surface"))
    else:
        found += changes(accepted, now, project)
    known = {change.stage for change in found if change.kind is FindingKind.WATCH}
    found += [change for change in watch.disabled_expected(project) if change.stage not in known]
    found = [change for change in found if _concerns(change, project)]
    return as_told(
        replace(change, file=change.file or _file(change.stage, now, project))
        for change in _first_of_each(_unexplained(found, project, stages, health), stages)
    )


def _concerns(change: Change, project: Project) -> bool:
    """Whether a change concerns what the run builds, or no single model or seed."""
    if project.part is None or change.stage is None or change.stage.kind not in (MODEL, SEED, SNAPSHOT, EXPECTED):
        return True
    node = project.nodes.get(change.stage.name)
    return node is not None and project.passes(node)


def _file(stage: StageId | None, now: Present, project: Project) -> str | None:
    """A stage's file, below the project's folder. None if no target knows the stage."""
    manifests = [project.manifest, *([now.live.manifest] if isinstance(now.live, LiveTarget) else [])]
    for manifest in manifests if stage else ():
        for node in all_nodes(manifest):
            if stage == StageId(str(node.resource_type), node.search_name):
                return str(node.original_file_path)
    return None


def _live(project: Project, now: Present, accepted: Surface | None) -> Iterator[Change]:
    target = project.settings.live_target
    if target is None:
        yield live_sql_changes.without_target()
    elif isinstance(now.live, Unread):
        yield live_sql_changes.of_unread(target, now.live)
    elif now.sql is not None:
        yield from live_sql_changes.unintended(now.sql, project, target)
        yield from live_sql_changes.ambiguous(accepted, now.sql, target)
        if accepted is None:
            yield from live_sql_changes.not_accepted(Surface(), now.surface, now.sql, target)
    elif now.live is not None:
        yield live_sql_changes.across_engines(now.live, project)
    if accepted is not None and accepted.engine != now.surface.engine:
        yield Change(
            f"The types of columns were not compared: the surface was accepted on {accepted.engine}, and target "
            f"{project.target} is on {now.surface.engine}.",
            code="types_not_compared",
        )


def _kept(written: Mapping[str, str]) -> Iterator[Change]:
    """Yield a notice of what hooks write where no run empties it."""
    if written:
        told = [f"{what} ({hook})" for what, hook in sorted(written.items())]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        yield Change(
            f"Hooks write outside of the dye's schemas: {', '.join(told[:_SHOWN])}{more}. No run empties that, so what "
            "an earlier run left there may answer. Let them write in {{ target.schema }}, or in a schema whose name "
            "begins with it.",
            code=LEFT_BY_HOOKS,
        )


def _unexplained(
    found: Sequence[Change], project: Project, stages: Mapping[StageId, Stage], health: Mapping[StageId, StageHealth]
) -> Iterator[Change]:
    """Yield the changes that do not follow from something that is red already."""
    for change in found:
        causes = []
        if change.stage and change.column:
            causes = [change.stage, *all_above(change.stage, stages)]
        elif change.stage and change.kind is FindingKind.SURFACE and change.stage.name not in project.nodes:
            causes = [change.stage]  # an expected seed without its model is red already
        if not any(health.get(stage) in UNSOUND for stage in causes):
            yield change


def _first_of_each(found: Iterable[Change], stages: Mapping[StageId, Stage]) -> Iterator[Change]:
    """Yield each column change once, at the first stage that has it, and all other changes.

    A column change says in which other stages it occurs.
    """
    every = list(found)
    at = {(change.stage, change.column) for change in every if change.column is not None}
    goes_on: dict[tuple[StageId, str], list[str]] = {}
    firsts = []
    for change in every:
        above = all_above(change.stage, stages) if change.stage and change.column else []
        having = [stage for stage in above if (stage, change.column) in at]
        if having and change.column:
            goes_on.setdefault((having[-1], change.column), []).append(str(change.stage))
        else:
            firsts.append(change)
    for change in firsts:
        below = goes_on.get((change.stage, change.column)) if change.stage and change.column else None
        yield replace(change, text=f"{change.text} The same change occurs in {', '.join(below)}.") if below else change
