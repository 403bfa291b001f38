"""Decides what a run of selected models builds, and what it fills from expected seeds.

A model that a selected one reads is fed: its table is filled from its expected seed. It is built instead where that
seed does not say all that its readers may ask for. A live relation is never read, nor one that another run left.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from angiogram.core.stage_id import MODEL, SEED, SNAPSHOT
from angiogram.dbt.manifest.lookup import node_if_known, node_with_id, nodes_of
from angiogram.dbt.manifest.nodes import is_ephemeral
from angiogram.dbt.manifest.part import Part
from angiogram.dbt.manifest.parts import reached
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX, expected_name
from angiogram.judge.selected.feed import Feeding

_STATELESS = frozenset({"view", "table", "ephemeral", "materialized_view"})
"""Materializations that hold nothing of an earlier batch."""


def with_seeds(project: Project, selected: Collection[str]) -> Part:
    """Return the part with the seeds to load: all but expected seeds that it cannot need.

    Args:
        project: the project, parsed.
        selected: IDs of the selected models and snapshots.
    """
    above = {*selected, *reached(selected, lambda unique_id: _reads(project, unique_id))}
    names = {expected_name(node_with_id(project.manifest, unique_id).search_name) for unique_id in above}
    seeds = nodes_of(project.manifest, SEED)
    wanted = (one.unique_id for one in seeds if not one.name.startswith(EXPECTED_PREFIX) or one.name in names)
    return Part(frozenset(selected), frozenset(wanted))


def planned(project: Project, part: Part, feed: Feeding) -> Part:
    """Return the part with what it needs besides: what is fed, and what must be built.

    Args:
        project: the project whose seeds are loaded.
        part: the part, with its seeds.
        feed: knows what the expected seeds say, and in which batches.
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
                fact = _Fact(project, feed, parent, unique_id in stateful)
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
        project, feed: as for `planned`.
        unique_id: its ID.
        by_state: whether something that keeps rows of earlier batches reads it, directly or not.
    """

    project: Project
    feed: Feeding
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
        if node.where:
            return "its expected seed has only the rows that the test's `where` chooses"
        if node.is_partly_expected:
            return "its expected seed need not equal it in each cell (only, exclude, precision or types)"
        if why := self.feed.why_not(node):
            return why
        if self.by_state and not self.feed.knows_batches(node):
            return "its expected seed does not say what it holds after each batch, as models that keep rows must know"
        return None


def _reads(project: Project, unique_id: str) -> Iterator[str]:
    """dbt's IDs of the models, snapshots and seeds that a node reads."""
    for parent in node_with_id(project.manifest, unique_id).depends_on_nodes:
        above = node_if_known(project.manifest, parent)
        if above is not None and above.resource_type in (MODEL, SNAPSHOT, SEED):
            yield parent


def _with_state(project: Project, built: frozenset[str]) -> set[str]:
    """Those that keep rows of earlier batches, and all above them."""
    found = {unique_id for unique_id in built if _is_stateful(node_with_id(project.manifest, unique_id))}
    return found | reached(found, lambda unique_id: (one for one in _reads(project, unique_id) if one in built))


def _is_stateful(node: Any) -> bool:
    return node.resource_type == SNAPSHOT or node.config.materialized not in _STATELESS
