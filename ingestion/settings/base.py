"""Read the environment: what all groups of settings have in common."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingestion.errors import SettingsError
from ingestion.settings.environ import checked_text


class Settings(BaseSettings):
    """Settings read from the environment.

    A missing or malformed variable raises a SettingsError that names it.
    """

    # Compose and many shells pass on an unset variable as an empty one.
    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore", frozen=True, env_ignore_empty=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return checked_text(value) if isinstance(value, str) else value

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            SettingsError: a variable is missing or malformed.
        """
        try:
            return cls()
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)
            )
            raise SettingsError(
                f"The environment is not set up: {problems}. "
                'In the sandbox run eval "$(sandbox env)"; elsewhere set what docs/architecture.md lists.'
            ) from None


class ProjectSettings(Settings):
    """The dbt project that this process works for."""

    folder: Path | None = Field(alias="DBT_PROJECT_DIR", default=None)
