"""The database roles of this process's pipeline, and their passwords."""

from collections.abc import Mapping

from pydantic import Field, SecretStr

from ingestion.contract import GENERAL_ROLES, Role
from ingestion.errors import SettingsError
from ingestion.settings.base import Settings
from ingestion.settings.declared import former_value
from ingestion.settings.environ import is_set, variable
from ingestion.settings.pipeline import pipeline

_ADVICE = 'In the sandbox run eval "$(sandbox env)".'


class AdministratorSettings(Settings):
    """The PostgreSQL superuser who creates roles and databases."""

    user: str = Field(alias="PG_ADMIN_USER")
    password: SecretStr = Field(alias="PG_ADMIN_PASSWORD")


def roles() -> Mapping[str, Role]:
    """The roles by job: those of the contract, or the general ones if none is declared.

    Raises:
        ContractUnusable: the contract cannot be used.
    """
    declared = pipeline()
    return GENERAL_ROLES if declared.contract_path is None else declared.contract().roles


def role(job: str) -> Role:
    """The role with a job.

    Args:
        job: one of the contract's roles, such as `owner`.

    Raises:
        ContractUnusable: no contract is declared, and not every pipeline has a role with this job.
    """
    return GENERAL_ROLES.get(job) or pipeline().contract().roles[job]


def has_password(job: str) -> bool:
    """Whether the password of the role with a job is set."""
    name = role(job).password_variable
    return is_set(name) or former_value(name) is not None


def role_password(job: str) -> str:
    """The password of the role with a job.

    Raises:
        SettingsError: its variable is not set.
    """
    name, password_variable = role(job)
    try:
        password = variable(password_variable) or former_value(password_variable)
    except ValueError as error:
        raise SettingsError(
            f"{password_variable}, the password of the database role {name}, {error}. Set it again."
        ) from None
    if not password:
        raise SettingsError(f"{password_variable}, the password of the database role {name}, is not set. {_ADVICE}")
    return password
