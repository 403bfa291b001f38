"""Turn Arrow columns into lines of COPY.

Columns are converted as a whole; only rows that are not storable text are handled one by one.

Text stays as it is. Numbers become the shortest text that reads back as the same number, decimals keep all their
digits. Times become ISO 8601, with a Z (UTC) if the column has a time zone. Nested values become JSON.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.bulk.reading.files import BadFile
from ingestion.bulk.reading.times import TIME_COLUMN, sent_at
from ingestion.message.rows import NULL, NotStorable, RowEncoder, binary, quoted

_SPECIAL = r'[",\n\r\x00]|^null$|^\\\.$'  # what COPY's CSV format must quote, or PostgreSQL cannot store
_JSON_SPECIAL = re.compile(rb'["\\\x00-\x1f]')
_TEXT: tuple[Callable[[Any], bool], ...] = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
# Numbers, booleans and times: their text never needs quotes in COPY.
_NEVER_SPECIAL: tuple[Callable[[Any], bool], ...] = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
)
_NANOSECONDS_REACH = (2**63 - 1) // 1000  # microseconds before or after 1970
_json = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file, as lines of COPY's CSV format with their line ends.

    Attributes:
        rows: lines for the table of messages.
        row_count: number of these lines.
        letters: lines for raw.dead_letters.
        letter_count: number of these lines.
    """

    rows: bytes | memoryview
    row_count: int
    letters: bytes = b""
    letter_count: int = 0

    @property
    def size(self) -> int:
        """Size of all lines in bytes."""
        return len(self.rows) + len(self.letters)


@dataclass(frozen=True, slots=True)
class RowPlace:
    """What all rows of a file share.

    Attributes:
        topic: the file's topic.
        topic_id: the topic's id.
        encoder: encoder of the file's messages.
        message_at: send time of the rows, unless a column gives another one.
        time_column: the column that gives it.
        folder_columns: columns that folder names give; a column in the file takes precedence.
    """

    topic: str
    topic_id: UUID
    encoder: RowEncoder
    message_at: datetime
    time_column: str = TIME_COLUMN
    folder_columns: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def before_offset(self) -> bytes:
        """Columns topic, topic_id and partition."""
        return b"%b,%b,0" % (quoted(self.topic.replace("\x00", "").encode()), str(self.topic_id).encode())

    def after_offset(self, sent: str | None = None) -> bytes:
        """Column message_at and the line end.

        Args:
            sent: value of the time column.
        """
        return sent_at(sent, self.message_at).isoformat().encode() + b"\n"

    def line(self, columns: bytes, offset: int, sent: str | None = None) -> bytes:
        """Build one line from its first columns."""
        return b"%b,%b,%d,%b" % (columns, self.before_offset, offset, self.after_offset(sent))


