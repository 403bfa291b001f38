"""The signed headers that make a message dye: test records with known results."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

RUN_ID_HEADER = "dye-run-id"
MESSAGE_NUMBER_HEADER = "dye-message-number"
SENT_AT_HEADER = "dye-sent-at"
SIGNATURE_HEADER = "dye-signature"
DYE_HEADERS = (RUN_ID_HEADER, MESSAGE_NUMBER_HEADER, SENT_AT_HEADER, SIGNATURE_HEADER)
DYE_HEADER_NAMES: Mapping[str, str] = {name: name for name in DYE_HEADERS}
"""The dye headers by their names today."""


def header_names(former: Mapping[str, str]) -> dict[str, str]:
    """The dye headers by every name that is understood.

    Args:
        former: a contract's `former_headers`.
    """
    return {**DYE_HEADER_NAMES, **{old: name for name, old in former.items()}}


_SENT_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
_SENT_AT_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_NEVER = "none"
"""Header dye-sent-at of a message that counts as one without a time."""

_MESSAGE_NUMBER = re.compile(r"[0-9]{1,9}")

MAX_RUN_ID = 200
"""Most characters of a run id: it is part of an index of the raw tables, whose rows are bounded."""


class Unverified(StrEnum):
    """Why a message with dye headers is not taken for dye."""

    INCOMPLETE = "incomplete"
    """One of the four headers is missing or empty."""
    MALFORMED = "malformed"
    """A header is not written as those of the dye are."""
    WRONG_SIGNATURE = "wrong_signature"
    """It was signed with a key that this loader does not know, or changed after it was signed."""


@dataclass(frozen=True, slots=True)
class DyeStamp:
    """What the headers of a dye message say: its run, its number in the input seed and when it counts as sent.

    A message whose sent_at is None counts as one without a time.

    Raises:
        ValueError: no loader would take the message for dye: the run id has no or too many characters, or others than
            printable ASCII, or the number has more than nine digits.
    """

    run_id: str
    message_number: int
    sent_at: datetime | None

    def __post_init__(self) -> None:
        is_named = self.run_id and self.run_id.isascii() and _is_storable(self.run_id)
        if not (is_named and _MESSAGE_NUMBER.fullmatch(str(self.message_number))):
            raise ValueError(f"no stamp of the dye: run id {self.run_id[:50]!r}, number {self.message_number}")

    def signature(self, key: bytes, value: bytes) -> str:
        """Hex HMAC-SHA256 over run id, message number, sent_at and value, each preceded by its length."""
        return signature(key, self.run_id, str(self.message_number), self._sent_at_text(), value)

    def headers(self, key: bytes, value: bytes) -> list[tuple[str, bytes]]:
        """The four Kafka headers that make `value` a dye message, signed with `key`."""
        return [
            (RUN_ID_HEADER, self.run_id.encode()),
            (MESSAGE_NUMBER_HEADER, str(self.message_number).encode()),
            (SENT_AT_HEADER, self._sent_at_text().encode()),
            (SIGNATURE_HEADER, self.signature(key, value).encode()),
        ]

    def _sent_at_text(self) -> str:
        return self.sent_at.astimezone(UTC).strftime(_SENT_AT_FORMAT) if self.sent_at else _NEVER


def signature(key: bytes, run_id: str, number: str, sent_at: str, value: bytes) -> str:
    """Hex HMAC-SHA256 over the texts of three headers and the value, each preceded by its length."""
    parts = (run_id.encode(), number.encode(), sent_at.encode(), value)
    signed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def dye_stamp(
    headers: Iterable[tuple[str, bytes | None]],
    value: bytes | None,
    keys: Iterable[bytes],
    names: Mapping[str, str] = DYE_HEADER_NAMES,
) -> DyeStamp | Unverified | None:
    """What a message's headers say about the dye: its stamp, why it is none, or nothing at all.

    Args:
        headers: those of the message; of a repeated name the last counts.
        value: its bytes.
        keys: whose signatures hold.
        names: of a dye header, by the names that it goes by; see `header_names`.

    Returns:
        The stamp of a dye message; why a message with dye headers is not taken for one; None without such headers.
    """
    fields = {names[name]: content for name, content in headers if name in names}
    if not fields:
        return None
    filled = [content for name in DYE_HEADERS if (content := fields.get(name))]
    if len(filled) < len(DYE_HEADERS):
        return Unverified.INCOMPLETE
    try:
        run_id, number, sent_at, signed = (content.decode("ascii") for content in filled)
        if not (_MESSAGE_NUMBER.fullmatch(number) and (sent_at == _NEVER or _SENT_AT.fullmatch(sent_at))):
            return Unverified.MALFORMED
        moment = None if sent_at == _NEVER else datetime.strptime(sent_at, _SENT_AT_FORMAT).replace(tzinfo=UTC)
        stamp = DyeStamp(run_id, int(number), moment)
    except ValueError:  # no ASCII, no run id that can be stored, or no day of any calendar
        return Unverified.MALFORMED
    for key in keys:
        if hmac.compare_digest(signature(key, run_id, number, sent_at, value or b""), signed):
            return stamp
    return Unverified.WRONG_SIGNATURE


def _is_storable(run_id: str) -> bool:
    """Whether any database, log and index can hold a run id."""
    return len(run_id) <= MAX_RUN_ID and run_id.isprintable()


def key_fingerprint(key: bytes) -> str:
    """A name for a key that does not betray it: what loaders publish and `inject` compares."""
    return hmac.new(key, b"fingerprint of the dye key", hashlib.sha256).hexdigest()[:16]
