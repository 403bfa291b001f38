"""Reads the dye, test records with known results, from input seeds into message bytes."""

import base64
import binascii
import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from angiogram.core.errors import SeedError
from angiogram.dbt.project_file import project_directory
from angiogram.dbt.seeds.dye_seeds import has_seed, seed_file
from angiogram.dbt.seeds.seed_text import CARRIAGE_RETURN
from ingestion.contract import Contract
from ingestion.settings.pipeline import contract, pipeline

EMPTY_TEXT = "<empty>"
"""An empty string in the seeds, since dbt reads an empty field as null."""

UNKNOWN_FIELDS = "unknown_fields"
"""Column with the fields of a message that the contract does not name, as JSON text."""

_SENT_AT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class DyeMessage:
    """A message of the dye.

    Attributes:
        number: its number in the order of sends, which is the message_id of its rows.
        batch: 1 builds the incremental models, 2 updates them.
        name: says what it tests.
        why: says the same in a sentence.
        sent_at: when it counts as sent, which is the message_at of its rows. None: it counts as a message without a
            time.
        fields: the contract's fields and unknown_fields, each as the loader must store it: text or null.
        json_fields: fields whose text goes into the message unchanged. The others become JSON strings.
    """

    number: int
    batch: int
    name: str
    why: str
    sent_at: datetime | None
    fields: Mapping[str, str | None]
    json_fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class MalformedMessage:
    """A dye message that cannot be stored, and the reason of its dead letter.

    A value of None is a tombstone.
    """

    number: int
    name: str
    why: str
    value: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as the raw tables hold it: its position, times, and fields as text or null."""

    message_id: str
    message_at: datetime | None
    partition: int
    offset: int
    fields: Mapping[str, str | None]


def has_dye(project: Path | None = None) -> bool:
    """Whether a dbt project has dye to send: a contract and the input seed with messages.

    Args:
        project: the project's folder. Default: the project that the environment names.
    """
    project = project or project_directory()
    return pipeline(project).contract_path is not None and has_seed(project, contract(project).dye_seed)


def messages_file(project: Path) -> Path:
    """File of the input seed with the messages of a project's dye.

    Raises:
        ContractUnusable: the project does not declare a contract that can be used.
        SeedError: the file is missing.
    """
    return seed_file(project, contract(project).dye_seed)


def message_columns(promised: Contract) -> tuple[str, ...]:
    """Columns of the input seed with the messages of the dye."""
    return (
        *(promised.number_column, "batch", promised.name_column, "why", "sent_at"),
        *(*promised.fields, UNKNOWN_FIELDS, "json_fields"),
    )


def read_dye(project: Path | None = None) -> list[DyeMessage]:
    """Read the messages of the dye, in the order of sends.

    Args:
        project: the project's folder. Default: the project that the environment names.

    Raises:
        ContractUnusable: the project does not declare a contract that can be used.
        SeedError: the file is absent, or a row of it cannot be used.
    """
    project = project or project_directory()
    return messages_of(messages_file(project), contract(project))


def messages_of(file: Path, promised: Contract) -> list[DyeMessage]:
    """Read the messages in an input seed.

    Raises:
        SeedError: the file is absent, or a row of it cannot be used.
    """
    rows = _rows(file, message_columns(promised))
    return [_message(row, promised, f"{file}, row {number}") for number, row in enumerate(rows, 1)]


def read_malformed(project: Path | None = None) -> list[MalformedMessage]:
    """Read the malformed messages of the dye.

    Args:
        project: the project's folder. Default: the project that the environment names.

    Raises:
        ContractUnusable: the project does not declare a contract that can be used.
        SeedError: the file is absent, or a row of it cannot be used.
    """
    project = project or project_directory()
    promised = contract(project)
    return malformed_of(seed_file(project, promised.malformed_seed), promised)


def malformed_of(file: Path, promised: Contract) -> list[MalformedMessage]:
    """Read the malformed messages in an input seed.

    Raises:
        SeedError: the file is absent, or a row of it cannot be used.
    """
    messages = []
    for row in _rows(file, (promised.number_column, "name", "why", "value_base64", "reason")):
        try:
            encoded = _text(row["value_base64"])
            value = None if encoded is None else base64.b64decode(encoded, validate=True)
            number = int(row[promised.number_column])
        except (ValueError, binascii.Error) as error:
            raise SeedError(f"{file}: {row['name']} cannot be used: {error}. Correct its row.") from error
        messages.append(MalformedMessage(number, row["name"], row["why"], value, row["reason"]))
    return messages


def message_value(message: DyeMessage) -> bytes:
    """Return the JSON value of a message, always the same bytes.

    Null fields are left out of messages with an odd number, and written as null in those with an even number. Unknown
    fields follow the contract's fields.
    """
    members = []
    for name, text in message.fields.items():
        if name == UNKNOWN_FIELDS or (text is None and message.number % 2):
            continue
        value = "null" if text is None else text if name in message.json_fields else _json_string(text)
        members.append(f"{_json_string(name)}:{value}")
    if unknown_fields := message.fields[UNKNOWN_FIELDS]:
        members.append(unknown_fields.strip()[1:-1])
    return f"{{{','.join(members)}}}".encode()


def dye_messages(messages: Iterable[DyeMessage]) -> list[StoredMessage]:
    """Return the dye as the models see it when they read the input seeds.

    It lies in one partition, with the message's number as offset.
    """
    return [StoredMessage(str(one.number), one.sent_at, 0, one.number, one.fields) for one in messages]


def seed_row(message: DyeMessage, promised: Contract) -> dict[str, str]:
    """Return a message as a row of the input seed, by column."""
    texts = {
        name: EMPTY_TEXT if value == "" else (value or "").replace("\r", CARRIAGE_RETURN)
        for name, value in message.fields.items()
    }
    return {
        promised.number_column: str(message.number),
        "batch": str(message.batch),
        promised.name_column: message.name,
        "why": message.why,
        "sent_at": message.sent_at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z" if message.sent_at else "",
        "json_fields": " ".join(sorted(message.json_fields)),
        **texts,
    }


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            rows, found = list(reader), reader.fieldnames
    except FileNotFoundError:
        raise SeedError(
            f"The dye seed {path} is missing. Restore it, or set DBT_PROJECT_DIR if this is not the right project."
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SeedError(f"The dye seed {path} is not CSV in UTF-8: {error}. Correct it.") from None
    if tuple(found or ()) != columns:
        raise SeedError(f"The columns of {path} are {found}; they must be {list(columns)}.")
    if not rows:
        raise SeedError(f"The dye seed {path} has no rows: there is nothing to send.")
    for row in rows:
        if None in row or None in row.values():  # how DictReader marks a field too many and a field too few
            raise SeedError(f"{path}: message {row[columns[0]]} does not have {len(columns)} fields. Correct its row.")
    return rows


def _message(row: Mapping[str, str], promised: Contract, place: str) -> DyeMessage:
    json_fields = frozenset(row["json_fields"].split())
    number, sent_at = row[promised.number_column], _moment(row["sent_at"])
    is_timed = sent_at is not None or not row["sent_at"]
    if not is_timed or not number.isdecimal() or row["batch"] not in {"1", "2"}:
        raise SeedError(f"{place}: {promised.number_column}, batch or sent_at cannot be used. Correct the row.")
    if unknown := json_fields - set(promised.fields):
        raise SeedError(f"{place}: json_fields names {unknown}, which the contract does not. Correct the row.")
    if (unknown_fields := row[UNKNOWN_FIELDS]) and not _is_object(unknown_fields):
        raise SeedError(f"{place}: unknown_fields is not a JSON object: {unknown_fields}. Correct the row.")
    return DyeMessage(
        number=int(number),
        batch=int(row["batch"]),
        name=row[promised.name_column],
        why=row["why"],
        sent_at=sent_at,
        fields={name: _text(row[name]) for name in (*promised.fields, UNKNOWN_FIELDS)},
        json_fields=json_fields,
    )


def _moment(text: str) -> datetime | None:
    """Parse the time in a seed's text, in UTC. None if it is not a time."""
    if not _SENT_AT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # a day that does not exist, or a year outside 1 to 9999
        return None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _text(field: str) -> str | None:
    return "" if field == EMPTY_TEXT else field.replace(CARRIAGE_RETURN, "\r") or None
