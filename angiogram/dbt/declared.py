"""Imports the objects that a pipeline declares in angiogram.yml, as `package.module:NAME`.

The contract is also declared there, but ingestion reads it: see ingestion.settings.pipeline.
"""

import importlib
from pathlib import Path
from typing import Any, Literal

from angiogram.core.errors import InvalidSettings
from angiogram.dbt.pipeline_settings import FILE, PipelineSettings, line_of

Setting = Literal["calculation", "faults"]


def declared(project: Path, setting: Setting) -> tuple[Any, str] | None:
    """Return the object that a dbt project declares, and the place of its setting.

    Returns None if the project does not declare one.

    Args:
        project: the project's folder.
        setting: the name of the setting.

    Raises:
        InvalidSettings: the settings file cannot be used, or the object cannot be imported.
    """
    path: str | None = getattr(PipelineSettings.read(project), setting)
    if path is None:
        return None
    place = f"{project / FILE}:{line_of(project, setting)} {setting}:"
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        raise InvalidSettings(
            f"{place} the module {module_name} cannot be imported: {type(error).__name__}: {error}. "
            "Install it into this environment, put its folder on PYTHONPATH, or correct the line."
        ) from error
    if not hasattr(module, name):
        raise InvalidSettings(f"{place} {name} does not exist in the module {module_name}. Correct the line.")
    return getattr(module, name), place
