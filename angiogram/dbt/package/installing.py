"""Links the package into a dbt project that asks for it and has not got it.

`dbt deps` fetches packages from the hub, from Git or from a folder. Where the entry cannot be fetched, as behind a
firewall, in a copy of a project, or beside a wheel without its repository, the project gets the files that came with
the command `angiogram`. Whatever `dbt deps` has put there stays.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ingestion.settings.project_file import PROJECT_FILE, read_project_file

PACKAGE = "data_angiogram"
"""The package's name in dbt."""

PLACE = "ANGIOGRAM_PACKAGE"
"""The environment variable by which an entry names the package's folder where its own is another machine's."""

_FILES = ("packages.yml", "dependencies.yml")
_FOLDER = "dbt_package"
"""The package's folder in its repository."""


def carried() -> Path:
    """Return the folder of the package that came with this command."""
    return Path(str(files(__package__).joinpath(PACKAGE)))


def install(project: Path) -> bool:
    """Link the package into a project that asks for it and has none.

    Args:
        project: the project's folder.

    Returns:
        Whether it was linked now.
    """
    asked = [entry for entry in entries(project) if _is_ours(project, entry)]
    place = installed_packages(project) / PACKAGE
    if not asked or place.exists():
        return False
    local = project / str(asked[0].get("local") or "")
    found = local if "local" in asked[0] and (local / PROJECT_FILE).is_file() else carried()
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():  # to a folder that is gone
        place.unlink(missing_ok=True)
    try:
        place.symlink_to(found.resolve(), target_is_directory=True)
    except FileExistsError:  # another command has just done it
        return False
    return True


def asks_for_package(project: Path) -> bool:
    """Return whether a project asks for the package."""
    return any(_is_ours(project, entry) for entry in entries(project))


def is_complete(project: Path) -> bool:
    """Return whether as many packages are installed as the project asks for.

    dbt itself judges by that number.
    """
    return len(list(installed_packages(project).glob("*/"))) >= len(list(entries(project)))


def installed_packages(project: Path) -> Path:
    """Return the folder where dbt looks for a project's packages."""
    try:
        named = read_project_file(project).get("packages-install-path")
    except (OSError, UnicodeDecodeError, yaml.YAMLError):  # whatever reads the project reports it
        named = None
    return project / str(named or "dbt_packages")


def entries(project: Path) -> Iterator[dict[str, Any]]:
    """Yield what a project asks for.

    Of a file that is not YAML it is nothing: dbt reports that.
    """
    for name in _FILES:
        try:
            content = yaml.safe_load((project / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError):
            continue
        listed = content.get("packages") if isinstance(content, dict) else None
        yield from (entry for entry in listed or () if isinstance(entry, dict))


def _is_ours(project: Path, entry: dict[str, Any]) -> bool:
    """Return whether an entry names this package, by its name or by the folder that holds it."""
    if "local" in entry:
        if PLACE in str(entry["local"]):
            return True
        local = project / str(entry["local"])
        if (local / PROJECT_FILE).is_file():
            return bool(read_project_file(local).get("name") == PACKAGE)
        return local.name in (_FOLDER, PACKAGE)
    if "git" in entry:
        return Path(str(entry.get("subdirectory", ""))).name == _FOLDER
    return PACKAGE in (entry.get("name"), str(entry.get("package", "")).rpartition("/")[2])
