"""Imports the objects that a pipeline declares in angiogram.yml, as `package.module:NAME`.

The contract is also declared there, but ingestion reads it: see ingestion.settings.pipeline.
"""

from pathlib import Path
from typing import Any, Literal

from angiogram.core.errors import InvalidSettings
from angiogram.dbt.pipeline_settings import FILE, PipelineSettings, line_of
from ingestion.errors import ContractUnusable
from ingestion.settings.pipeline import imported

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
    place = f"{project / FILE}:{line_of(project, setting)} {setting}"
    try:
        return imported(path, place), f"{place}:"
    except ContractUnusable as error:
        raise InvalidSettings(str(error)) from error
