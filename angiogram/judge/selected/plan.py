"""Decides what a run of selected models builds, and what it fills from expected seeds.

A model that a selected one reads is fed: its table is filled from its expected seed. It is built instead where that
seed does not say all that its readers may ask for. A live relation is never read, nor one that another run left.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from angiogram.core.stage_id import MODEL, SEED, SNAPSHOT
from angiogram.dbt.manifest.lookup import node_if_known, node_with_id, nodes_of
from angiogram.dbt.manifest.nodes import Node, is_ephemeral
from angiogram.dbt.manifest.part import Part
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX, expected_name
from angiogram.judge.cause.right_tables import Parent, RightTables
from angiogram.judge.guards.surface import Surface
from angiogram.warehouse.engines.protocol import Query
from angiogram.warehouse.relations import columns

_STATELESS = frozenset({"view", "table", "ephemeral", "materialized_view"})
"""Materializations that hold nothing of an earlier batch."""


def with_seeds(project: Project, selected: Collection[str]) -> Part:
    """Return the part with the seeds to load: all but expected seeds that it cannot need.

    Args:
        project: the project, parsed.
        selected: IDs of the selected models and snapshots.
    """
    above = set(selected)
    waiting = list(selected)
    while waiting:
        more = set(_reads(project, waiting.pop())) - above
        above |= more
        waiting += more
    names = {expected_name(node_with_id(project.manifest, unique_id).search_name) for unique_id in above}
    seeds = nodes_of(project.manifest, SEED)
    wanted = (one.unique_id for one in seeds if not one.name.startswith(EXPECTED_PREFIX) or one.name in names)
    return Part(frozenset(selected), frozenset(wanted))


def planned(project: Project, part: Part, query: Query, tables: RightTables) -> Part:
    """Return the part with what it needs besides: what is fed, and what must be built.

    Args:
        project: the project whose seeds are loaded.
        part: the part, with its seeds.
        query: a query of the session that sees the seeds.
        tables: knows what the batches of the dye are.
    """
    needed: dict[str, str] = {}
    while True:
        fed: set[str] = set()
        read: set[str] = set()
        built = part.selected | needed.keys()
        stateful = _with_state(project, built)
        more: dict[str, str] = {}
        for unique_id in sorted(built):
            for parent in _reads(project, unique_id):
                if node_with_id(project.manifest, parent).resource_type == SEED:
                    read.add(parent)
                    continue
                if parent in built or parent in more:
                    continue
                fact = _Fact(project, query, tables, parent, unique_id in stateful)
                if reason := fact.why_built():
                    more[parent] = reason
                else:
                    fed.add(parent)
        if not more:
            return replace(part, needed=needed, fed=frozenset(fed), read=frozenset(read))
        needed |= more


def keeps_state(project: Project, part: Part) -> bool:
    """Return whether the part has a model or snapshot that keeps rows of earlier batches."""
    return any(_is_stateful(node_with_id(project.manifest, unique_id)) for unique_id in part.built)


@dataclass(frozen=True, slots=True)
class _Fact:
    """A model that is read and not selected.

    Attributes:
        project, query, tables: as for `planned`.
        unique_id: its ID.
        by_state: whether something that keeps rows of earlier batches reads it, directly or not.
    """

    project: Project
    query: Query
    tables: RightTables
    unique_id: str
    by_state: bool

    def why_built(self) -> str | None:
        """Return why the model cannot be fed from its expected seed, in words. None: it can."""
        parsed = node_with_id(self.project.manifest, self.unique_id)
        node = self.project.node_of(self.unique_id)
        if is_ephemeral(parsed):
            return "it is ephemeral, so that its SQL is a part of its readers"
        if parsed.resource_type == SNAPSHOT:
            return "it is a snapshot, and its expected seed does not have dbt's times"
        if node is None or node.expected_relation is None:
            is_waiting = node is not None and node.is_waiting
            return "its expected seed waits for its first rows" if is_waiting else "it has no expected seed"
        if not columns(self.query, node.expected_relation):
            return "its expected seed could not be loaded"
        if node.where:
            return "its expected seed has only the rows that the test's `where` chooses"
        parent = supposed(node, parsed)
        if absent := _absent(self.project, self.tables, node, parent):
            return f"its expected seed does not have the columns {', '.join(sorted(absent))}"
        if self.by_state and self.tables.last_batch() > 1 and not self.tables.batches_are_known(parent):
            return "its expected seed does not say what it holds after each batch, as models that keep rows must know"
        return None


def supposed(node: Node, parsed: Any) -> Parent:
    """Return a model as the parent that holds what its expected seed says."""
    return Parent(node.read_as, parsed.alias, node.expected_relation, node)


def known_columns(project: Project, name: str) -> Mapping[str, str]:
    """Return a model's columns with their types by the accepted surface, or none."""
    surface = Surface.accepted(project.directory)
    model = surface.models.get(name) if surface is not None and surface.engine == project.adapter else None
    return (model.columns if model else None) or {}


def _absent(project: Project, tables: RightTables, node: Node, parent: Parent) -> set[str]:
    """The columns that a model may have and of which nothing says what they hold."""
    real = set(known_columns(project, node.name)) or set(node.excluded)
    return real - tables.known(parent)


def _reads(project: Project, unique_id: str) -> Iterator[str]:
    """dbt's IDs of the models, snapshots and seeds that a node reads."""
    for parent in node_with_id(project.manifest, unique_id).depends_on_nodes:
        above = node_if_known(project.manifest, parent)
        if above is not None and above.resource_type in (MODEL, SNAPSHOT, SEED):
            yield parent


def _with_state(project: Project, built: frozenset[str]) -> set[str]:
    """Those that keep rows of earlier batches, and all above them."""
    found = {unique_id for unique_id in built if _is_stateful(node_with_id(project.manifest, unique_id))}
    waiting = list(found)
    while waiting:
        more = {parent for parent in _reads(project, waiting.pop()) if parent in built} - found
        found |= more
        waiting += more
    return found


def _is_stateful(node: Any) -> bool:
    return node.resource_type == SNAPSHOT or node.config.materialized not in _STATELESS
