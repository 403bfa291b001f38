"""Puts a dbt project under the dye: works out what to write, and writes it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angiogram.author.adoption.clock import Clock, overriding
from angiogram.author.adoption.files import Files, PlannedFile, Profile, schema_macro
from angiogram.author.adoption.source_tables import SourceTable, source_tables
from angiogram.core.errors import DbtFailed, UnsupportedProject
from angiogram.core.short_message import in_a_line
from angiogram.core.stage_id import MODEL
from angiogram.dbt.command import as_it_stands, compiling_all, profile_name, run_in_scratch
from angiogram.dbt.manifest.keys import row_key
from angiogram.dbt.manifest.lookup import nodes_of, own_macro, reference_to
from angiogram.dbt.manifest.nodes import BATCH, Node
from angiogram.dbt.package.installing import install
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import DYE_SOURCES, ProjectPaths, dye_targets, project_directory
from angiogram.dbt.seeds.dye_seeds import expected_name
from angiogram.dbt.seeds.stored_seeds import replace_all
from angiogram.judge.build.seed_build import build
from angiogram.judge.from_seeds import tables_of
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.sessions import open_warehouse
from angiogram.warehouse.views import snapshots


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a project needs before it is built under the dye.

    Attributes:
        paths: the project's paths.
        profile: where its connection is declared.
        changes: the files to write.
        tables: the sources that models read.
        clock: the models that read the clock.
        is_frozen: whether the clock that dbt's macro reads is frozen under the dye.
        refused: what cannot be put under the dye, and why.
    """

    paths: ProjectPaths
    profile: Profile
    changes: list[PlannedFile]
    tables: list[SourceTable]
    clock: Clock
    is_frozen: bool
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Expectations:
    """The expected seeds and tests of the models that were built.

    Attributes:
        changes: the files to write.
        watched: the models that get a test, or have one.
        refused: the other models, and why they get none.
    """

    changes: list[PlannedFile]
    watched: list[str]
    refused: list[str]


def plan(live_target: str | None, dye_target: str | None) -> Adoption:
    """Work out what a project needs. Nothing is written, in the project or in the database.

    Args:
        live_target: the dbt target whose tables people read; by default the profile's default target.
        dye_target: the name of the target for the dye; by default the project's first one.

    Raises:
        DbtFailed: dbt cannot read the profile, or the project under the live target.
        NotReady: the live target's database cannot be reached.
        UnsupportedProject: a file cannot be added to, or angiogram does not know the engine.
    """
    paths = ProjectPaths.of(project_directory())
    manifest = run_in_scratch(paths.folder, ["parse"], live_target, profiles=paths.profiles, variables="{}")
    profile = _profile(paths, live_target, dye_target or dye_targets(paths.folder)[0])
    _compile(paths, profile, manifest)
    with closing(open_warehouse(paths.folder, profile.live_target, may_be_empty=True)) as database:
        engine = engine_of(database).name
        found = list(source_tables(manifest, database, engine))
    known = [table for table in found if table.is_own_seed or table.columns]
    refused = [
        f"source {table.name}: the database has no such table, and the project declares no types of its columns"
        for table in found
        if table not in known
    ]
    if (own := own_macro(manifest, "source")) is not None and DYE_SOURCES not in own.macro_sql:
        raise UnsupportedProject(
            "The project has a macro `source` of its own. Let it return ref(seed) for the sources in the variable "
            "dye_sources if data_angiogram.is_dye_target(), then run this again."
        )
    files = Files(paths)
    files.add_package()
    files.add_target(profile)
    files.add_to_project(profile.dye_target, known)
    files.add_settings(profile.live_target)
    clock, (macro, text) = Clock.of(manifest), overriding(engine)
    is_frozen = bool(clock.by_dbt) and files.freeze_clock(macro, text, is_known=own_macro(manifest, macro) is not None)
    files.add_ci(profile, engine)
    if changed := schema_macro(paths.folder, manifest):
        files.replace(*changed, "the dye's own schemas")
    for table in known:
        if not table.is_own_seed:
            files.add_seed(table.seed, "input", dict(table.columns) | ({BATCH: "integer"} if table.has_batches else {}))
    return Adoption(paths, profile, list(files.changes.values()), known, clock, is_frozen, refused)


