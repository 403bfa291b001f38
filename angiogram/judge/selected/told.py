"""A selection as a report holds it, so that its verdict never stands for the whole project."""

from collections.abc import Collection
from typing import Any

from angiogram.core.stage_id import StageId
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria


def told(project: Project, criteria: Criteria, selected: Collection[str]) -> dict[str, Any]:
    """Return what was selected, and what became of the models above it.

    Args:
        project: the project whose part was built.
        criteria: what a person asked for.
        selected: dbt's IDs of the selected models and snapshots.
    """
    every = {node.unique_id for node in project.nodes.values() if not node.is_seed}
    part = project.part
    return {
        "by": str(criteria),
        "selected": len(every & set(selected)),
        "total": len(every),
        "fed": [_stage(project, unique_id) for unique_id in sorted(part.fed if part else ())],
        "also_built": [
            {"stage": _stage(project, unique_id), "reason": reason}
            for unique_id, reason in sorted((part.needed if part else {}).items())
        ],
    }


def _stage(project: Project, unique_id: str) -> dict[str, str]:
    node = node_with_id(project.manifest, unique_id)
    return StageId(str(node.resource_type), node.search_name).as_json()
