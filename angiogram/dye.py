"""The dye: the angiogram's own rides, from the input seeds to the bytes that are sent."""

import base64
import binascii
import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from angiogram.errors import SeedError
from angiogram.expectation import CARRIAGE_RETURN, Message
from angiogram.expectation.rules import instant
from angiogram.project_file import project_directory
from ingestion.message.stamp import FIELDS

_FOLDER = Path("seeds", "angiogram", "input")
"""Where a dbt project keeps its dye."""

EMPTY = "<empty>"
"""How the seeds write an empty string: dbt reads an empty field as null."""

RAW_FIELDS = (*FIELDS, "unknown_fields")
RIDE_COLUMNS = ("ride_number", "batch", "ride_name", "why", "sent_at", *RAW_FIELDS, "json_fields")
MALFORMED_COLUMNS = ("ride_number", "name", "why", "value_base64", "reason")


@dataclass(frozen=True, slots=True)
class DyeRide:
    """A ride of the dye.

    Attributes:
        ride_number: its number, in the order of sends; message_id of its rows.
        batch: 1 builds the incremental models, 2 changes them.
        ride_name: says why it is there.
        why: the same in a sentence.
        sent_at: when it counts as sent; message_at of its rows. None: its message counts as one without a time.
        fields: the ten fields and unknown_fields, each as the loader must store it: text or null.
        json_fields: fields whose text is put into the message as it stands; the others become JSON strings.
    """

    ride_number: int
    batch: int
    ride_name: str
    why: str
    sent_at: datetime | None
    fields: Mapping[str, str | None]
    json_fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class MalformedMessage:
    """A message of the dye that can be no ride (value None: a tombstone), and the reason its dead letter must give."""

    ride_number: int
    name: str
    why: str
    value: bytes | None
    reason: str


def has_dye() -> bool:
    """Whether the dbt project that the environment names has dye that can be sent."""
    return (project_directory() / _FOLDER / "dye_rides.csv").is_file()


def read_dye(path: Path | None = None) -> list[DyeRide]:
    """Read the rides of the dye, in the order of sends.

    Args:
        path: the seed; by default that of the dbt project which the environment names.

    Raises:
        SeedError: the file is absent, or a row of it cannot be used.
    """
    path = path or project_directory() / _FOLDER / "dye_rides.csv"
    return [_dye_ride(row, f"{path}, row {number}") for number, row in enumerate(_rows(path, RIDE_COLUMNS), 1)]


def read_malformed(path: Path | None = None) -> list[MalformedMessage]:
    """Read the malformed messages of the dye.

    Args:
        path: the seed; by default that of the dbt project which the environment names.

    Raises:
        SeedError: the file is absent, or a row of it cannot be used.
    """
    path = path or project_directory() / _FOLDER / "dye_malformed.csv"
    messages = []
    for row in _rows(path, MALFORMED_COLUMNS):
        try:
            encoded = _text(row["value_base64"])
            value = None if encoded is None else base64.b64decode(encoded, validate=True)
            number = int(row["ride_number"])
        except (ValueError, binascii.Error) as error:
            raise SeedError(f"{path}: {row['name']} cannot be used: {error}. Correct its row.") from error
        messages.append(MalformedMessage(number, row["name"], row["why"], value, row["reason"]))
    return messages


def ride_message(ride: DyeRide) -> bytes:
    """The JSON value of a ride, always the same bytes.

    A field that is null is left out of rides with an odd number and null in those with an even one. Unknown fields
    follow the ten.
    """
    members = []
    for name in FIELDS:
        text = ride.fields[name]
        if text is None and ride.ride_number % 2:
            continue
        value = "null" if text is None else text if name in ride.json_fields else _json_string(text)
        members.append(f"{_json_string(name)}:{value}")
    if unknown_fields := ride.fields["unknown_fields"]:
        members.append(unknown_fields.strip()[1:-1])
    return f"{{{','.join(members)}}}".encode()


def dye_messages(rides: Iterable[DyeRide]) -> list[Message]:
    """The rides as the models see them when they read the input seeds: one partition, the ride number as offset."""
    return [Message(str(ride.ride_number), ride.sent_at, 0, ride.ride_number, ride.fields) for ride in rides]


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            rows, found = list(reader), reader.fieldnames
    except FileNotFoundError:
        raise SeedError(f"The dye seed {path} is absent. Is this the project's own folder?") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SeedError(f"The dye seed {path} is no CSV in UTF-8: {error}. Correct it.") from None
    if tuple(found or ()) != columns:
        raise SeedError(f"The columns of {path} are {found}; they must be {list(columns)}.")
    if not rows:
        raise SeedError(f"The dye seed {path} holds no row: there is nothing to send.")
    for row in rows:
        if None in row or None in row.values():  # how DictReader shows a field too many and one too few
            raise SeedError(f"{path}: ride {row['ride_number']} has not {len(columns)} fields. Correct its row.")
    return rows


def _dye_ride(row: Mapping[str, str], place: str) -> DyeRide:
    sent_at = instant(row["sent_at"])
    json_fields = frozenset(row["json_fields"].split())
    is_timed = sent_at is not None or not row["sent_at"]
    if not is_timed or not row["ride_number"].isdecimal() or row["batch"] not in {"1", "2"}:
        raise SeedError(f"{place}: ride_number, batch or sent_at cannot be used. Correct the row.")
    if not json_fields <= set(FIELDS):
        raise SeedError(f"{place}: json_fields names {json_fields - set(FIELDS)}, which no ride has. Correct the row.")
    if (unknown_fields := row["unknown_fields"]) and not _is_object(unknown_fields):
        raise SeedError(f"{place}: unknown_fields is no JSON object: {unknown_fields}. Correct the row.")
    return DyeRide(
        ride_number=int(row["ride_number"]),
        batch=int(row["batch"]),
        ride_name=row["ride_name"],
        why=row["why"],
        sent_at=sent_at,
        fields={name: _text(row[name]) for name in RAW_FIELDS},
        json_fields=json_fields,
    )


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _text(field: str) -> str | None:
    return "" if field == EMPTY else field.replace(CARRIAGE_RETURN, "\r") or None
