"""Environment variables of the sandbox: where its data and jars are kept and fetched from."""

from pathlib import Path

from pydantic import Field

from ingestion.settings.base import Settings

CHECKOUT = Path(__file__).resolve().parents[1]
"""The checkout that this package belongs to."""


class SandboxSettings(Settings):
    """Settings of the sandbox, each of which may be missing."""

    chosen_folder: Path | None = Field(alias="SANDBOX_DIR", default=None)
    chosen_cache: Path | None = Field(alias="SANDBOX_CACHE_DIR", default=None)
    users_cache: Path | None = Field(alias="XDG_CACHE_HOME", default=None)
    maven_mirror: str | None = Field(alias="SANDBOX_MAVEN_MIRROR", default=None)

    @property
    def folder(self) -> Path:
        """Return the sandbox's folder: SANDBOX_DIR, or `.sandbox` in the checkout."""
        return (self.chosen_folder or CHECKOUT / ".sandbox").resolve()

    @property
    def cache(self) -> Path:
        """Return where jars are kept between runs.

        It is SANDBOX_CACHE_DIR, or a folder of this project in the user's cache.
        """
        if self.chosen_cache:
            return self.chosen_cache.resolve()
        return (self.users_cache or Path.home() / ".cache").resolve() / "data-angiogram"
