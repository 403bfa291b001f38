"""Answers which nodes, sources and macros dbt's manifest has.

No other room reads the parts of a manifest itself.
"""

from collections.abc import Collection, Mapping
from typing import Any


def all_nodes(manifest: Any) -> Collection[Any]:
    """Return all that dbt runs: models, seeds, snapshots, tests and hooks."""
    return list(manifest.nodes.values())


def nodes_by_id(manifest: Any) -> Mapping[str, Any]:
    """Return all that dbt runs, by dbt's ID."""
    return dict(manifest.nodes)


def nodes_of(manifest: Any, kind: str) -> list[Any]:
    """Return the nodes of one kind, in dbt's word for it: model, seed, test and so on."""
    return [node for node in manifest.nodes.values() if node.resource_type == kind]


def node_with_id(manifest: Any, unique_id: str) -> Any:
    """Return the node with this ID, which must exist."""
    return manifest.nodes[unique_id]


def node_if_known(manifest: Any, unique_id: str) -> Any | None:
    """Return the node with this ID, or None."""
    return manifest.nodes.get(unique_id)


def is_node(manifest: Any, unique_id: str) -> bool:
    """Return whether there is a node with this ID. A source is none."""
    return unique_id in manifest.nodes


def sources_by_id(manifest: Any) -> Mapping[str, Any]:
    """Return the sources, by dbt's ID."""
    return dict(manifest.sources)


def source_if_known(manifest: Any, unique_id: str) -> Any | None:
    """Return the source with this ID, or None."""
    return manifest.sources.get(unique_id)


def own_macro(manifest: Any, name: str) -> Any | None:
    """Return the project's own macro of this name, or None."""
    return manifest.macros.get(f"macro.{manifest.metadata.project_name}.{name}")


def reference_to(manifest: Any, unique_id: str) -> str:
    """Return how Jinja refers to a model, by package, and by version where it has one."""
    node = manifest.nodes[unique_id]
    version = "" if node.version is None else f", v={node.version!r}"
    return f"ref('{node.package_name}', '{node.name}'{version})"


def disabled_of(manifest: Any, kind: str) -> list[Any]:
    """Return the disabled nodes of one kind."""
    return [node for several in manifest.disabled.values() for node in several if node.resource_type == kind]


def is_called_by_hook(manifest: Any, macro: str) -> bool:
    """Return whether any hook at the start or end of a build calls a macro of this name."""
    hooks = (node for node in manifest.nodes.values() if node.resource_type == "operation")
    return any(called.rpartition(".")[2] == macro for hook in hooks for called in hook.depends_on.macros)


def readers_by_id(manifest: Any) -> Mapping[str, set[str]]:
    """Return the IDs of the models, snapshots and exposures that read each node, directly."""
    found: dict[str, set[str]] = {}
    for reader in [*manifest.nodes.values(), *manifest.exposures.values()]:
        if reader.resource_type in ("model", "snapshot", "exposure"):
            for read in reader.depends_on.nodes:
                found.setdefault(read, set()).add(reader.unique_id)
    return found


def exposure_names(manifest: Any) -> Mapping[str, str]:
    """Return the names of the exposures, by dbt's ID."""
    return {unique_id: exposure.name for unique_id, exposure in manifest.exposures.items()}


def read_by_test(manifest: Any, unique_id: str) -> set[str]:
    """Return the IDs of what a test or unit test reads; none if dbt does not know it."""
    found = manifest.nodes.get(unique_id) or manifest.unit_tests.get(unique_id)
    return set(found.depends_on.nodes) if found else set()
