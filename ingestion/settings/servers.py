"""Addresses and secrets of PostgreSQL, Kafka and the front door, and the keys of the dye."""

from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from ingestion.addresses import checked_servers, checked_web_address, without_user_info
from ingestion.key_fingerprint import key_fingerprint
from ingestion.settings.base import Settings
from ingestion.settings.declared import ContractDefaults


class DatabaseSettings(ContractDefaults):
    """The address of PostgreSQL. The password belongs to a role; `connect` looks it up."""

    host: str = Field(alias="PGHOST")
    port: int = Field(alias="PGPORT", default=5432)
    name: str = Field(alias="PGDATABASE")
    sslmode: str = Field(alias="PGSSLMODE", default="prefer")
    connect_timeout: int = Field(alias="PGCONNECT_TIMEOUT", default=10)


# kafka-python treats an unknown protocol as PLAINTEXT: a typo would switch off encryption and login.
_SecurityProtocol = Annotated[Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(str.upper)]


class KafkaSettings(ContractDefaults):
    """The address of Kafka, and the topic."""

    bootstrap_servers: Annotated[str, AfterValidator(checked_servers)] = Field(alias="KAFKA_BOOTSTRAP_SERVERS")
    topic: str = Field(alias="KAFKA_TOPIC", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    partitions: int = Field(alias="KAFKA_PARTITIONS", default=4, ge=1)
    security_protocol: _SecurityProtocol | None = Field(alias="KAFKA_SECURITY_PROTOCOL", default=None)
    sasl_mechanism: str | None = Field(alias="KAFKA_SASL_MECHANISM", default=None)
    sasl_username: str | None = Field(alias="KAFKA_SASL_USERNAME", default=None)
    sasl_password: SecretStr | None = Field(alias="KAFKA_SASL_PASSWORD", default=None)
    ssl_cafile: str | None = Field(alias="KAFKA_SSL_CAFILE", default=None)

    def client_options(self) -> dict[str, Any]:
        """Options for every kafka-python client: address and security."""
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


class DyeKeys(Settings):
    """The key that signs the dye, and the former one while keys are being exchanged.

    Databases that share a topic share the key. Its fingerprint, which may be shown, says whether they do.
    """

    current: _DyeKey = Field(alias="DYE_KEY")
    previous: _DyeKey | None = Field(alias="DYE_KEY_OLD", default=None)
    expected: str | None = Field(alias="DYE_KEY_FINGERPRINT", default=None)

    @field_validator("expected")
    @classmethod
    def _is_that_of_the_key(cls, expected: str | None, other: ValidationInfo) -> str | None:
        if expected and (key := other.data.get("current")) and (found := _fingerprint(key)) != expected:
            raise ValueError(
                f"is {expected}, but DYE_KEY has the fingerprint {found}: take the key of the others that use this "
                "topic, whose `ingestion dye-key` shows that fingerprint"
            )
        return expected

    @property
    def fingerprint(self) -> str:
        """A name for the key that does not reveal it."""
        return _fingerprint(self.current)

    def accepted(self) -> list[bytes]:
        """Keys whose signatures are accepted, newest first."""
        return [key.get_secret_value().encode() for key in (self.current, self.previous) if key]


def _fingerprint(key: SecretStr) -> str:
    return key_fingerprint(key.get_secret_value().encode())


def _checked_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        raise ValueError("must be printable ASCII without blanks around it, since it travels in a header")
    return secret


class FrontDoorSettings(ContractDefaults):
    """Settings of the HTTP API that takes messages, for its clients and for the API itself."""

    url: Annotated[str, AfterValidator(checked_web_address)] | None = Field(alias="FRONT_DOOR_URL", default=None)
    api_key: Annotated[SecretStr, AfterValidator(_checked_header)] = Field(alias="FRONT_DOOR_API_KEY", min_length=8)

    @property
    def shown_url(self) -> str:
        """The URL without user and password, which may be printed and stored."""
        return without_user_info(self.url or "")

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the URL has a loopback address, which a proxy would take for its own machine."""
        try:
            host = urlsplit(self.url or "").hostname or ""
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:  # a host name
            return False
