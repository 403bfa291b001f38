"""Settings influenced by a pipeline's contract: defaults, and former names of variables."""

import logging
from functools import cache
from typing import Any

from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from ingestion.settings.base import Settings
from ingestion.settings.environ import is_set, variable
from ingestion.settings.pipeline import pipeline

_log = logging.getLogger(__name__)


def former_name(name: str) -> str | None:
    """The former name of a variable that is set under that name alone; None if there is none.

    Args:
        name: current name of the variable.

    Raises:
        ContractUnusable: as `ingestion.settings.pipeline.contract`.
    """
    declared = pipeline()
    if is_set(name) or declared.contract_path is None:
        return None
    former = declared.contract().former_settings.get(name)
    return former if former and is_set(former) else None


def contract_defaults() -> dict[str, str]:
    """The defaults of variables that come from the contract; none if none is declared.

    Raises:
        ContractUnusable: as `ingestion.settings.pipeline.contract`.
    """
    if pipeline().contract_path is None:
        return {}
    contract = pipeline().contract()
    return {"PGDATABASE": contract.database, "KAFKA_TOPIC": contract.topic}


def former_value(name: str) -> str | None:
    """The value of the variable under its former name; None if it is not set.

    Warns once.

    Args:
        name: current name of the variable.

    Raises:
        ContractUnusable: as `ingestion.settings.pipeline.contract`.
        ValueError: its bytes are not UTF-8.
    """
    declared = pipeline()
    if declared.contract_path is None or not (former := declared.contract().former_settings.get(name)):
        return None
    value = variable(former)
    if value:
        _warn(former, name)
    return value


class ContractDefaults(Settings):
    """Settings whose defaults and former names come from the contract.

    The environment takes precedence over both.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments come first, then the environment, then the contract."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _declared(settings_cls))


def _declared(settings: type[BaseSettings]) -> dict[str, Any]:
    if pipeline().contract_path is None:
        return {}
    names = {str(field.alias) for field in settings.model_fields.values()}
    former = {name: value for name in names if not is_set(name) and (value := former_value(name))}
    return {name: value for name, value in (contract_defaults() | former).items() if name in names}


@cache
def _warn(former: str, name: str) -> None:
    _log.warning("%s is now called %s. The old name works until the next release: rename it.", former, name)
