"""From Arrow columns to lines of COPY: vectorised, row by row only where a row is no storable text.

Text stays as it is; numbers become the shortest text that reads back as the same number, decimals with all their
digits; times become ISO 8601 (UTC with a Z if the column has a zone, without one if not); nested values their JSON.
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

_SPECIAL = r'[",\n\r\x00]|^null$|^\\\.$'  # what COPY's CSV format must have quoted, and what PostgreSQL cannot store
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
# Numbers, booleans and times: their text never holds what COPY must have quoted.
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
        row_count: how many.
        letters: lines for raw.dead_letters.
        letter_count: how many.
    """

    rows: bytes | memoryview
    row_count: int
    letters: bytes = b""
    letter_count: int = 0

    @property
    def size(self) -> int:
        """Bytes of all lines."""
        return len(self.rows) + len(self.letters)


@dataclass(frozen=True, slots=True)
class Place:
    """What all rows of a file share.

    Attributes:
        topic: its topic.
        topic_id: the id of that.
        encoder: of its messages.
        message_at: when its rows count as sent, unless a column says so.
        time_column: the column that does.
        folder_columns: columns that the names of its folders give; a column of the file's own counts before them.
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
        """Column message_at, and the line end.

        Args:
            sent: what the time column says.
        """
        return sent_at(sent, self.message_at).isoformat().encode() + b"\n"

    def line(self, columns: bytes, offset: int, sent: str | None = None) -> bytes:
        """One line, from its first columns."""
        return b"%b,%b,%d,%b" % (columns, self.before_offset, offset, self.after_offset(sent))


def check_names(names: list[str], place: Place) -> None:
    """Raises BadFile if a column is there twice, or none is a field of the contract."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadFile(f"the column {twice[0]} is there {names.count(twice[0])} times")
    if not {*names, *place.folder_columns} & set(place.encoder.fields):
        raise BadFile(f"none of its columns ({', '.join(names)[:200]}) is a field of the contract")


def chunk_of(batch: "pa.RecordBatch", first_row: int, place: Place) -> Chunk:
    """The rows of a batch as lines; a row that PostgreSQL cannot store as text becomes a dead letter, as JSON."""
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
    """A column as text, and the rows where it holds what no text column can."""

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
        """The text as COPY wants it."""
        return _quoted(self.text) if self._special else self.text

    def values(self) -> list[Any]:
        """The values as JSON shall have them."""
        if self.is_number:
            return [repr(v) if isinstance(v, float) and not math.isfinite(v) else v for v in self._raw.to_pylist()]
        return list((self._raw if self.is_plain else self.text).to_pylist())

    def value(self, row: int) -> bytes | None:
        """One value as bytes, untouched."""
        value = (self._raw if self.is_text else self.text)[row].as_py()
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value

    def _decoded(self) -> "pa.Array":
        # A file's text is not checked when it is read: going through bytes does.
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
    """The values themselves: of a dictionary, or as an extension type stores them; a UUID as its text."""
    if pa.types.is_dictionary(column.type):
        return _without_wrapping(column.dictionary_decode())
    if isinstance(column.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(column.type, pa.BaseExtensionType):
        return _without_wrapping(column.storage)
    return column


def _as_bytes(column: "pa.Array") -> "pa.Array":
    # Views become plain text first; offsets of 32 bits do, since a batch is small.
    if pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    return pc.cast(column, pa.binary())


def _as_text(column: "pa.Array") -> "pa.Array":
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        # A duration is a string in JSON: its text goes without the quotes.
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
    """Nine digits where a value needs them; its neighbours keep six, which is what the models read."""
    in_microseconds = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    return with_nanoseconds(in_microseconds, column)


def with_nanoseconds(in_microseconds: "pa.Array", column: "pa.Array") -> "pa.Array":
    """Times as text, from the same values in microseconds and in nanoseconds: nine digits where six would lose some.

    Nanoseconds reach from 1677 to 2262: a value beyond has them cut off in one column, and is another time in the
    other.
    """
    text = _time_as_text(in_microseconds)
    microseconds = pc.cast(in_microseconds, pa.int64())
    reach = pc.less_equal(pc.abs(microseconds), _NANOSECONDS_REACH)
    whole = pc.equal(pc.multiply(pc.if_else(reach, microseconds, 0), 1000), pc.cast(column, pa.int64()))
    fine = pc.and_(reach, pc.invert(whole))
    return pc.if_else(fine, _time_as_text(column), text) if pc.any(fine).as_py() else text


def _unknown_fields(unknown: dict[str, _Column]) -> list[str | None]:
    """JSON text of the columns that the contract does not know; nulls are left out, None if nothing remains."""
    names = list(unknown)
    result: list[str | None] = []
    for row in zip(*(column.values() for column in unknown.values()), strict=True):
        fields = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        result.append(_json(fields).decode() if fields else None)
    return result


def _as_message(values: dict[str, bytes | None]) -> bytes:
    """A row as the message that it would have been, each value a JSON string of its bytes as they stand."""
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
    """The lines one after the other: in Arrow's memory they lie so already."""
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
