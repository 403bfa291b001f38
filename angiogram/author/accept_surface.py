"""The surface that `angiogram accept` would write: its changes in words, and its text."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from angiogram.core.errors import UnsupportedProject
from angiogram.core.stage_id import StageId
from angiogram.dbt.live_target import Unread
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.stored_seeds import StoredSeed
from angiogram.judge.guards import guards
from angiogram.judge.guards.surface import Surface
from angiogram.warehouse.engines.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class SurfaceProposal:
    """A surface that differs from the accepted one.

    Attributes:
        stored: its file as it was read.
        text: the file's new text.
        changes: what changes, in words.
    """

    stored: StoredSeed
    text: str
    changes: list[str]


def propose_surface(
    database: Warehouse,
    project: Project,
    models: Collection[str],
    built: Sequence[StageId],
    stored: StoredSeed,
) -> SurfaceProposal | None:
    """Return what would be written, or None if the accepted surface is unchanged.

    Args:
        database: as the role of the dye target, in autocommit.
        project: whose models were built.
        models: names of the models whose surface is accepted; if empty all, and the rest of the surface.
        built: the stages that were built.
        stored: the file of the accepted surface.

    Raises:
        UnsupportedProject: the project cannot be read under the live target, so the location of its tables is unknown.
        InvalidSurface: the accepted surface cannot be read.
    """
    accepted = Surface.accepted(project.directory)
    now = guards.present(database, project, built)
    if isinstance(now.live, Unread):
        raise UnsupportedProject(
            f"Target {project.settings.live_target} could not be read, so where the live tables are is unknown: "
            f"{now.live.reason}. Correct that, then accept."
        )
    surface = now.surface.in_terms_of(accepted) if accepted else now.surface
    wanted = accepted.with_models(surface, models) if accepted and models else surface
    text = wanted.text()
    if accepted is not None and text == accepted.text():
        return None
    if accepted is None:
        told = [f"It is recorded for the first time, with {len(wanted.kept)} models."]
    else:
        told = [change.text for change in guards.changes(accepted, replace(now, surface=wanted), project)]
    return SurfaceProposal(stored, text, told or ["Its format changes, not its content."])
