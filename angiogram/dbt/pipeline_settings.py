"""The settings file of a pipeline, `angiogram.yml` beside dbt_project.yml.

It holds everything that is not secret, and may be missing: then nothing is set. Addresses and secrets stay in the
environment, and what macros must know is a dbt variable in dbt_project.yml.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from angiogram.core.errors import InvalidSettings

FILE = "angiogram.yml"

_IMPORT_PATH = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IntendedLiveSql(_Settings):
    """An intended difference between live SQL and dye SQL, in one model or in one macro."""

    model: str | None = Field(default=None, min_length=1, description="The model whose SQL may differ.")
    macro: str | None = Field(default=None, min_length=1, description="The macro whose SQL may differ where used.")
    reason: str = Field(min_length=1, description="Why, for whoever reads the file.")

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if (self.model is None) == (self.macro is None):
            raise ValueError("name either a model or a macro")
        return self


class Intended(_Settings):
    """Differences that are intended and would otherwise be red."""

    live_sql: tuple[IntendedLiveSql, ...] = ()


class PipelineSettings(_Settings):
    """The settings that a pipeline declares."""

    contract: str | None = Field(
        default=None,
        pattern=_IMPORT_PATH,
        description="Import path of the contract of its stream: `module:NAME` of an ingestion.contract.Contract.",
    )

    calculation: str | None = Field(
        default=None,
        pattern=_IMPORT_PATH,
        description="Import path of the independent calculation of expected rows: `module:NAME`.",
    )

    faults: str | None = Field(
        default=None,
        pattern=_IMPORT_PATH,
        description="Import path of the catalogue of faults that `angiogram faults` plays: `module:NAME`.",
    )

    live_target: str | None = Field(
        default=None,
        min_length=1,
        description="The dbt target whose tables people read: its SQL and surface are compared with the dye's.",
    )

    intended: Intended = Field(default_factory=Intended, description="What is meant although it would be red.")

    @classmethod
    def read(cls, project: Path) -> Self:
        """Read the settings of a dbt project.

        Args:
            project: its folder.

        Raises:
            InvalidSettings: the file cannot be read, is not YAML, or holds an invalid setting.
        """
        file = project / FILE
        try:
            text = file.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(f"{file} cannot be read: {error}.") from error
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise InvalidSettings(f"{file}{line} is not YAML: {problem}. Correct that line.") from error
        if values is None:
            return cls()
        if not isinstance(values, dict):
            raise InvalidSettings(f"{file}:1 must hold names with values, such as `live_target: prod`.")
        try:
            return cls(**{str(name): value for name, value in values.items()})
        except ValidationError as error:
            raise InvalidSettings("\n".join(_told(file, root, error))) from error


def line_of(project: Path, *place: str | int) -> int:
    """Return the line, from 1, of a setting in a project whose settings were read.

    Args:
        project: its folder.
        place: name of the setting, and of those within it.
    """
    return _line(yaml.compose((project / FILE).read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader), place)


def _told(file: Path, root: yaml.Node | None, error: ValidationError) -> Iterator[str]:
    known = ", ".join(sorted(PipelineSettings.model_fields))
    for problem in error.errors():
        place = problem["loc"]
        name = ".".join(map(str, place))
        what = f"{name} is not a setting" if problem["type"] == "extra_forbidden" else f"{name}: {problem['msg']}"
        advice = f" The settings are {known}." if problem["type"] == "extra_forbidden" and len(place) == 1 else ""
        yield f"{file}:{_line(root, place)} {what}.{advice}"


def _line(node: yaml.Node | None, place: tuple[Any, ...]) -> int:
    """Return the line, from 1, of a setting, or of the nearest enclosing one if it is missing."""
    line = node.start_mark.line + 1 if node else 1
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line
