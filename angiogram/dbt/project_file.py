"""What dbt_project.yml says, read as it stands: its variables, and the dye targets among them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from angiogram.core.environment import Environment
from angiogram.core.errors import UnsupportedProject
from ingestion.settings.pipeline import project_folder

DYE_TARGETS = "dye_targets"
"""The variable that names the dbt targets under which a project reads the dye."""

DEFAULT_DYE_TARGET = "angiogram"


@dataclass(frozen=True, slots=True)
class ProjectPaths:
    """Where a dbt project is, and what belongs to it.

    Attributes:
        folder: the one with dbt_project.yml.
        profiles: the one with profiles.yml.
        parsed: where angiogram has dbt keep what it parsed.
        logs: where dbt's log of angiogram's commands lies.
    """

    folder: Path
    profiles: Path
    parsed: Path
    logs: Path

    @classmethod
    def of(cls, folder: Path | None = None) -> Self:
        """The paths of a project.

        Args:
            folder: of the project; by default that which `project_directory` finds.
        """
        folder, places = (folder or project_directory()).resolve(), Environment.from_environment()
        return cls(
            folder,
            places.profiles or folder,
            places.target_path or folder / "target_angiogram",
            places.log_path or folder / "logs" / "angiogram",
        )


def project_directory() -> Path:
    """The folder of the dbt project: named in DBT_PROJECT_DIR, else the nearest upwards, else that of this checkout."""
    return project_folder().resolve()


def project_variables(directory: Path) -> dict[str, Any]:
    """The variables of a dbt project as they stand in it; those under its own name go before those for all packages.

    None if the file is not YAML: whoever reads the project names the line.
    """
    try:
        settings = yaml.safe_load((directory / "dbt_project.yml").read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return {}
    variables: dict[str, Any] = settings.get("vars") or {}
    return variables | (variables.get(settings.get("name")) or {})


def dye_targets(directory: Path) -> list[str]:
    """The dbt targets under which a project reads the dye, as its macro is_dye_target knows them.

    Raises:
        UnsupportedProject: the variable names none.
    """
    named = project_variables(directory).get(DYE_TARGETS, DEFAULT_DYE_TARGET)
    targets = [named] if isinstance(named, str) else list(named or ())
    if not targets:
        raise UnsupportedProject(
            f"The variable {DYE_TARGETS} of {directory / 'dbt_project.yml'} names no target. Name one."
        )
    return [str(target) for target in targets]


def results_relation(target: str) -> str:
    """Where the macro record_node_results keeps what dbt built under a dye target, quoted."""
    return f'"{target}_results"."node_results"'


def dye_target(directory: Path, name: str | None = None) -> str:
    """The dye target to build: the named one, or else the first.

    Raises:
        UnsupportedProject: the named target is not a dye target. Building it would replace live rows.
    """
    targets = dye_targets(directory)
    if name is not None and name not in targets:
        raise UnsupportedProject(
            f"{name} is not a dye target of {directory}: the variable {DYE_TARGETS} names {', '.join(targets)}. "
            f"Choose one of them, or add {name} to the variable if it is only ever built for the dye."
        )
    return name or targets[0]
