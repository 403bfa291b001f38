"""Asks dbt which models a selection means."""

import json
from contextlib import nullcontext
from typing import Any

from angiogram.core.errors import NothingSelected
from angiogram.core.stage_id import MODEL, SNAPSHOT
from angiogram.dbt.live_target import secrets_set
from angiogram.dbt.manifest.lookup import node_if_known
from angiogram.dbt.manifest.part import EVERYTHING
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria
from angiogram.dbt.selection.state import target_of_state

_OUTPUT = ("--output", "json", "--output-keys", "unique_id")


def selected(project: Project, criteria: Criteria) -> set[str]:
    """Return dbt's IDs of the selected models and snapshots.

    A model is selected as well if its expected seed is. None may be left where a file of the project is broken: dbt
    does not know what is in it, and the run names it.

    Args:
        project: the project under the dye target.
        criteria: what a person asked for.

    Raises:
        NothingSelected: no model is selected.
        UnusableState: the state to compare with is missing, or is not of this project.
        DbtFailed: dbt does not understand the selection.
    """
    if not project.can_be_built:
        return set()
    other = target_of_state(project, criteria.state) if criteria.state else None
    with secrets_set(project) if other else nullcontext():
        manifest = project.manifest_under(other) if other else None
        listed = project.compile(["list", *_options(criteria), *_OUTPUT], manifest, other).answer or ()
    ids = {json.loads(line)["unique_id"] for line in listed}
    expected = {node.expected_id: node.unique_id for node in project.nodes.values() if node.expected_id}
    ids |= {expected[unique_id] for unique_id in ids & expected.keys()}
    found = {unique_id for unique_id in ids if _is_built(project.manifest, unique_id)}
    if found or project.reading.broken:
        return found
    raise NothingSelected(
        f"No model is selected by {criteria}, so nothing was built or compared. "
        + (
            f"By dbt's comparison with {criteria.state}, nothing that this selects was modified."
            if criteria.state
            else f"`dbt ls {criteria} --target {project.target}` lists what dbt selects."
        )
    )


def _options(criteria: Criteria) -> list[str]:
    chosen = ["--selector", criteria.selector] if criteria.selector else ["--select", *criteria.select]
    if not (criteria.select or criteria.selector):
        chosen = [*EVERYTHING]
    excluded = ["--exclude", *criteria.exclude] if criteria.exclude else []
    return [*chosen, *excluded, *(("--state", str(criteria.state.resolve())) if criteria.state else ())]


def _is_built(manifest: Any, unique_id: str) -> bool:
    node = node_if_known(manifest, unique_id)
    return node is not None and node.resource_type in (MODEL, SNAPSHOT)
