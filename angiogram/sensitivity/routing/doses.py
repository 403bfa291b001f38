"""Makes the input of the loader's mutants: the dye as sent, and its bytes in other forms.

The other forms are what a loader meets besides the dye of a run: live messages, forged ones, and dye signed with the
old key during a key change. The right result for each is known: it is the same as for the dye, in another table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from angiogram.dye.messages import OutgoingMessage, Sent
from angiogram.dye.seeds import UNKNOWN_FIELDS
from angiogram.sensitivity.made_topic import MADE_TOPIC, MADE_TOPIC_ID, PARTITIONS
from ingestion.loader.batch import Batch
from ingestion.message.stamp import (
    DYE_HEADERS,
    MAX_RUN_ID,
    MESSAGE_NUMBER_HEADER,
    RUN_ID_HEADER,
    SENT_AT_HEADER,
    SIGNATURE_HEADER,
    DyeStamp,
    Unverified,
    signature,
)
from ingestion.settings.pipeline import contract

OTHER_HEADERS = "live, forged, and signed with the old key"
"""Name of the second surroundings."""

KEYS = [b"the new dye key of sensitivity", b"the old dye key of sensitivity"]
FORGED = b"no dye key"
RUN = "sensitivity"
FIRST_DOSE_AT = datetime(2026, 7, 1, 5, tzinfo=UTC)
NO_MOMENTS = (-1, 1 << 62)
"""Timestamps of a message that are not a time. A producer may write any 64 bits."""

_DEEP = b"[" * 100_000

_LONGEST = 777_001
"""Number of the dye message with the longest run id."""

_LIST = '["P-1","P-2"]'
_ODD_HEADERS = (
    (RUN_ID_HEADER, "two\nlines"),
    (RUN_ID_HEADER, "r" * (MAX_RUN_ID + 1)),
    (MESSAGE_NUMBER_HEADER, "+7"),
    (SENT_AT_HEADER, "2026-6-01T08:00:00.000000Z"),
    (SENT_AT_HEADER, "2026-02-30T08:00:00.000000Z"),
)
"""Headers written in another form than the dye's, although their signature is valid."""


