"""Makes a model's new output its expected seed, after an intentional model change.

The independent calculation, if it knows the model, must agree. The dye is taken straight from the input seeds, so that
a fault upstream of dbt is never accepted as a model's output. If the calculation does not know a project's models, only
the person who says yes vouches for them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angiogram.author.accept_surface import SurfaceProposal, propose_surface
from angiogram.author.output import Output, SeedForm
from angiogram.author.recording import after_writing
from angiogram.core.differences import Differences
from angiogram.core.errors import DbtFailed, UnknownModel
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.recorded import RECORDED_FILE, Recorded
from angiogram.dbt.seeds.seed_text import Row, seed_text
from angiogram.dbt.seeds.stored_seeds import StoredSeed, replace_all
from angiogram.dbt.selection.criteria import NO_CRITERIA, Criteria
from angiogram.dbt.selection.resolve import selected
from angiogram.dbt.targets import require_engine
from angiogram.dye.calculation import calculation_of
from angiogram.dye.seeds import DyeMessage, dye_messages, has_dye, read_dye
from angiogram.judge.build.seed_build import build
from angiogram.judge.cause.stale import compare_with_rows
from angiogram.judge.compare.compare import compare
from angiogram.judge.compare.trace import Tracer
from angiogram.judge.from_seeds import tables_of
from angiogram.judge.guards.surface import SURFACE_FILE, Surface
from angiogram.judge.selected.build import build_selected
from angiogram.store.lease import WAIT
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.views import ephemeral, snapshots

_Calculated = tuple[Sequence[str], list[Row]]
"""Columns and rows of a model according to the calculation."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model whose output differs from its expected seed.

    Attributes:
        model: its name.
        stored: the file of its expected seed, as it was before the models were built.
        differences: between the seed and the output, with the messages that feed them, as in a run's report.
        objection: the same between the independent calculation and the output, if they disagree.
        obstacle: why the output cannot become a seed, even with a yes; None if it can.
        calculated: whether the independent calculation knows the model.
        text: the new seed; None if it is not to be written.
        new_columns: columns that the seed did not have, with their cells in words.
        form: how dbt reads the seed.
        key: the columns that identify a row.
        first_rows: how many rows are written into a seed that waited for its first ones; None: it did not wait.
        untyped: those new columns to which dbt_project.yml gives no type, with the model's type.
    """

    model: str
    stored: StoredSeed
    differences: dict[str, Any]
    objection: dict[str, Any] | None
    obstacle: str | None
    calculated: bool
    text: str | None
    new_columns: dict[str, list[str]]
    untyped: dict[str, str]
    form: SeedForm
    key: Sequence[str]
    first_rows: int | None = None

    @property
    def seed(self) -> Path:
        """Return the file of its expected seed."""
        return self.stored.path

    @property
    def acceptable(self) -> bool:
        """Return whether a yes is enough."""
        return self.text is not None


@dataclass(frozen=True, slots=True)
class Proposals:
    """What would be written for the models and the surface.

    Attributes:
        models: models whose output differs from their expected seeds, or is the first to be written there.
        surface: the new surface; None if the accepted one is unchanged.
        recorded: the list of the seeds that were filled from the models' own output, as it was.
        listed: its file.
        unrecorded: why models get no first rows, by name. They go on waiting.
    """

    models: list[Proposal]
    surface: SurfaceProposal | None
    recorded: Recorded
    listed: StoredSeed
    unrecorded: dict[str, str] = field(default_factory=dict)


def propose(
    project: Project,
    models: Sequence[str],
    say: Callable[[str], None],
    wait: float = WAIT,
    criteria: Criteria = NO_CRITERIA,
) -> Proposals:
    """Build models from the input seeds, and compare them with seeds and surface.

    Args:
        project: with the dye taken from the input seeds.
        models: names of the requested models; all if empty.
        say: called with what is being done or waited for.
        wait: maximum number of seconds to wait for whoever holds the tables.
        criteria: which models are built; these are the requested ones.

    Raises:
        NothingSelected, UnusableState: see angiogram.dbt.selection.resolve.selected.
        UnknownModel: neither the project nor the accepted surface has such a model.
        NotTheDyes: dbt would write live relations, or relations that the dye did not create.
        RunInHand: a run, or another build from the seeds, outlasted the wait. None starts while the tables are built.
        DbtFailed: something could not be built.
        NotReady: the profile names no PostgreSQL that lets its user in.
        UnsupportedProject: the project's own macro `differences` is too old, or the project cannot be read under the
            live target.
        InvalidSurface: the accepted surface cannot be read.
        InvalidSettings: the project declares a calculation that cannot be used.
        InvalidRecord: the list of recorded seeds cannot be read.
        SeedError: the dye or the reference data cannot be read.
    """
    require_engine(project, "postgres", "duckdb")
    project.require_whole()
    nodes = project.nodes
    only = selected(project, criteria) if criteria else None
    if only is not None:
        models = sorted(node_with_id(project.manifest, unique_id).search_name for unique_id in only)
    chosen = _chosen(project, models)
    with tables_of(project, wait, say) as database:
        stored = {node.name: StoredSeed.read(_file(project, node.name)) for node in chosen}
        accepted = StoredSeed.read(project.directory / SURFACE_FILE, may_be_absent=True)
        listed = StoredSeed.read(project.directory / RECORDED_FILE, may_be_absent=True)
        recorded = Recorded.read(project.directory)
        say("Building the models from the input seeds")
        built_of_dye = (build(database, project) if only is None else build_selected(database, project, only)).builds
        snapshots.show(database, project)
        unread = [node_with_id(project.manifest, one).name for one in ephemeral.show(database, project, built_of_dye)]
        unbuilt = list(dict.fromkeys([*built_of_dye.unbuilt(), *unread]))
        if failed := [name for name in unbuilt if name in _ever_watched(project)]:
            raise DbtFailed(
                f"dbt could not build {', '.join(failed)}; its log is {project.paths.logs / 'dbt.log'}. "
                "Correct it, then accept."
            )
        messages = read_dye(project.directory) if has_dye(project.directory) else []
        names = {str(message.number): message.name for message in messages}
        tables = _calculated(project, messages) if messages else {}
        tracer = Tracer(database, nodes, names)
        proposals, unrecorded = [], dict.fromkeys(unbuilt, "dbt could not build it")
        for node in chosen:
            if node.name in unrecorded:
                continue
            proposal = _proposal(database, project, node, stored[node.name], tables.get(node.name), tracer)
            if proposal and proposal.obstacle and node.is_waiting:
                unrecorded[node.name] = proposal.obstacle
            elif proposal:
                proposals.append(proposal)
        for one in proposals:  # the surface is that of the project with these seeds filled
            nodes[one.model] = nodes[one.model].as_if_filled()
        built = [node.stage for node in nodes.values() if project.passes(node) and node.name not in unbuilt]
        surface = None
        if only is None or Surface.accepted(project.directory):  # the first one is of the whole project
            surface = propose_surface(database, project, models, built, accepted)
        return Proposals(proposals, surface, recorded, listed, unrecorded)


def write(project: Project, proposals: Proposals, is_confirmed: bool = True) -> list[Path]:
    """Write seeds, surface and the list of what is recorded, all or none.

    Args:
        project: whose models were built.
        proposals: what is written.
        is_confirmed: whether a person saw the differences and said yes; otherwise what changes counts as recorded.

    Raises:
        SeedNotWritten: a file cannot be written, or is no longer the one that was compared.

    Returns:
        The files written.
    """
    changes = [(one.stored, one.stored.as_stored(one.text)) for one in proposals.models if one.text is not None]
    if surface := proposals.surface:
        changes.append((surface.stored, surface.text.encode()))
    if (text := _listed(proposals, is_confirmed).text()) != proposals.recorded.text():
        changes.append((proposals.listed, proposals.listed.as_stored(text)))
    return replace_all(project.directory, changes)


def _listed(proposals: Proposals, is_confirmed: bool) -> Recorded:
    """The list of what is recorded, after the proposals are written."""
    recorded = proposals.recorded
    for one in proposals.models:
        if one.text is None:
            continue
        name, before = one.seed.stem, one.stored.text
        of_output = None
        if not one.calculated:
            of_output = after_writing(name, before, one.text, one.key, one.form, recorded, is_confirmed)
        recorded = recorded.with_seeds({name: of_output}) if of_output else recorded.without([name])
    return recorded


def _ever_watched(project: Project) -> set[str]:
    """Seeds, and models that are or were watched: all must be built before any is accepted."""
    accepted = Surface.accepted(project.directory)
    known = accepted.models if accepted else {}
    watched = {node.name for node in project.nodes.values() if node.is_watched or node.is_seed}
    return watched | {name for name, model in known.items() if model.watched}


def _chosen(project: Project, models: Sequence[str]) -> list[Node]:
    """Return the requested models that have an expected seed."""
    accepted = Surface.accepted(project.directory)
    known = project.nodes.keys() | project.inlined_models | (accepted.models.keys() if accepted else set())
    if unknown := set(models) - known:
        raise UnknownModel(
            f"There is no model {', '.join(sorted(unknown))}. Current and former models: {', '.join(sorted(known))}."
        )
    expected = [node for node in project.nodes.values() if node.is_watched or node.is_waiting]
    return [node for node in expected if not models or node.name in models]


def _calculated(project: Project, messages: Sequence[DyeMessage]) -> dict[str, _Calculated]:
    """Run the project's calculation, if it has one, on the dye.

    Returns:
        Columns and rows of each model.
    """
    if (calculation := calculation_of(project.directory)) is None:
        return {}
    tables = calculation.tables(dye_messages(messages), project.directory)
    return {name: (calculation.columns[name], rows) for name, rows in tables.items()}


def _file(project: Project, model: str) -> Path:
    seed = project.expected_seed(model)
    return Path(seed.root_path or project.directory) / str(seed.original_file_path)


def _proposal(
    database: Warehouse,
    project: Project,
    node: Node,
    stored: StoredSeed,
    calculated: _Calculated | None,
    tracer: Tracer,
) -> Proposal | None:
    """Return what would be written for a model, or None if its seed is unchanged."""
    is_first, node = node.is_waiting, node.as_if_filled()
    found = compare(database, node, project.directory)
    if found.rows is None:
        raise DbtFailed(f"{node.name} cannot be read: {found.obstacle}. Correct it, then accept.")
    if not found.is_watched or not (is_first or found.differences.count or found.obstacle):
        return None
    objection, obstacle, text = None, found.obstacle, None
    output = Output.of(database, node)
    seed = project.expected_seed(node.name)
    form = SeedForm.of(seed)
    if calculated is not None:
        against = compare_with_rows(database, node, *calculated, project.directory)
        obstacle = obstacle or against.obstacle
        objection = tracer.told(node.stage, against.differences) if against.differences.count else None
        if not objection and not obstacle:
            text = output.as_seed(stored.text, form) if node.where else seed_text(*calculated)
    elif not obstacle and not (obstacle := output.unwritable([hook.sql for hook in seed.config.post_hook])):
        text = output.as_seed(stored.text, form)
    new_columns = output.columns_beyond(stored.text, form)
    return Proposal(
        model=node.name,
        stored=stored,
        differences=tracer.told(node.stage, Differences() if is_first else found.differences),
        objection=objection,
        obstacle=obstacle,
        calculated=calculated is not None,
        text=text,
        new_columns={column: output.told(column) for column in new_columns},
        untyped=_untyped(database, seed, node, new_columns),
        form=form,
        key=node.key,
        first_rows=found.rows if is_first else None,
    )


def _untyped(database: Warehouse, seed: Any, node: Node, columns: Sequence[str]) -> dict[str, str]:
    """Return the types of a model's columns that its expected seed's configuration omits."""
    absent = [column for column in columns if column not in seed.config.column_types]
    with database.cursor() as query:
        engine = engine_of(query)
        types = engine.columns(query, node.relation)
    return {name: engine.seed_type(types[name]) for name in types if name in absent}
