"""Addresses and secrets, from the environment alone. docs/architecture.md lists every variable."""

import os
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import psycopg2
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingestion.addresses import checked_servers, checked_web_address, without_user_info
from ingestion.errors import DatabaseUnavailable, SettingsError

_ANSWERS_WITHIN = 5.0  # seconds

ROLE_PASSWORDS = {
    "taxi_owner": "TAXI_OWNER_PASSWORD",
    "taxi_loader": "TAXI_LOADER_PASSWORD",
    "dbt_dev": "DBT_ENV_SECRET_DEV_PASSWORD",
    "dbt_prod": "DBT_ENV_SECRET_PROD_PASSWORD",
    "angiogram": "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD",
    "marts_reader": "MARTS_READER_PASSWORD",
    "airflow": "AIRFLOW_DB_PASSWORD",
}
"""Database roles and the variable that holds each one's password."""


def _checked_text(value: str) -> str:
    """A variable's text; ValueError if its bytes are no UTF-8, as Python tells by lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return value


class _Settings(BaseSettings):
    """Settings read from the environment; a missing or malformed variable is a SettingsError that names it."""

    # Compose and many shells hand on an unset variable as an empty one.
    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore", frozen=True, env_ignore_empty=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return _checked_text(value) if isinstance(value, str) else value

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


class ProjectSettings(_Settings):
    """Which dbt project this process works for."""

    folder: Path | None = Field(alias="DBT_PROJECT_DIR", default=None)


class DatabaseSettings(_Settings):
    """Where PostgreSQL is. The password belongs to a role and is looked up by `connect`."""

    host: str = Field(alias="PGHOST")
    port: int = Field(alias="PGPORT", default=5432)
    name: str = Field(alias="PGDATABASE", default="taxi")
    sslmode: str = Field(alias="PGSSLMODE", default="prefer")
    connect_timeout: int = Field(alias="PGCONNECT_TIMEOUT", default=10)


# kafka-python takes a protocol that it does not know for PLAINTEXT: a slip would switch encryption and login off.
_SecurityProtocol = Annotated[Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(str.upper)]


class KafkaSettings(_Settings):
    """Where Kafka is, and the topic of the rides."""

    bootstrap_servers: Annotated[str, AfterValidator(checked_servers)] = Field(alias="KAFKA_BOOTSTRAP_SERVERS")
    topic: str = Field(alias="KAFKA_TOPIC", default="taxi_rides", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    partitions: int = Field(alias="KAFKA_PARTITIONS", default=4, ge=1)
    security_protocol: _SecurityProtocol | None = Field(alias="KAFKA_SECURITY_PROTOCOL", default=None)
    sasl_mechanism: str | None = Field(alias="KAFKA_SASL_MECHANISM", default=None)
    sasl_username: str | None = Field(alias="KAFKA_SASL_USERNAME", default=None)
    sasl_password: SecretStr | None = Field(alias="KAFKA_SASL_PASSWORD", default=None)
    ssl_cafile: str | None = Field(alias="KAFKA_SSL_CAFILE", default=None)

    def client_options(self) -> dict[str, Any]:
        """Options that every kafka-python client takes: address and security."""
        options = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password.get_secret_value() if self.sasl_password else None,
            "ssl_cafile": self.ssl_cafile,
        }
        return {name: value for name, value in options.items() if value is not None}


_DyeKey = Annotated[SecretStr, Field(min_length=16)]


class DyeKeys(_Settings):
    """The key that signs the dye, and the former one while they are exchanged."""

    current: _DyeKey = Field(alias="DYE_KEY")
    previous: _DyeKey | None = Field(alias="DYE_KEY_OLD", default=None)

    def accepted(self) -> list[bytes]:
        """Keys whose signatures hold, newest first."""
        return [key.get_secret_value().encode() for key in (self.current, self.previous) if key]


def _checked_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        raise ValueError("must be printable ASCII without blanks around it, since it travels in a header")
    return secret


class FrontDoorSettings(_Settings):
    """The API that takes rides, as its clients and as the API itself see it."""

    url: Annotated[str, AfterValidator(checked_web_address)] | None = Field(alias="RIDES_API_URL", default=None)
    api_key: Annotated[SecretStr, AfterValidator(_checked_header)] = Field(alias="RIDES_API_KEY", min_length=8)

    @property
    def shown_url(self) -> str:
        """The URL as it may be printed and kept: without a user and a password."""
        return without_user_info(self.url or "")

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the URL names a loopback address, which a proxy would take for its own machine."""
        try:
            host = urlsplit(self.url or "").hostname or ""
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:  # a name
            return False


def role_password(role: str) -> str:
    """The password of a database role.

    Raises:
        SettingsError: its variable is not set.
    """
    variable = ROLE_PASSWORDS[role]
    if not (password := os.environ.get(variable)):
        raise SettingsError(
            f"{variable}, the password of the database role {role}, is not set. "
            'In the sandbox run eval "$(sandbox env)".'
        )
    try:
        return _checked_text(password)
    except ValueError as error:
        raise SettingsError(f"{variable}, the password of the database role {role}, {error}. Set it anew.") from None


def connect(role: str, application_name: str, database: str | None = None) -> "psycopg2.extensions.connection":
    """Open a connection to PostgreSQL as one of the roles. The caller closes it.

    Args:
        role: one of ROLE_PASSWORDS.
        application_name: what pg_stat_activity shows.
        database: another database than PGDATABASE.

    Raises:
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached or refuses the role.
    """
    database_settings = DatabaseSettings.from_environment()
    password = role_password(role)
    try:
        return psycopg2.connect(
            host=database_settings.host,
            port=database_settings.port,
            dbname=database or database_settings.name,
            sslmode=database_settings.sslmode,
            connect_timeout=database_settings.connect_timeout,
            # A machine that vanishes without a word ends a statement in half a minute; the system would wait for hours.
            keepalives_idle=10,  # seconds of silence, as while a statement runs, before it is asked
            keepalives_interval=5,
            keepalives_count=4,
            tcp_user_timeout=30_000,  # milliseconds that what was sent may stay unacknowledged
            client_encoding="UTF8",  # what COPY is given as bytes; PGCLIENTENCODING would have it read otherwise
            user=role,
            password=password,
            application_name=application_name,
        )
    except psycopg2.OperationalError as error:
        place = f"PostgreSQL at {database_settings.host}:{database_settings.port}"
        said = " ".join(str(error).split()).rstrip(".?")
        if _answers(database_settings.host, database_settings.port):
            raise DatabaseUnavailable(
                f"{place} is running, but refused the connection for role {role}: {said}. Check its password, "
                f"{ROLE_PASSWORDS[role]}, and PGDATABASE and PGSSLMODE. `ingestion bootstrap` makes roles and "
                "databases, and sets the passwords from the environment."
            ) from error
        raise DatabaseUnavailable(
            f"{place} did not answer for role {role}: {said}. Is it running (`sandbox status`), and are PGHOST and "
            "PGPORT right?"
        ) from error


def _answers(host: str, port: int) -> bool:
    """Whether anything listens there: then it is not the address that is wrong."""
    try:
        if host.startswith("/"):  # the folder of a socket
            with socket.socket(socket.AF_UNIX) as there:
                there.settimeout(_ANSWERS_WITHIN)
                there.connect(f"{host}/.s.PGSQL.{port}")
        else:
            socket.create_connection((host, port), timeout=_ANSWERS_WITHIN).close()
    except (OSError, UnicodeError):
        return False
    return True
