"""Reads dbt_project.yml as it stands: its variables, and the dye targets among them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from angiogram.core.environment import Environment
from angiogram.core.errors import UnsupportedProject
from ingestion.settings.pipeline import project_folder
from ingestion.settings.project_file import PROJECT_FILE, read_project_file

DYE_TARGETS = "dye_targets"
"""The variable that names the dbt targets under which a project reads the dye."""

DYE_SOURCES = "dye_sources"
"""The variable that names the seed which stands in for each source: `angiogram init` writes it."""

DEFAULT_DYE_TARGET = "angiogram"
_PARSED = "target_angiogram"


@dataclass(frozen=True, slots=True)
class ProjectPaths:
    """The paths of a dbt project and of what belongs to it.

    Attributes:
        folder: the folder with dbt_project.yml.
        profiles: the folder with profiles.yml.
        parsed: where angiogram has dbt keep what it parsed.
        logs: where dbt writes the log of angiogram's commands.
    """

    folder: Path
    profiles: Path
    parsed: Path
    logs: Path

    @classmethod
    def of(cls, folder: Path | None = None) -> Self:
        """Return the paths of a project.

        Args:
            folder: of the project; by default the one that `project_directory` finds.
        """
        folder, places = (folder or project_directory()).resolve(), Environment.from_environment()
        return cls(
            folder,
            places.profiles or _folder_of_profiles(folder),
            places.target_path or folder / _PARSED,
            places.log_path or folder / "logs" / "angiogram",
        )

    def keep_parsed_out_of_git(self) -> None:
        """Have git ignore the folder of what was parsed, unless a variable of dbt names it."""
        if self.parsed == self.folder / _PARSED and not (ignored := self.parsed / ".gitignore").is_file():
            self.parsed.mkdir(parents=True, exist_ok=True)
            ignored.write_text("*\n", encoding="utf-8")


def _folder_of_profiles(folder: Path) -> Path:
    """Where profiles.yml is if no variable says so: in the project, else in the home folder."""
    at_home = Path.home() / ".dbt"
    return at_home if not (folder / "profiles.yml").is_file() and (at_home / "profiles.yml").is_file() else folder


def project_directory() -> Path:
    """Return the dbt project's folder: DBT_PROJECT_DIR, else the nearest upwards.

    If there is none upwards, it is that of this checkout.
    """
    return project_folder().resolve()


def install_packages_command(directory: Path) -> str:
    """Return the command that installs a project's dbt packages: its own script, or else dbt."""
    own = directory / "install_packages.py"
    return f"python {own}" if own.is_file() else f"dbt deps --project-dir {directory}"


def project_variables(directory: Path) -> dict[str, Any]:
    """Return the variables in a project's file: none if the file is not YAML.

    Variables under the project's own name override those for all packages. A broken file is reported by whatever reads
    the project, with its line.
    """
    try:
        settings = read_project_file(directory)
    except yaml.YAMLError:
        return {}
    variables: dict[str, Any] = settings.get("vars") or {}
    return variables | (variables.get(settings.get("name", "")) or {})


def dye_targets(directory: Path) -> list[str]:
    """Return the dbt targets under which a project reads the dye (see macro is_dye_target).

    Raises:
        UnsupportedProject: the variable names none.
    """
    named = project_variables(directory).get(DYE_TARGETS, DEFAULT_DYE_TARGET)
    targets = [named] if isinstance(named, str) else list(named or ())
    if not targets:
        raise UnsupportedProject(f"The variable {DYE_TARGETS} of {directory / PROJECT_FILE} names no target. Add one.")
    return [str(target) for target in targets]


def results_relation(target: str) -> str:
    """Return the quoted relation in which the macro record_node_results records a dye build."""
    return f'"{target}_results"."node_results"'


def dye_target(directory: Path, name: str | None = None) -> str:
    """Return the dye target to build: the named one, or else the first.

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
