"""Hooks at the end of a command that builds only a part of the project.

dbt runs them after the seeds alone, and in a live run after the seeds and incremental models. There a hook may name a
model that is not built yet, which says nothing about a build of the whole project. It runs again with each batch.
"""

import re

from angiogram.dbt.builds import Builds
from angiogram.dbt.manifest.lookup import node_if_known, nodes_by_id
from angiogram.dbt.project import Project

SEEDS = 0
"""The batch number of the seeds themselves, which are loaded whole before the first batch."""


def forget_early_ends(project: Project, builds: Builds) -> None:
    """Drop failures of hooks at the end of a command that had not built yet what they need.

    A hook that does not run again later keeps its failure, unless it names what a selected run leaves out.

    Args:
        project: the project that was built.
        builds: the build results of its nodes, over all batches.
    """
    for unique_id, hook in builds.at_end().items():
        last, never = max(hook.results), _never_built(project)
        for batch in [batch for batch, found in hook.results.items() if found.is_failure]:
            later = builds.not_yet_built(batch) if batch < last else set()
            if (batch == SEEDS and batch < last) or _names(project, unique_id, later | never):
                builds.forget(unique_id, batch)


def _never_built(project: Project) -> set[str]:
    """IDs of what a selected run leaves out."""
    if (part := project.part) is None:
        return set()
    return nodes_by_id(project.manifest).keys() - part.built - part.fed - part.seeds


def _names(project: Project, unique_id: str, others: set[str]) -> bool:
    """Whether a hook reads one of these nodes, or its text holds the name of one's relation."""
    hook = node_if_known(project.manifest, unique_id)
    if hook is None:
        return False
    words = set(re.findall(r"\w+", hook.raw_code))
    known = [node for other in others if (node := node_if_known(project.manifest, other)) is not None]
    named = [node for node in known if node.relation_name and node.alias in words]
    return bool(named or others & set(hook.depends_on_nodes))
