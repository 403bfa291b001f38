"""The settings file of a pipeline, `angiogram.yml` beside dbt_project.yml.

It holds everything that is not secret, and may be missing: then nothing is set. Addresses and secrets stay in the
environment, and what macros must know is a dbt variable in dbt_project.yml.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from angiogram.core.errors import InvalidSettings
from ingestion.errors import SettingsFileUnusable
from ingestion.settings.settings_file import DeclaredContract, ImportPath, SettingsFile


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_PLACES = ("model", "seed", "hook", "macro")


class IntendedLiveSql(_Settings):
    """An intended difference between live SQL and dye SQL, in one place of the project."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [place]} for place in _PLACES]})

    model: str | None = Field(default=None, min_length=1, description="The model whose SQL may differ.")
    seed: str | None = Field(default=None, min_length=1, description="The seed whose hooks or settings may differ.")
    hook: str | None = Field(default=None, min_length=1, description="The hook of the project that may differ.")
    macro: str | None = Field(default=None, min_length=1, description="The macro whose SQL may differ where used.")
    reason: str = Field(min_length=1, description="Why the difference is intended.")

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if sum(getattr(self, place) is not None for place in _PLACES) != 1:
            raise ValueError("name one model, seed, hook or macro")
        return self

    @property
    def node(self) -> str | None:
        """Return the name of the model, seed or hook. None for a macro."""
        return self.model or self.seed or self.hook

    @property
    def kind(self) -> str:
        """Return what is named: model, seed, hook or macro."""
        return next(kind for kind in _PLACES if getattr(self, kind) is not None)


class Intended(_Settings):
    """Differences that are intended and would otherwise be red."""

    live_sql: tuple[IntendedLiveSql, ...] = Field(default=(), description="Places whose live SQL may differ.")


class LeftOut(_Settings):
    """A model that nobody means to compare."""

    model: str = Field(min_length=1, description="The model's name; a version is written as in dbt: orders.v2.")
    reason: str = Field(min_length=1, description="Why its output need not be compared.")


_Columns = str | tuple[str, ...]


class DeclaredExpectation(_Settings):
    """How a model without a test equals_expected is compared, such as one of a package."""

    model: str = Field(min_length=1, description="The model's name; a version is written as in dbt: orders.v2.")
    key: _Columns | None = Field(default=None, description="The columns that identify a row.")
    only: _Columns | None = Field(default=None, description="The columns that are compared besides the key.")
    exclude: _Columns | None = Field(default=None, description="Columns that are not compared.")
    precision: dict[str, NonNegativeInt] | None = Field(
        default=None, description="To how many decimals numbers are compared, by column."
    )
    where: str | None = Field(default=None, min_length=1, description="SQL condition for the rows that are compared.")
    types: bool | None = Field(default=None, description="Whether the types of columns are compared. Default: true.")
    column_order: bool | None = Field(default=None, description="Whether their order is compared. Default: false.")


class DeclaredSettings(DeclaredContract, _Settings):
    """What a pipeline declares in angiogram.yml; another name is refused."""

    calculation: ImportPath | None = Field(
        default=None,
        description="Import path of the independent calculation of expected rows: `module:NAME`.",
    )

    faults: ImportPath | None = Field(
        default=None,
        description="Import path of the catalogue of faults that `angiogram faults` plays: `module:NAME`.",
    )

    live_target: str | None = Field(
        default=None,
        min_length=1,
        description="The dbt target whose tables people read: its SQL and surface are compared with the dye's.",
    )

    left_out: tuple[LeftOut, ...] = Field(default=(), description="Models that are not to be compared, with reasons.")

    expectations: tuple[DeclaredExpectation, ...] = Field(
        default=(), description="How models without a test equals_expected are compared."
    )

    intended: Intended = Field(default_factory=Intended, description="Intended differences: not reported as red.")

    def declared_expectations(self, file: SettingsFile) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return how models are compared, by model: the place that says so, and what it says.

        Args:
            file: the file that was read.

        Raises:
            InvalidSettings: a model has two entries.
        """
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for number, entry in enumerate(self.expectations):
            place = file.place("expectations", number)
            if entry.model in found:
                raise InvalidSettings(f"{place}: {entry.model} has another entry, {found[entry.model][0]}. Keep one.")
            found[entry.model] = place, entry.model_dump(exclude={"model"}, exclude_none=True)
        return found

    @classmethod
    def read(cls, project: Path) -> Self:
        """Read the settings of a dbt project.

        Args:
            project: its folder.

        Raises:
            InvalidSettings: the file cannot be read, is not YAML, or holds an invalid setting.
        """
        try:
            return SettingsFile.of(project).checked(cls)
        except SettingsFileUnusable as error:
            raise InvalidSettings(str(error)) from error
