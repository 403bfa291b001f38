"""Imports the objects that a pipeline declares in angiogram.yml, as `package.module:NAME`.

The contract is also declared there, but ingestion reads it: see ingestion.settings.pipeline.
"""

from pathlib import Path
from typing import Any, Literal

from angiogram.core.errors import InvalidSettings
from angiogram.dbt.pipeline_settings import DeclaredSettings
from ingestion.errors import ContractUnusable
from ingestion.settings.pipeline import imported
from ingestion.settings.settings_file import SettingsFile

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
    path: str | None = getattr(DeclaredSettings.read(project), setting)
    if path is None:
        return None
    place = SettingsFile.of(project).place(setting)
    try:
        return imported(path, place), f"{place}:"
    except ContractUnusable as error:
        raise InvalidSettings(str(error)) from error
