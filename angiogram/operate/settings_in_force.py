"""What is set for a pipeline, and where each setting comes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from angiogram.core.environment import Environment
from angiogram.dbt.pipeline_settings import DeclaredSettings
from angiogram.dbt.project_file import DEFAULT_DYE_TARGET, DYE_TARGETS, project_variables
from ingestion.addresses import without_user_info
from ingestion.settings import DatabaseSettings, DyeKeys, FrontDoorSettings, KafkaSettings, roles
from ingestion.settings.base import ProjectSettings, Settings
from ingestion.settings.declared import contract_defaults, former_name
from ingestion.settings.environ import is_set, variable
from ingestion.settings.pipeline import pipeline
from ingestion.settings.project_file import PROJECT_FILE, line_of_variable
from ingestion.settings.settings_file import SETTINGS_FILE, SettingsFile

NOT_SET = "not set"
DEFAULT = "default"
ENVIRONMENT = "environment"
HIDDEN = "set, not shown"
"""The value of a secret."""

_ENVIRONMENT: tuple[type[Settings], ...] = (
    ProjectSettings,
    DatabaseSettings,
    KafkaSettings,
    FrontDoorSettings,
    DyeKeys,
    Environment,
)
_VARIABLES = {DYE_TARGETS: [DEFAULT_DYE_TARGET], "run_dependent_columns": [], "max_seconds": None}
"""The dbt variables that macros and commands read, with their defaults."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A setting as it is in force.

    Attributes:
        name: the setting, as it is written where it is set.
        value: its value; None if it has none. A secret is HIDDEN, an address is without user and password.
        origin: file of the project and line, ENVIRONMENT, DEFAULT or NOT_SET.
    """

    name: str
    value: Any
    origin: str


def settings_in_force(project: Path) -> dict[str, list[InForce]]:
    """Return all settings by where they belong: file, dbt variables, environment.

    Args:
        project: folder of the dbt project.

    Raises:
        InvalidSettings: angiogram.yml cannot be used.
        ContractUnusable: the contract that it names cannot be used.
    """
    declared = DeclaredSettings.read(project)
    return {
        SETTINGS_FILE: list(_declared(SettingsFile.of(project), declared)),
        f"vars in {PROJECT_FILE}": list(_variables(project)),
        ENVIRONMENT: [*_environment(), *_passwords()],
    }


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of angiogram.yml, for editors."""
    schema = DeclaredSettings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": SETTINGS_FILE}


def _declared(file: SettingsFile, declared: DeclaredSettings) -> Iterator[InForce]:
    for name in type(declared).model_fields:
        value = getattr(declared, name)
        if isinstance(value, BaseModel):
            for field in type(value).model_fields:
                yield from _declared_at(file, (name, field), getattr(value, field))
        else:
            yield from _declared_at(file, (name,), value)


def _declared_at(file: SettingsFile, name: tuple[str, ...], value: Any) -> Iterator[InForce]:
    """A setting; each item of a list is one of its own, with its own line."""
    told = ".".join(name)
    if value in (None, ()):
        yield InForce(told, None, NOT_SET)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            place = f"{SETTINGS_FILE}:{file.line_of(*name, number)}"
            yield InForce(f"{told}[{number}]", item.model_dump(exclude_none=True), place)
    else:
        yield InForce(told, value, f"{SETTINGS_FILE}:{file.line_of(*name)}")


def _variables(project: Path) -> Iterator[InForce]:
    given = project_variables(project)
    for name, default in _VARIABLES.items():
        if name in given:
            yield InForce(name, given[name], f"{PROJECT_FILE}:{line_of_variable(project, name)}")
        else:
            yield InForce(name, default, DEFAULT if default else NOT_SET)


def _environment() -> Iterator[InForce]:
    defaults = contract_defaults()
    for group in _ENVIRONMENT:
        for field in group.model_fields.values():
            name, is_secret = str(field.alias), SecretStr in _types(field.annotation)
            if (found := _set_by_hand(name, is_secret)) is not None:
                yield found
            elif name in defaults:
                yield InForce(name, defaults[name], f"contract {pipeline().contract_path}")
            elif is_secret or field.is_required() or field.default in (None, ""):
                yield InForce(name, None, NOT_SET)
            else:
                yield InForce(name, field.default, DEFAULT)


def _passwords() -> Iterator[InForce]:
    for job, role in roles().items():
        found = _set_by_hand(role.password_variable, is_secret=True)
        value, origin = (found.value, found.origin) if found else (None, NOT_SET)
        yield InForce(f"{role.password_variable} (role {role.name}, {job})", value, origin)


def _set_by_hand(name: str, is_secret: bool) -> InForce | None:
    """The setting, if a variable sets it under its name or its former one."""
    former = former_name(name)
    if not (former or is_set(name)):
        return None
    try:
        value = HIDDEN if is_secret else without_user_info(variable(former or name) or "")
    except ValueError as error:
        value = f"unusable: it {error}"
    return InForce(name, value, f"{ENVIRONMENT}, former name {former}" if former else ENVIRONMENT)


def _types(annotation: Any) -> set[Any]:
    """All types within an annotation."""
    return {annotation}.union(*map(_types, get_args(annotation)))
