"""Parts of dbt's manifest: dependents, cycles, and the manifest without some nodes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any


def reached(starts: Iterable[str], following: Callable[[str], Iterable[str]]) -> set[str]:
    """Return the IDs of all that follows some nodes, directly or not.

    Args:
        starts: the nodes to start from, which count only if they follow one of themselves.
        following: the IDs of what follows a node directly.
    """
    found: set[str] = set()
    ahead = list(starts)
    while ahead:
        new = set(following(ahead.pop())) - found
        found |= new
        ahead += new
    return found


def dependents(manifest: Any, unique_ids: Iterable[str]) -> set[str]:
    """Return the IDs of nodes and of all that reads them, directly or not.

    Readers are models, tests, exposures and so on.

    Args:
        manifest: with its child map built.
        unique_ids: the nodes to start from.
    """
    starts = set(unique_ids)
    return starts | reached(starts, lambda unique_id: manifest.child_map.get(unique_id, []))


def leave_out(manifest: Any, unique_ids: set[str]) -> None:
    """Remove nodes from a manifest, so that dbt builds the rest."""
    kinds = (manifest.nodes, manifest.exposures, manifest.unit_tests, manifest.metrics)
    for kind in (*kinds, manifest.semantic_models, manifest.saved_queries):
        for unique_id in unique_ids:
            kind.pop(unique_id, None)
    manifest.rebuild_ref_lookup()
    manifest.build_parent_and_child_maps()


@contextmanager
def settings_as_read(manifest: Any | None) -> Iterator[None]:
    """Take back what macros change in the settings of nodes in the meantime.

    With `config.get('labels').append(...)` a macro changes the settings themselves. dbt reads them anew for each
    command, so that it does not last.
    """
    nodes = [] if manifest is None else [node for node in manifest.nodes.values() if hasattr(node, "config")]
    before = [(node.config, deepcopy(node.config._extra), deepcopy(node.config.meta)) for node in nodes]
    try:
        yield
    finally:
        for config, extra, meta in before:
            config._extra, config.meta = extra, meta


def using_macros(manifest: Any, names: set[str]) -> set[str] | None:
    """Return the IDs of nodes that use these macros, directly or not, or None for all nodes.

    A macro that overrides one of dbt's own, or that a hook calls, is used by all nodes.
    """
    if not names:
        return set()
    own = [macro for macro in manifest.macros.values() if macro.name.removeprefix("test_") in names]
    ids = {macro.unique_id for macro in own if macro.package_name not in ("dbt", "dbt_postgres")}
    grown = True
    while grown:
        more = {m.unique_id for m in manifest.macros.values() if ids.intersection(m.depends_on.macros)} - ids
        ids |= more
        grown = bool(more)
    replaced = {macro.name for macro in own if macro.package_name in ("dbt", "dbt_postgres")}
    users = {n.unique_id for n in manifest.nodes.values() if ids.intersection(n.depends_on.macros)}
    made_by = {n.unique_id for n in manifest.nodes.values() if n.config.materialized in names}
    if replaced or any(unique_id.startswith("operation.") for unique_id in users):
        return None
    return users | made_by


def cycles(manifest: Any) -> list[list[str]]:
    """Return the cycles in which nodes read each other, each as IDs in reading order."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in manifest.nodes:
        if start in done:
            continue
        path: list[str] = []
        stack = [(start, iter(manifest.nodes[start].depends_on_nodes))]
        path.append(start)
        while stack:
            unique_id, above = stack[-1]
            parent = next(above, None)
            if parent is None:
                stack.pop()
                path.pop()
                done.add(unique_id)
            elif parent in path:
                found.append(path[path.index(parent) :])
            elif parent not in done and parent in manifest.nodes:
                path.append(parent)
                stack.append((parent, iter(manifest.nodes[parent].depends_on_nodes)))
    return found
