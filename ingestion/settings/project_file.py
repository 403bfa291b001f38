"""The one reader of dbt_project.yml: the project's name, folders and variables.

The file is plain YAML; Jinja stands within its texts and is left as it is.
"""

from pathlib import Path
from typing import Any

import yaml

from ingestion.settings.yaml_lines import line_in

SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader of plain YAML: libyaml's where PyYAML was built with it."""


PROJECT_FILE = "dbt_project.yml"


def read_project_file(project: Path) -> dict[str, Any]:
    """Return what a project's file holds; nothing if it is not a mapping.

    Args:
        project: the project's folder.

    Raises:
        OSError, UnicodeDecodeError, yaml.YAMLError: the file cannot be read, or is not YAML.
    """
    # libyaml is ten times as fast as Python, and a command reads this file several times.
    content = yaml.load((project / PROJECT_FILE).read_text(encoding="utf-8-sig"), Loader=SafeLoader)  # noqa: S506
    return content if isinstance(content, dict) else {}


def line_of_variable(project: Path, name: str) -> int | None:
    """Return the line where a project's file sets a variable; None if it does not.

    A variable under the project's own name overrides one for all packages, as in dbt.

    Args:
        project: the project's folder.
        name: the variable.

    Raises:
        OSError, UnicodeDecodeError, yaml.YAMLError: as `read_project_file`.
    """
    content = read_project_file(project)
    variables = content.get("vars") or {}
    own = variables.get(content.get("name", ""))
    root = yaml.compose((project / PROJECT_FILE).read_text(encoding="utf-8-sig"))
    if isinstance(own, dict) and name in own:
        return line_in(root, "vars", content["name"], name)
    return line_in(root, "vars", name) if name in variables else None


def project_name(project: Path) -> str:
    """Return a project's name, as dbt's macros have it in `project_name`.

    If the file cannot be read or names none, it is the folder's name: dbt reports why.
    """
    try:
        name = read_project_file(project).get("name")
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        name = None
    return str(name) if name else project.name
