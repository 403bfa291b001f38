"""When a model is meant to change: its new output becomes the expected seed, if the independent calculation agrees.

The dye is taken straight from the input seeds, so that a fault on the way to dbt is never accepted as a model's output.
A project whose models the calculation does not know has nobody to vouch for them but the one who says yes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection

from angiogram.author.accept_surface import SurfaceProposal, propose_surface
from angiogram.author.output import Output, SeedForm
from angiogram.core.errors import DbtFailed, UnknownModel
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.seed_text import Row, seed_text
from angiogram.dbt.seeds.stored_seeds import StoredSeed, replace_all
from angiogram.dye.calculation import calculation_of
from angiogram.dye.seeds import DyeMessage, dye_messages, has_dye, read_dye
from angiogram.judge.build.seed_build import build
from angiogram.judge.cause.stale import compare_with_rows
from angiogram.judge.compare.compare import compare
from angiogram.judge.compare.trace import Tracer
from angiogram.judge.from_seeds import tables_of
from angiogram.judge.guards.surface import FILE, Surface
from angiogram.store.runs import WAIT
from angiogram.warehouse import ephemeral

_Calculated = tuple[Sequence[str], list[Row]]
"""Columns and rows of a model, by the calculation."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A model whose output is not what its expected seed says.

    Attributes:
        model: its name.
        stored: the file of its expected seed, as it was before the models were built.
        differences: between the seed and the output, with the messages that feed them, as in a run's report.
        objection: the same between the independent calculation and the output, if they disagree.
        obstacle: why the output cannot become a seed whatever anybody says; None if it can.
        calculated: whether the independent calculation knows the model.
        text: the new seed; None if it is not to be written.
        new_columns: columns that the seed did not have, with their cells in words.
        untyped: those of them to which dbt_project.yml gives no type, with that of the model.
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

    @property
    def seed(self) -> Path:
        """The file of its expected seed."""
        return self.stored.path

    @property
    def acceptable(self) -> bool:
        """Whether a yes is enough."""
        return self.text is not None


@dataclass(frozen=True, slots=True)
class Proposals:
    """What would be written, of the models and of the surface.

    Attributes:
        models: whose output is not what their expected seeds say.
        surface: the new one; None if the accepted one holds.
    """

    models: list[Proposal]
    surface: SurfaceProposal | None


def propose(project: Project, models: Sequence[str], say: Callable[[str], None], wait: float = WAIT) -> Proposals:
    """Build all models from the input seeds and tell what differs from their expected seeds and from the surface.

    Args:
        project: with the dye taken from the input seeds.
        models: names of those that are asked about; all if empty.
        say: told what is being done, or waited for.
        wait: seconds to wait at most for whoever has the tables.

    Raises:
        UnknownModel: neither the project nor the accepted surface has such a model.
        NotTheDyes: dbt would write what is live, or what the dye did not make.
        RunInHand: a run, or another build from the seeds, outlasted the wait. None begins while the tables are built.
        DbtFailed: something could not be built.
        NotReady: the profile names no PostgreSQL that lets its user in, the project lacks the macro `differences`, or
            it cannot be read under the live target.
        InvalidSurface: the accepted surface cannot be read.
        InvalidSettings: the project declares a calculation that cannot be used.
        SeedError: the dye or the reference data cannot be read.
    """
    project.require_whole()
    nodes = project.nodes
    chosen = _chosen(project, models)
    with tables_of(project, wait, say) as database:
        stored = {node.name: StoredSeed.read(_file(project, node.name)) for node in chosen}
        accepted = StoredSeed.read(project.directory / FILE, may_be_absent=True)
        say("Building the models from the input seeds")
        built_of_dye = build(database, project).builds
        unread = [project.manifest.nodes[one].name for one in ephemeral.show(database, project, built_of_dye)]
        if failed := list(dict.fromkeys([*built_of_dye.unbuilt(), *unread])):
            raise DbtFailed(
                f"dbt could not build {', '.join(failed)}; its log is {project.log_directory / 'dbt.log'}. "
                "Correct it, then accept."
            )
        messages = read_dye(project.directory) if has_dye(project.directory) else []
        names = {str(message.number): message.name for message in messages}
        tables = _calculated(project, messages) if messages else {}
        tracer = Tracer(database, nodes, names)
        proposals = [
            proposal
            for node in chosen
            if (proposal := _proposal(database, project, node, stored[node.name], tables.get(node.name), tracer))
        ]
        built = [node.stage for node in nodes.values()]
        return Proposals(proposals, propose_surface(database, project, models, built, accepted))


def write(project: Project, proposals: Proposals) -> list[Path]:
    """Write the new seeds and the surface, all or none; the files written.

    Raises:
        SeedNotWritten: one cannot be written, or is no longer what was compared.
    """
    changes = [(one.stored, one.stored.as_stored(one.text)) for one in proposals.models if one.text is not None]
    if surface := proposals.surface:
        changes.append((surface.stored, surface.text.encode()))
    return replace_all(project.directory, changes)


def _chosen(project: Project, models: Sequence[str]) -> list[Node]:
    """The models with an expected seed that are asked about."""
    accepted = Surface.accepted(project.directory)
    known = project.nodes.keys() | (accepted.models.keys() if accepted else set())
    if unknown := set(models) - known:
        raise UnknownModel(
            f"There is no model {', '.join(sorted(unknown))}. Those that there are, or were, are "
            f"{', '.join(sorted(known))}."
        )
    return [node for node in project.nodes.values() if node.expected_relation and (not models or node.name in models)]


def _calculated(project: Project, messages: Sequence[DyeMessage]) -> dict[str, _Calculated]:
    """What the project's calculation, if it has one, makes of the dye: columns and rows of each model."""
    if (calculation := calculation_of(project.directory)) is None:
        return {}
    tables = calculation.tables(dye_messages(messages), project.directory)
    return {name: (calculation.columns[name], rows) for name, rows in tables.items()}


def _file(project: Project, model: str) -> Path:
    seed = project.expected_seed(model)
    return Path(seed.root_path or project.directory) / str(seed.original_file_path)


def _proposal(
    database: connection,
    project: Project,
    node: Node,
    stored: StoredSeed,
    calculated: _Calculated | None,
    tracer: Tracer,
) -> Proposal | None:
    """What would be written for a model; None if its seed holds."""
    found = compare(database, node, project.directory)
    if found.rows is None:
        raise DbtFailed(f"{node.name} cannot be read: {found.obstacle}. Correct it, then accept.")
    if not found.is_watched or (not found.differences.count and not found.obstacle):
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
        differences=tracer.told(node.stage, found.differences),
        objection=objection,
        obstacle=obstacle,
        calculated=calculated is not None,
        text=text,
        new_columns={column: output.told(column) for column in new_columns},
        untyped=_untyped(database, seed, node, new_columns),
    )


def _untyped(database: connection, seed: Any, node: Node, columns: Sequence[str]) -> dict[str, str]:
    """Types of columns that a model has and the configuration of its expected seed does not name."""
    absent = [column for column in columns if column not in seed.config.column_types]
    with database.cursor() as query:
        query.execute(
            "select attname::text, format_type(atttypid, null) from pg_attribute"
            " where attrelid = to_regclass(%s) and attname = any(%s) order by attnum",
            (node.relation, absent),
        )
        return dict(query.fetchall())
