"""The macros of angiogram's own package that hooks call, and builds without these hooks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from angiogram.core.stage_id import OPERATION
from angiogram.dbt.package.installing import PACKAGE

OWN = frozenset(
    {
        *("keep_dye_apart", "require_no_run_in_hand", "note_dependent_views", "restore_dependent_views"),
        *("record_node_results", "record_live_nodes", "print_differences", "results_relation"),
        *("one_build_at_a_time", "end_of_build", "is_dye_target", "is_read_by_people", "held_because"),
    }
)
"""Macros of angiogram itself, of its package or copied into a project. They ask for the target on purpose."""

OWN_CALL = re.compile(rf"\s*\{{\{{-?\s*(?:{PACKAGE}\.)?(?:{'|'.join(sorted(OWN))})\([^{{}}]*\)\s*-?\}}\}}\s*")
"""A hook that only calls one of them."""


@contextmanager
def own_hooks_aside(manifest: Any) -> Iterator[None]:
    """Take the hooks that only call macros of angiogram out of a manifest for a while.

    On PostgreSQL nothing is taken out: there a run reads what they record. Elsewhere they guard and record builds by
    hand, and a build from the seeds does that by itself.

    Args:
        manifest: of the parsed project.
    """
    aside: dict[str, Any] = {}
    if manifest.metadata.adapter_type != "postgres":
        hooks = {i: node for i, node in manifest.nodes.items() if node.resource_type == OPERATION}
        aside = {i: hook for i, hook in hooks.items() if OWN_CALL.fullmatch(hook.raw_code)}
    for unique_id in aside:
        del manifest.nodes[unique_id]
    try:
        yield
    finally:
        manifest.nodes.update(aside)
