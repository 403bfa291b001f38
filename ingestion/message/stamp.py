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
"""The dye headers by their current names."""


def header_names(former: Mapping[str, str]) -> dict[str, str]:
    """The dye headers by every name that is accepted.

    Args:
        former: a contract's `former_headers`.
    """
    return {**DYE_HEADER_NAMES, **{old: name for name, old in former.items()}}


_SENT_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
_SENT_AT_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
_NEVER = "none"
"""Header dye-sent-at of a message that counts as having no time."""

_MESSAGE_NUMBER = re.compile(r"[0-9]{1,9}")

MAX_RUN_ID = 200
"""Maximum length of a run id: it is in an index of the raw tables, whose rows are limited."""


class Unverified(StrEnum):
    """Why a message with dye headers does not count as dye."""

    INCOMPLETE = "incomplete"
    """One of the four headers is missing or empty."""
    MALFORMED = "malformed"
    """A header does not have the format of the dye's headers."""
    WRONG_SIGNATURE = "wrong_signature"
    """It was signed with a key unknown to this loader, or changed after it was signed."""


@dataclass(frozen=True, slots=True)
class DyeStamp:
    """The headers of a dye message: its run, its number in the input seed, and its send time.

    A message whose sent_at is None counts as having no time.

    Raises:
        ValueError: no loader would accept the message as dye, because the run id is empty, too long or not printable
            ASCII, or the number has more than nine digits.
    """

    run_id: str
    message_number: int
    sent_at: datetime | None

    def __post_init__(self) -> None:
        is_named = self.run_id and self.run_id.isascii() and _is_storable(self.run_id)
        if not (is_named and _MESSAGE_NUMBER.fullmatch(str(self.message_number))):
            raise ValueError(f"no stamp of the dye: run id {self.run_id[:50]!r}, number {self.message_number}")

    def signature(self, key: bytes, value: bytes) -> str:
        """Hex HMAC-SHA256 over run id, message number, sent_at and value.

        Each part is preceded by its length.
        """
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
    """Hex HMAC-SHA256 over the texts of three headers and the value.

    Each part is preceded by its length.
    """
    parts = (run_id.encode(), number.encode(), sent_at.encode(), value)
    signed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def dye_stamp(
    headers: Iterable[tuple[str, bytes | None]],
    value: bytes | None,
    keys: Iterable[bytes],
    names: Mapping[str, str] = DYE_HEADER_NAMES,
) -> DyeStamp | Unverified | None:
    """Read and verify a message's dye headers.

    Args:
        headers: headers of the message; if a name is repeated, the last one counts.
        value: the message's bytes.
        keys: keys whose signatures are accepted.
        names: dye headers by every accepted name; see `header_names`.

    Returns:
        The stamp of a dye message; why a message with dye headers is not accepted as one; None without such headers.
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
    except ValueError:  # not ASCII, a run id that cannot be stored, or not a calendar day
        return Unverified.MALFORMED
    for key in keys:
        if hmac.compare_digest(signature(key, run_id, number, sent_at, value or b""), signed):
            return stamp
    return Unverified.WRONG_SIGNATURE


def _is_storable(run_id: str) -> bool:
    """Whether every database, log and index can hold a run id."""
    return len(run_id) <= MAX_RUN_ID and run_id.isprintable()
