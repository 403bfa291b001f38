"""The message contract: the ten fields of a ride, its key, and the signed headers that make it dye."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

FIELDS = (
    "taxi_id",
    "pax_id",
    "start_time",
    "end_time",
    "pickup_zipcode",
    "dropoff_zipcode",
    "tax_amount",
    "fare_amount",
    "currency",
    "car_model",
)
"""Fields of a ride, in the order of the raw tables. Any may be missing, null or of the wrong type."""

RUN_ID_HEADER = "dye-run-id"
RIDE_NUMBER_HEADER = "dye-ride-number"
SENT_AT_HEADER = "dye-sent-at"
SIGNATURE_HEADER = "dye-signature"
DYE_HEADERS = (RUN_ID_HEADER, RIDE_NUMBER_HEADER, SENT_AT_HEADER, SIGNATURE_HEADER)


class _Ride(msgspec.Struct):
    # Raw keeps the text as it stands: a taxi_id of any type is accepted, and so is every other field.
    taxi_id: msgspec.Raw = msgspec.Raw(b"null")


_RIDE = msgspec.json.Decoder(_Ride)
_SENT_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
_RIDE_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class DyeStamp:
    """What the headers of a dye message say: its run, its number in the input seed and when it counts as sent."""

    run_id: str
    ride_number: int
    sent_at: datetime

    def _sent_at_text(self) -> str:
        return self.sent_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def signature(self, key: bytes, value: bytes) -> str:
        """Hex HMAC-SHA256 over run id, ride number, sent_at and value, each preceded by its length."""
        parts = (self.run_id.encode(), str(self.ride_number).encode(), self._sent_at_text().encode(), value)
        signed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(key, signed, hashlib.sha256).hexdigest()

    def headers(self, key: bytes, value: bytes) -> list[tuple[str, bytes]]:
        """The four Kafka headers that make `value` a dye message, signed with `key`."""
        return [
            (RUN_ID_HEADER, self.run_id.encode()),
            (RIDE_NUMBER_HEADER, str(self.ride_number).encode()),
            (SENT_AT_HEADER, self._sent_at_text().encode()),
            (SIGNATURE_HEADER, self.signature(key, value).encode()),
        ]


def claims_to_be_dye(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether any dye header is there, true or forged."""
    return any(name in DYE_HEADERS for name, _ in headers)


def verified_stamp(
    headers: Iterable[tuple[str, bytes | None]], value: bytes | None, keys: Iterable[bytes]
) -> DyeStamp | None:
    """The stamp of a dye message whose signature holds under one of `keys`; None for every other message."""
    fields: Mapping[str, bytes | None] = dict(headers)
    try:
        run_id, number, sent_at, signature = ((fields.get(name) or b"").decode("ascii") for name in DYE_HEADERS)
    except UnicodeDecodeError:
        return None
    if not (run_id and run_id.isprintable() and _RIDE_NUMBER.fullmatch(number) and _SENT_AT.fullmatch(sent_at)):
        return None
    try:
        stamp = DyeStamp(run_id, int(number), datetime.strptime(sent_at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC))
    except ValueError:
        return None
    for key in keys:
        if hmac.compare_digest(stamp.signature(key, value or b""), signature):
            return stamp
    return None


def key_fingerprint(key: bytes) -> str:
    """A name for a key that does not betray it: what loaders publish and `inject` compares."""
    return hmac.new(key, b"fingerprint of the dye key", hashlib.sha256).hexdigest()[:16]


def message_key(taxi_id: object) -> bytes | None:
    """The Kafka key of a ride: its taxi, so that all versions of a ride share a partition; None without one."""
    return str(taxi_id).encode() if isinstance(taxi_id, str | int) and str(taxi_id) else None


def key_of_value(value: bytes) -> bytes | None:
    """The Kafka key of a ride, from its bytes.

    Raises:
        msgspec.ValidationError: they are no JSON object.
        msgspec.DecodeError, RecursionError: they are no JSON, or too deep.
    """
    taxi_id = _RIDE.decode(value).taxi_id
    try:
        return message_key(msgspec.json.decode(taxi_id))
    except msgspec.ValidationError:
        return None  # a number that no type of Python's holds: the models judge it, and it needs no key
