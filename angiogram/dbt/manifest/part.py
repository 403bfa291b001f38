"""The part of a project that a selected run builds, and how dbt is told to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

EVERYTHING = ("--select", "fqn:*")
"""Selects everything, whatever selector the project names as its default."""

TAG = "angiogram_builds_this"
"""The tag of what is to be built. No selector of a project can mean anything else by it."""

TAGGED = ("--select", f"tag:{TAG}")
"""Selects what has the tag."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a project that is built, all by dbt's IDs.

    Attributes:
        selected: the models and snapshots that a person selected.
        seeds: the seeds to load.
        read: those of them that models of the part read.
        needed: models and snapshots that are built although nobody selected them, with the reason.
        fed: models that are not built, whose tables are filled from their expected seeds.
    """

    selected: frozenset[str]
    seeds: frozenset[str]
    needed: Mapping[str, str] = field(default_factory=dict)
    fed: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()

    @property
    def built(self) -> frozenset[str]:
        """Return the models and snapshots to build."""
        return self.selected | self.needed.keys()


@contextmanager
def selecting(manifest: Any, part: Part | None, seeds: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield how dbt selects the models or seeds of a part, which have the tag for so long.

    dbt has no selector that means one node only: a name or path may fit others as well.

    Args:
        manifest: of the parsed project.
        part: the part. None: everything is selected.
        seeds: whether its seeds are meant.
    """
    unique_ids = (part.seeds if seeds else part.built) if part else ()
    nodes = [manifest.nodes[unique_id] for unique_id in unique_ids]
    before = [node.tags for node in nodes]
    for node in nodes:
        node.tags = [*node.tags, TAG]
    try:
        yield TAGGED if part else EVERYTHING
    finally:
        for node, tags in zip(nodes, before, strict=True):
            node.tags = tags