def check_names(names: list[str], place: RowPlace) -> None:
    """Raise BadFile if a column appears twice, or if no column is a field of the contract."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadFile(f"the column {twice[0]} occurs {names.count(twice[0])} times")
    if not {*names, *place.folder_columns} & set(place.encoder.fields):
        raise BadFile(f"none of its columns ({', '.join(names)[:200]}) is a field of the contract")


def chunk_of(batch: "pa.RecordBatch", first_row: int, place: RowPlace) -> Chunk:
    """Turn the rows of a batch into lines of COPY.

    A row that PostgreSQL cannot store as text becomes a dead letter, as JSON.
    """
    fields = place.encoder.fields
    columns = {name: _Column(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    for name, value in place.folder_columns.items():
        if name not in columns:
            columns[name] = _Column(pa.repeat(pa.scalar(value, pa.string()), batch.num_rows))
    unknown = {name: column for name, column in columns.items() if name not in fields}
    texts: list[Any] = [
        columns[name].line_text() if name in columns else pa.scalar(None, pa.string()) for name in fields
    ]
    texts.append(_quoted(pa.array(_unknown_fields(unknown), pa.string())) if unknown else pa.scalar(None, pa.string()))
    offsets = pc.cast(pa.array(range(first_row, first_row + batch.num_rows), pa.int64()), pa.string())
    sent = columns[place.time_column].text.to_pylist() if place.time_column in columns else None
    lines = pc.binary_join_element_wise(
        *texts,
        pa.scalar(place.before_offset.decode()),
        offsets,
        pa.array([place.after_offset(at).decode() for at in sent])
        if sent
        else pa.scalar(place.after_offset().decode()),
        ",",
        null_handling="replace",
        null_replacement=NULL.decode(),
    )
    suspects = sorted(set().union(*(column.suspects for column in columns.values())))
    if not suspects:
        return Chunk(_payload(lines), batch.num_rows)
    keep = pc.invert(pc.is_in(pa.array(range(batch.num_rows)), pa.array(suspects)))
    rows = [bytes(_payload(lines.filter(keep)))]
    letters = []
    for row in suspects:
        message = _as_message({name: column.value(row) for name, column in columns.items()})
        at = sent[row] if sent else None
        try:
            rows.append(place.line(place.encoder.columns(message), first_row + row, at))
        except NotStorable as letter:
            start = b",".join((binary(message), NULL, letter.reason.encode()))
            letters.append(place.line(start, first_row + row, at))
    return Chunk(b"".join(rows), batch.num_rows - len(letters), b"".join(letters), len(letters))


class _Column:
    """A column as text, with the rows whose values a text column cannot store."""

    def __init__(self, column: "pa.Array") -> None:
        self._raw = _without_wrapping(column)
        self.suspects: set[int] = set()
        kind = self._raw.type
        self.is_text = _is_one_of(kind, _TEXT)
        self.is_plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_nested(kind)
        self.is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        self.text = self._decoded() if self.is_text else _as_text(self._raw)
        if not _is_one_of(kind, _NEVER_SPECIAL):
            self._special = pc.any(pc.match_substring_regex(self.text, _SPECIAL)).as_py()
            if self._special:
                self._suspect(pc.match_substring(self.text, "\x00"))
        else:
            self._special = False

    def line_text(self) -> "pa.Array":
        """The text, quoted for COPY."""
        return _quoted(self.text) if self._special else self.text

    def values(self) -> list[Any]:
        """The values as they appear in JSON."""
        if self.is_number:
            return [repr(v) if isinstance(v, float) and not math.isfinite(v) else v for v in self._raw.to_pylist()]
        return list((self._raw if self.is_plain else self.text).to_pylist())

    def value(self, row: int) -> bytes | None:
        """One value as unchanged bytes."""
        value = (self._raw if self.is_text else self.text)[row].as_py()
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value

    def _decoded(self) -> "pa.Array":
        # Arrow does not check a file's text when it reads it; the cast through bytes does.
        self._raw = _as_bytes(self._raw)
        try:
            return pc.cast(self._raw, pa.string())
        except pa.ArrowInvalid:
            values = self._raw.to_pylist()
            self.suspects.update(row for row, value in enumerate(values) if value is not None and not _is_utf8(value))
            return pa.array([None if row in self.suspects else value for row, value in enumerate(values)], pa.string())

    def _suspect(self, mask: "pa.Array") -> None:
        self.suspects.update(pc.indices_nonzero(mask).to_pylist())


def _is_one_of(kind: "pa.DataType", checks: tuple[Callable[[Any], bool], ...]) -> bool:
    return any(check(kind) for check in checks)


def _without_wrapping(column: "pa.Array") -> "pa.Array":
    """Unwrap the values of a dictionary or an extension type; a UUID becomes its text."""
    if pa.types.is_dictionary(column.type):
        return _without_wrapping(column.dictionary_decode())
    if isinstance(column.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(column.type, pa.BaseExtensionType):
        return _without_wrapping(column.storage)
    return column


def _as_bytes(column: "pa.Array") -> "pa.Array":
    # Views become plain text first; 32-bit offsets suffice, since a batch is small.
    if pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    return pc.cast(column, pa.binary())


def _as_text(column: "pa.Array") -> "pa.Array":
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        # A duration is a string in JSON: strip the quotes from its text.
        return pa.array([None if v is None else _json(v).decode().strip('"') for v in column.to_pylist()], pa.string())
    if pa.types.is_timestamp(kind):
        return _nanoseconds_as_text(column) if kind.unit == "ns" else _time_as_text(column)
    return pc.cast(column, pa.string())


def _time_as_text(column: "pa.Array") -> "pa.Array":
    kind = column.type
    if kind.tz is None:
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%S")
    return pc.strftime(pc.cast(column, pa.timestamp(kind.unit, "UTC")), "%Y-%m-%dT%H:%M:%SZ")


def _nanoseconds_as_text(column: "pa.Array") -> "pa.Array":
    """Times as text, with nine digits only where a value needs them.

    All others keep six digits, which the models read.
    """
    in_microseconds = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    return with_nanoseconds(in_microseconds, column)


def with_nanoseconds(in_microseconds: "pa.Array", column: "pa.Array") -> "pa.Array":
    """Times as text, from the same values in microseconds and in nanoseconds.

    A time gets nine digits where six would lose some. Nanoseconds reach from 1677 to 2262: for a value outside that
    range, one column has lost digits and the other holds a different time.
    """
    text = _time_as_text(in_microseconds)
    microseconds = pc.cast(in_microseconds, pa.int64())
    reach = pc.less_equal(pc.abs(microseconds), _NANOSECONDS_REACH)
    whole = pc.equal(pc.multiply(pc.if_else(reach, microseconds, 0), 1000), pc.cast(column, pa.int64()))
    fine = pc.and_(reach, pc.invert(whole))
    return pc.if_else(fine, _time_as_text(column), text) if pc.any(fine).as_py() else text


def _unknown_fields(unknown: dict[str, _Column]) -> list[str | None]:
    """The columns that the contract does not know, as JSON text without nulls.

    None if nothing remains.
    """
    names = list(unknown)
    result: list[str | None] = []
    for row in zip(*(column.values() for column in unknown.values()), strict=True):
        fields = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        result.append(_json(fields).decode() if fields else None)
    return result


def _as_message(values: dict[str, bytes | None]) -> bytes:
    """A row as the JSON message it would have been, each value a string of its unchanged bytes."""
    members = (
        b"%b:%b" % (_json(name), b"null" if value is None else b'"' + _JSON_SPECIAL.sub(_json_escape, value) + b'"')
        for name, value in values.items()
    )
    return b"{" + b",".join(members) + b"}"


def _json_escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % match[0][0]


def _quoted(column: "pa.Array") -> "pa.Array":
    return pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")


def _payload(lines: "pa.Array") -> bytes | memoryview:
    """The lines joined together, as they already lie in Arrow's memory."""
    if not len(lines):
        return b""
    offsets, data = lines.buffers()[1:]
    first, last = (
        int.from_bytes(offsets[4 * place : 4 * place + 4].to_pybytes(), "little")
        for place in (lines.offset, lines.offset + len(lines))
    )
    return memoryview(data)[first:last]


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
