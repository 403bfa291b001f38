"""Read the environment: what all groups of settings have in common."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingestion.errors import SettingsError


def checked_text(value: str) -> str:
    """Return a variable's text; raise ValueError if its bytes are not UTF-8.

    Python represents such bytes as lone surrogates.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return value


def is_set(name: str) -> bool:
    """Whether a variable is set and not empty."""
    return bool(os.environ.get(name))


def variable(name: str) -> str | None:
    """A variable's text; None if it is not set or empty.

    Raises:
        ValueError: its bytes are not UTF-8.
    """
    return checked_text(value) if (value := os.environ.get(name)) else None


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
