"""Environment variables that angiogram reads: locations, addresses, the commit.

`ingestion.settings` reads the others, and nothing else here reads the environment.
"""

from pathlib import Path

from pydantic import Field, SecretStr

from ingestion.settings.base import Settings

ALERT_URLS = "ANGIOGRAM_ALERT_URLS"
"""Variable with the addresses for alerts, separated by blanks."""

REPORT_URL = "ANGIOGRAM_REPORT_URL"
"""Variable with the address of the folder that holds the runs' pages."""


class Environment(Settings):
    """Settings from the environment, each of which may be missing."""

    alert_urls: SecretStr = Field(alias="ANGIOGRAM_ALERT_URLS", default=SecretStr(""))
    report_url: str = Field(alias="ANGIOGRAM_REPORT_URL", default="")
    docs_url: str = Field(alias="ANGIOGRAM_DOCS_URL", default="")
    git_commit: str | None = Field(alias="GIT_COMMIT", default=None)
    profiles: Path | None = Field(alias="DBT_PROFILES_DIR", default=None)
    target_path: Path | None = Field(alias="DBT_TARGET_PATH", default=None)
    log_path: Path | None = Field(alias="DBT_LOG_PATH", default=None)
    profile: str | None = Field(alias="DBT_PROFILE", default=None)
    dbt_command: str | None = Field(alias="ANGIOGRAM_DBT_COMMAND", default=None)
    engine_profile: str | None = Field(alias="DBT_ENGINE_PROFILE", default=None)
