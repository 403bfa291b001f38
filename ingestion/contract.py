"""The contract: what a pipeline promises about its stream, and the names it uses.

The names are those of what ingestion creates: topic, database, tables, roles.

A pipeline declares one `Contract` and names it in its settings file (`contract: package.module:NAME`). General code
takes fields, key, tables and roles from there and knows none of them itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec


class Role(NamedTuple):
    """A database role: its name, and the environment variable with its password."""

    name: str
    password_variable: str


OWNER = "owner"
"""Job of the role that owns the raw schemas and runs the migrations."""

LOADER = "loader"
"""Job of the role that writes incoming messages."""

ANGIOGRAM = "angiogram"
"""Job of the role that builds the models from the dye and keeps its records.

The dye is a set of test records with known results.
"""

GENERAL_ROLES = {
    ANGIOGRAM: Role("angiogram", "DBT_ENV_SECRET_ANGIOGRAM_PASSWORD"),
    "airflow": Role("airflow", "AIRFLOW_DB_PASSWORD"),
}
"""Roles that every pipeline has, even one without a contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoor:
    """How the HTTP API that takes messages presents itself.

    Attributes:
        path: where messages are posted.
        title: heading of the API's documentation.
        summary: one line about the API.
        example: an example message for the documentation.
    """

    path: str
    title: str
    summary: str
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contract:
    """What a stream promises, and the names of what a pipeline creates for it.

    Attributes:
        stream: name of the stream, as stages show it (`loader:<stream>`).
        fields: fields of a message, in the order of the raw table's columns. Any may be missing, null or of any type:
            the raw table holds text, and the models validate it.
        key_field: the field used as the Kafka key: all messages with the same value share a partition.
        id_columns: columns by which the models identify a message, or the thing that messages are about.
        topic: Kafka topic, unless KAFKA_TOPIC names another one.
        table: the table of messages, of this name in each of the schemas `raw` and `angiogram_raw`.
        dye_view: the view in `angiogram_raw` on the part of the dye that the models may see.
        dye_seed: the input seed that holds the dye.
        malformed_seed: the input seed that holds the dye's malformed messages.
        number_column: the column that numbers the dye's messages in sending order, in the input seeds and in the dye's
            raw tables.
        name_column: the input seed's column that names a message.
        database: name of the database, unless PGDATABASE gives another one.
        roles: the database roles by job; OWNER, LOADER and ANGIOGRAM are required. Every role except that of Airflow's
            own database may connect.
        model_schemas: schemas that dbt writes to.
        model_roles: the jobs of the live targets' roles, each with the prefix of its schemas.
        readers: the jobs of roles that only read, each with the model schemas that it may read.
        front_door: how the HTTP API shows itself.
        commands: import path of a Typer application whose commands are added to `ingestion`; None: none.
        former_settings: environment variables by current name, each with its former name, which is still read.
        former_headers: headers by current name, each with its former name, which is still accepted.
    """

    stream: str
    fields: tuple[str, ...]
    key_field: str
    id_columns: tuple[str, ...]
    topic: str
    table: str
    dye_view: str
    dye_seed: str
    malformed_seed: str
    number_column: str
    name_column: str
    database: str
    roles: Mapping[str, Role]
    model_schemas: tuple[str, ...]
    model_roles: Mapping[str, str]
    readers: Mapping[str, tuple[str, ...]]
    front_door: FrontDoor
    commands: str | None = None
    former_settings: Mapping[str, str] = field(default_factory=dict)
    former_headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if missing := [job for job in (OWNER, LOADER, ANGIOGRAM) if job not in self.roles]:
            raise ValueError(f"the contract names no role for the job {', '.join(missing)}")
        if unknown := {*self.model_roles, *self.readers} - set(self.roles):
            raise ValueError(
                f"the contract gives schemas to {', '.join(sorted(unknown))}, which are not among its roles"
            )
        if self.key_field not in self.fields:
            raise ValueError(f"the key field {self.key_field} is not among the fields")

    def key(self, content: object) -> bytes | None:
        """The Kafka key of a message, from the content of its key field; None if it has none."""
        return str(content).encode() if isinstance(content, str | int) and str(content) else None

    def key_of_value(self, value: bytes) -> bytes | None:
        """The Kafka key of a message, from its bytes.

        Raises:
            msgspec.ValidationError: the bytes are not a JSON object.
            msgspec.DecodeError, RecursionError: the bytes are not JSON, or nested too deeply.
        """
        content = _key_decoder(self.key_field).decode(value).content
        try:
            return self.key(msgspec.json.decode(content))
        except msgspec.ValidationError:
            return None  # a number that no Python type holds: the models judge it, and it needs no key


@lru_cache
def _key_decoder(key_field: str) -> msgspec.json.Decoder[Any]:
    # Raw keeps the text unchanged: a key field of any type is accepted, and so is every other field.
    keyed = msgspec.defstruct("Keyed", [("content", msgspec.Raw, msgspec.Raw(b"null"))], rename={"content": key_field})
    return msgspec.json.Decoder(keyed)