@dataclass(slots=True)
class LoadedRecord:
    """A message as the loader reads it from the topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Dose:
    """Messages that go through the loader together, and the results they must have.

    Attributes:
        messages: the messages, each with its partition.
        dye: position and number of each message that must be stored as dye.
        live: position and number of each message that must be stored as a live message.
        contents: the content of each message, by its name.
        claims: why a message with unverified dye headers must be kept apart, by its position.
        runs: the run under which a dye message must be stored, by its position.
    """

    messages: Sequence[tuple[int, LoadedRecord]]
    dye: Sequence[Sent]
    live: Sequence[Sent]
    contents: dict[str, OutgoingMessage]
    claims: Mapping[tuple[int, int], Unverified]
    runs: Mapping[tuple[int, int], str]

    def batch(self, made: type[Batch]) -> Batch:
        """Return what a loader makes of the messages."""
        batch = made(MADE_TOPIC, MADE_TOPIC_ID, KEYS, contract())
        for partition in range(PARTITIONS + 1):  # the last partition has no messages
            batch.add(partition, [message for place, message in self.messages if place == partition])
        return batch


class _Laid:
    """A dose under construction. Each message gets the next free position."""

    def __init__(self) -> None:
        self._contract = contract()
        self.messages: list[tuple[int, LoadedRecord]] = []
        self.dye: list[Sent] = []
        self.live: list[Sent] = []
        self.contents: dict[str, OutgoingMessage] = {}
        self.claims: dict[tuple[int, int], Unverified] = {}
        self.runs: dict[tuple[int, int], str] = {}

    def lay(
        self,
        content: OutgoingMessage,
        headers: Sequence[tuple[str, bytes]],
        is_dye: bool,
        claim: Unverified | None = None,
        run: str = RUN,
    ) -> None:
        number = len(self.messages)
        partition, offset = number % PARTITIONS, number // PARTITIONS
        usual = int((FIRST_DOSE_AT + timedelta(seconds=number // 8)).timestamp() * 1000)
        stamped = dict(enumerate((usual, 0, *NO_MOMENTS))).get(number, usual)
        key = self._contract.key(content.row.get(self._contract.key_field))
        self.messages.append((partition, LoadedRecord(offset, stamped, key, content.value, headers)))
        if claim is not None:
            self.claims[partition, offset] = claim
            return
        name = f"{number}"
        number_there = content.number if is_dye else 100_000 + number
        if is_dye:
            self.runs[partition, offset] = run
        (self.dye if is_dye else self.live).append(Sent(number_there, name, "topic", partition, offset))
        self.contents[name] = content

    def dose(self) -> Dose:
        return Dose(self.messages, self.dye, self.live, self.contents, self.claims, self.runs)


def as_sent(dye: Sequence[OutgoingMessage]) -> Dose:
    """Return the dye as a run sends it."""
    laid = _Laid()
    for content in dye:
        laid.lay(content, _signed(content, KEYS[0]), is_dye=True)
    return laid.dose()


def otherwise(dye: Sequence[OutgoingMessage]) -> Dose:
    """Return each message in other forms, then messages of kinds that the dye does not have.

    The forms are: signed with the old key, forged, live, and live with an escape in it. The added messages include some
    whose headers are odd, incomplete or empty.
    """
    laid = _Laid()
    for number, content in enumerate(dye):
        laid.lay(content, _signed(content, KEYS[1]), is_dye=True)
        laid.lay(content, _signed(content, FORGED), is_dye=False, claim=Unverified.WRONG_SIGNATURE)
        laid.lay(content, [], is_dye=False)
        laid.lay(_escaped(content), [("trace", b"1")] if number % 2 else [], is_dye=False)
    last = dye[-1]
    for value, reason in _more_dead_letters():
        laid.lay(replace(last, value=value, row={"reason": reason}), [], is_dye=False)
    promised = contract()
    fields: dict[str, str | None] = dict.fromkeys((*promised.fields, UNKNOWN_FIELDS))
    name = next((name for name in promised.fields if name != promised.key_field), promised.key_field)
    listed = replace(last, value=f'{{"{name}":{_LIST}}}'.encode(), row=fields | {name: _LIST})
    laid.lay(listed, [], is_dye=False)
    for header, text in _ODD_HEADERS:
        laid.lay(listed, _odd(header, text, _value(listed)), is_dye=False, claim=Unverified.MALFORMED)
    for header in DYE_HEADERS:
        incomplete = [(name, part) for name, part in _signed(listed, KEYS[0]) if name != header]
        laid.lay(listed, incomplete, is_dye=False, claim=Unverified.INCOMPLETE)
        emptied = [(name, b"" if name == header else part) for name, part in _signed(listed, KEYS[0])]
        laid.lay(listed, emptied, is_dye=False, claim=Unverified.INCOMPLETE)
    not_ascii = [(name, b"\xff" if name == SIGNATURE_HEADER else part) for name, part in _signed(listed, KEYS[0])]
    laid.lay(listed, not_ascii, is_dye=False, claim=Unverified.MALFORMED)
    longest = DyeStamp("r" * MAX_RUN_ID, _LONGEST, last.sent_at)
    laid.lay(replace(listed, number=_LONGEST), longest.headers(KEYS[0], _value(listed)), True, run=longest.run_id)
    return laid.dose()


def _more_dead_letters() -> list[tuple[bytes, str]]:
    """Values that the dye does not have, each with the reason of its dead letter.

    Two of them are too large for a seed.
    """
    key_field = contract().key_field
    return [
        (f'{{"{key_field}":"T-90"}}'.encode("utf-16-le"), "not_json"),
        (_DEEP, "too_deep"),
        (f'{{"{key_field}":'.encode() + _DEEP, "too_deep"),
    ]


def moment(milliseconds: int) -> datetime | None:
    """Return when a message with this timestamp counts as sent."""
    return None if milliseconds in NO_MOMENTS else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _signed(content: OutgoingMessage, key: bytes) -> list[tuple[str, bytes]]:
    return DyeStamp(RUN, content.number, content.sent_at).headers(key, _value(content))


def _value(content: OutgoingMessage) -> bytes:
    return content.value or b""


def _escaped(content: OutgoingMessage) -> OutgoingMessage:
    """Return the same message with the first letter of its first field written as an escape."""
    value = content.value
    if value is None or content.is_malformed or not value.startswith(b'{"'):
        return content
    return replace(content, value=b'{"\\u%04x' % value[2] + value[3:])


def _odd(header: str, text: str, value: bytes) -> list[tuple[str, bytes]]:
    """Return headers of the dye with another text in one of them, signed as they are."""
    texts = {
        RUN_ID_HEADER: RUN,
        MESSAGE_NUMBER_HEADER: "7",
        SENT_AT_HEADER: "2026-06-01T08:00:00.000000Z",
        header: text,
    }
    signed = signature(KEYS[0], texts[RUN_ID_HEADER], texts[MESSAGE_NUMBER_HEADER], texts[SENT_AT_HEADER], value)
    return [(name, part.encode()) for name, part in (texts | {SIGNATURE_HEADER: signed}).items()]