def write(folder: Path, changes: Sequence[PlannedFile]) -> list[Path]:
    """Write files, all of them or none.

    Raises:
        SeedNotWritten: one was changed since it was read, or cannot be written.
    """
    for change in changes:
        change.stored.path.parent.mkdir(parents=True, exist_ok=True)
    return replace_all(folder, [(change.stored, change.stored.as_stored(change.text)) for change in changes])


def expectations(adoption: Adoption, say: Callable[[str], None], wait: float) -> Expectations:
    """Build the models from the dye, and work out the expected seed and the test of each.

    Args:
        adoption: whose files are written.
        say: receives what is being done or waited for.
        wait: seconds to wait at most for another build from the seeds.

    Raises:
        NotTheDyes: dbt would write live relations. Nothing is built.
        DbtFailed, NotReady, RunInHand, UnsupportedProject: as a run from the seeds.
    """
    folder = adoption.paths.folder
    install(folder)
    project = Project(adoption.paths, tests=False, dye_source="seeds", target=adoption.profile.dye_target)
    files, watched, refused = Files(adoption.paths), [], []
    new: list[str] = []
    (folder / "target").mkdir(exist_ok=True)  # where a DuckDB file of the dye is
    with tables_of(project, wait, say) as database:
        say("Building the models from the dye")
        builds = build(database, project).builds
        snapshots.show(database, project)
        engine = engine_of(database)
        for node in project.nodes.values():
            if node.is_seed:
                continue
            made = builds.of(node.unique_id)
            if made is None or made.failure or made.was_skipped:
                why = (
                    in_a_line(made.failure.message or "dbt failed")
                    if made and made.failure
                    else "what it reads was not built"
                )
                refused.append(f"{_told(node)}: {why}")
                continue
            with database.cursor() as query:
                types = {name: engine.seed_type(kind) for name, kind in engine.columns(query, node.relation).items()}
            watched.append(node.name)
            if node.is_watched or node.is_waiting:
                continue
            if not types:
                watched.pop()
                refused.append(f"{_told(node)}: its columns cannot be read")
                continue
            left_out = {*node.excluded, *(set() if node.is_snapshot else snapshots.COLUMNS_OF_DBT & types.keys())}
            files.leave_out(sorted(left_out.difference(node.excluded)))
            compared = {name: kind for name, kind in types.items() if name not in left_out}
            files.add_seed(expected_name(node.name), "expected", compared)
            new.append(expected_name(node.name))
            if node.is_snapshot:  # compared without dbt's own columns, which no test of dbt can leave out
                continue
            key = row_key(project.manifest, node.unique_id, list(compared))
            files.add_test(expected_name(node.name), key, reference_to(project.manifest, node.unique_id))
    files.await_rows(new)
    refused += [*map(str, project.reading.broken), *_not_tables(project)]
    return Expectations(list(files.changes.values()), watched, refused)


def _told(node: Node) -> str:
    return f"{'snapshot' if node.is_snapshot else 'model'} {node.name}"


def _profile(paths: ProjectPaths, live_target: str | None, dye_target: str) -> Profile:
    from dbt.config.runtime import load_profile
    from dbt_common.exceptions import DbtRuntimeError

    try:
        with as_it_stands():
            found = load_profile(str(paths.folder), {}, profile_name(), live_target)
    except DbtRuntimeError as error:
        raise DbtFailed(f"dbt cannot read the profile of {paths.folder}: {in_a_line(str(error))}") from error
    if found.target_name == dye_target:
        raise UnsupportedProject(
            f"The profile's default target is {dye_target}, which is the dye's. Name the target whose tables people "
            "read with --live-target."
        )
    return Profile(paths.profiles / "profiles.yml", found.profile_name, found.target_name, dye_target)


def _compile(paths: ProjectPaths, profile: Profile, manifest: Any) -> None:
    """Compile the models under the live target, so that the columns which they read are known."""
    try:
        with compiling_all():
            run_in_scratch(
                paths.folder,
                ["compile", "--select", "resource_type:model"],
                profile.live_target,
                manifest,
                "{}",
                paths.profiles,
            )
    except DbtFailed:  # a model that does not compile is read as it stands: all columns of its sources count
        return


def _not_tables(project: Project) -> Iterator[str]:
    for model in nodes_of(project.manifest, MODEL):
        if model.search_name not in project.nodes:
            yield f"model {model.search_name}: it is ephemeral, and compared through the models that read it"
