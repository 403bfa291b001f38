"""The manifest with which `state:` compares: of which project and target it is."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from angiogram.core.errors import UnusableState
from angiogram.core.stage_id import SEED
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX

MANIFEST = "manifest.json"
"""dbt's name of the file."""


def target_of_state(project: Project, folder: Path) -> str | None:
    """Return the target under which to compare with a state. None: the dye target.

    dbt compares what it sees under one target. A manifest of the live target has none of the dye's seeds, so beside
    the dye target's every model would count as modified.

    Args:
        project: the project under the dye target.
        folder: holds the manifest.json of an earlier state.

    Raises:
        UnusableState: there is no such manifest, or it is not one of this project.
    """
    file = folder / MANIFEST
    held = _read(file)
    ours = str(project.manifest.metadata.project_name)
    theirs = (held.get("metadata") or {}).get("project_name")
    if theirs != ours:
        raise UnusableState(
            f"{file} is the manifest of dbt project {theirs or 'unknown'}, and this project is {ours}. Name a folder "
            "with a manifest.json of this project."
        )
    if not project.expected_seeds or _has_expected(held.get("nodes") or {}):
        return None
    if (live := project.settings.live_target) is None:
        raise UnusableState(
            f"{file} was made under a target without expected seeds, so under target {project.target} every model "
            "would count as modified. Name that target as live_target in angiogram.yml, or make the manifest under "
            f"the dye target: dbt parse --target {project.target} --target-path DIR"
        )
    return live


def _read(file: Path) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnusableState(
            f"There is no {file}. --state names the folder that holds the manifest.json of an earlier state, such as "
            "the target folder of the main branch's latest build."
        ) from error
    except (OSError, ValueError) as error:
        raise UnusableState(f"{file} cannot be read as dbt's manifest: {error}. Make it again with dbt.") from error
    if not isinstance(held, dict) or not isinstance(held.get("metadata"), dict):
        raise UnusableState(f"{file} is not dbt's manifest: it has no metadata. Make it again with dbt.")
    return held


def _has_expected(unique_ids: Iterable[str]) -> bool:
    """Whether one of these nodes is an expected seed, by dbt's IDs."""
    kinds = (unique_id.split(".") for unique_id in unique_ids)
    return any(parts[0] == SEED and parts[-1].startswith(EXPECTED_PREFIX) for parts in kinds)
