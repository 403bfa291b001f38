"""The only reader of angiogram.yml, the settings file beside dbt_project.yml.

It parses the text once and names the line of what is wrong. `ingestion` uses one setting, the contract; the others are
declared where they are used (`angiogram.dbt.pipeline_settings`), where unknown names are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from ingestion.errors import SettingsFileUnusable
from ingestion.settings.yaml_lines import line_in

SETTINGS_FILE = "angiogram.yml"

EXAMPLE = "`contract: my_package.contract:CONTRACT`"


def parts_of_import_path(path: str) -> tuple[str, str]:
    """Return the names of module and object in `package.module:NAME`.

    Raises:
        ValueError: it is not an import path.
    """
    module_name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise ValueError(f"{path} is not an import path. Write it as in {EXAMPLE}")
    return module_name, attribute


def _import_path(path: str) -> str:
    parts_of_import_path(path)
    return path


ImportPath = Annotated[
    str,
    AfterValidator(_import_path),
    WithJsonSchema({"type": "string", "pattern": r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$"}),
]
"""The place of a Python object, as `package.module:NAME`."""


class DeclaredContract(BaseModel):
    """What `ingestion` uses of the settings file."""

    model_config = ConfigDict(frozen=True)

    contract: ImportPath | None = Field(
        default=None,
        description="Import path of the contract of its stream: `module:NAME` of an ingestion.contract.Contract.",
    )


_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file that was read.

    Attributes:
        path: the file, which need not exist.
        values: its settings by name; empty if there is no file, or nothing in it.
        root: the same as a tree of YAML nodes, which know their lines.
    """

    path: Path
    values: Mapping[str, Any]
    root: yaml.Node | None

    @classmethod
    def of(cls, project: Path) -> "SettingsFile":
        """Read the settings file of a dbt project.

        Args:
            project: the project's folder.

        Raises:
            SettingsFileUnusable: the file cannot be read, is not YAML, or holds something other than settings.
        """
        path = project / SETTINGS_FILE
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return cls(path, {}, None)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsFileUnusable(f"{path} cannot be read: {error}. Correct the file or its rights.") from error
        return _parsed(path, text)

    def checked(self, model: type[_Model]) -> _Model:
        """Return the settings that a model declares.

        Raises:
            SettingsFileUnusable: a setting cannot be used; the message names its line.
        """
        try:
            return model(**self.values)
        except ValidationError as error:
            raise SettingsFileUnusable("\n".join(self._told(model, error))) from error

    def place(self, *name: str | int) -> str:
        """Return file, line and name of a setting, for messages.

        Args:
            name: of the setting, after those that enclose it.
        """
        return f"{self.path}:{self.line_of(*name)} {'.'.join(map(str, name))}"

    def line_of(self, *name: str | int) -> int:
        """Return the line, from 1, of a setting, or of the nearest enclosing one if it is missing.

        Args:
            name: as `place`.
        """
        return line_in(self.root, *name)

    def _told(self, model: type[BaseModel], error: ValidationError) -> Iterator[str]:
        known = ", ".join(sorted(model.model_fields))
        for problem in error.errors():
            place = self.place(*problem["loc"])
            if problem["type"] != "extra_forbidden":
                yield f"{place}: {problem['msg'].removeprefix('Value error, ')}."
            elif len(problem["loc"]) == 1:
                yield f"{place} is not a setting. The settings are {known}."
            else:
                yield f"{place} is not a setting."


@lru_cache(maxsize=16)
def _parsed(path: Path, text: str) -> SettingsFile:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        values = loader.construct_document(root) if root else None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day that does not exist
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise SettingsFileUnusable(f"{place} is not YAML: {problem}. Correct that line.") from error
    if values is None:
        return SettingsFile(path, {}, None)
    if not isinstance(values, dict):
        raise SettingsFileUnusable(f"{path}:1 must hold names with values, such as `live_target: prod`.")
    return SettingsFile(path, {str(name): value for name, value in values.items()}, root)
