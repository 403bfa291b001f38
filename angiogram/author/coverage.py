"""Which models are watched, which are not, and which to watch next by what they feed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from angiogram.core.stage_id import MODEL, SEED
from angiogram.dbt.manifest.lookup import exposure_names, nodes_of, readers_by_id
from angiogram.dbt.manifest.parts import reached
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import expected_name
from angiogram.judge.guards.surface import Surface
from ingestion.settings.settings_file import SettingsFile


class Watch(StrEnum):
    """Whether a model's output is compared."""

    WATCHED = "watched"
    """It has an expected seed with rows, or one that says that it has none."""
    NOT_YET = "not yet watched"
    """It has none, and nobody said that it need not."""
    LEFT_OUT = "left out"
    """angiogram.yml says why it need not be compared."""


@dataclass(frozen=True, slots=True)
class CoveredModel:
    """One model.

    Attributes:
        name: the model's name, with its version if it has several.
        file: its file.
        watch: whether its output is compared.
        reason: why it is left out. None: it is not.
        exposures: the exposures that it feeds, directly or not.
        published: the published models that it feeds, itself included.
        readers: how many models it feeds, directly or not.
        is_new: the accepted surface does not have it.
    """

    name: str
    file: str
    watch: Watch
    reason: str | None
    exposures: list[str]
    published: list[str]
    readers: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a project is watched.

    Attributes:
        models: first those to watch next, the most important first, then the watched ones, then those left out.
        mistakes: entries of angiogram.yml that leave out what is watched, or are about what is no model.
    """

    models: list[CoveredModel]
    mistakes: list[str] = field(default_factory=list)

    def count(self, watch: Watch) -> int:
        """Return how many models are watched, not yet watched, or left out."""
        return sum(model.watch is watch for model in self.models)

    @property
    def forgotten(self) -> list[CoveredModel]:
        """The new models of which nobody decided whether to watch them."""
        return [model for model in self.models if model.is_new and model.watch is Watch.NOT_YET]


def coverage(project: Project) -> Coverage:
    """Return what of a project is watched, from dbt's manifest alone.

    Nothing is built and no server is asked.

    Args:
        project: the dbt project under its dye target.

    Raises:
        InvalidSurface: the accepted surface cannot be read.
        DbtFailed: dbt cannot read the project.
    """
    manifest, accepted = project.manifest, Surface.accepted(project.directory)
    project.require_whole()
    known = accepted.models if accepted else {}
    left_out = {entry.model: entry.reason for entry in project.settings.left_out}
    watched = _watched(manifest, project.waiting_seeds)
    models = nodes_of(manifest, MODEL)
    names = {model.unique_id: model.search_name for model in models}
    published = {model.unique_id for model in models if model.config.meta.get("published")}
    readers, exposures = readers_by_id(manifest), exposure_names(manifest)

    def covered(model: Any) -> CoveredModel:
        name, fed = model.search_name, reached([model.unique_id], lambda one: readers.get(one, ()))
        return CoveredModel(
            name=name,
            file=model.original_file_path,
            watch=_watch(model.unique_id in watched, name in left_out),
            reason=None if model.unique_id in watched else left_out.get(name),
            exposures=sorted(exposures[i] for i in fed if i in exposures),
            published=sorted(names[i] for i in {model.unique_id, *fed} & published),
            readers=len(fed & names.keys()),
            is_new=name not in known,
        )

    found = sorted(map(covered, models), key=_importance)
    return Coverage(found, list(_mistakes(project, found)))


def _watched(manifest: Any, waiting: set[str]) -> set[str]:
    seeds = {seed.name for seed in nodes_of(manifest, SEED)} - waiting
    return {model.unique_id for model in nodes_of(manifest, MODEL) if expected_name(model.search_name) in seeds}


def _watch(is_watched: bool, is_left_out: bool) -> Watch:
    if is_watched:
        return Watch.WATCHED
    return Watch.LEFT_OUT if is_left_out else Watch.NOT_YET


def _importance(model: CoveredModel) -> tuple[int, int, int, int, str]:
    """The order of models: what most people would miss comes first."""
    group = (Watch.NOT_YET, Watch.WATCHED, Watch.LEFT_OUT).index(model.watch)
    return group, -len(model.exposures), -len(model.published), -model.readers, model.name


def _mistakes(project: Project, found: list[CoveredModel]) -> Iterator[str]:
    file, by_name = SettingsFile.of(project.directory), {model.name: model for model in found}
    for number, entry in enumerate(project.settings.left_out):
        place, model = file.place("left_out", number), by_name.get(entry.model)
        if model is None:
            yield f"{place} names {entry.model}, which is no model. Correct the name, or delete the entry."
        elif model.watch is Watch.WATCHED:
            yield f"{place} leaves out {entry.model}, which is watched. Delete the entry."
    for number, compared in enumerate(project.settings.expectations):
        if compared.model not in by_name and compared.model not in project.nodes:
            place = file.place("expectations", number)
            yield f"{place} names {compared.model}, which is no model. Correct the name, or delete the entry."
