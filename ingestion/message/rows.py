"""Turn a message's bytes into a line of COPY: pure functions, no database, no Kafka.

The lines are in COPY's CSV format: a JSON string without escapes is a quoted CSV column as it stands, and any other
JSON literal an unquoted one. So the columns of a usual message go from the topic to PostgreSQL without being processed
one by one.

A string field becomes its decoded text. A number, true, false, an object or a list becomes its literal text, digit for
digit. null and a missing field become null. If a key is repeated, the last value counts.
"""

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NoReturn

import msgspec

NULL = b"null"
"""Null in a line of COPY: never quoted, so the text "null" differs from it."""


class Reason(StrEnum):
    """Why a message is a dead letter."""

    TOMBSTONE = "tombstone"
    EMPTY = "empty"
    BYTE_ORDER_MARK = "byte_order_mark"
    INVALID_UTF8 = "invalid_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    NUL_CHARACTER = "nul_character"
    LONE_SURROGATE = "lone_surrogate"


class NotStorable(Exception):  # a signal inside the loader, never shown
    """The message is not a storable JSON object."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_as_tuple = msgspec.structs.astuple

_QUOTE, _BACKSLASH, _BRACE, _BRACKET = b'"\\{['
"""Single bytes as numbers: `number in bytes` takes 35 ns, `bytes in bytes` 160 ns, for each message."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COLUMN = re.compile(r'(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))')
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class RowEncoder:
    """Turns values into the first columns of lines of COPY: the fields and unknown_fields.

    Args:
        fields: the contract's fields that have a column, in the order of the columns.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        names = [f"field_{number}" for number in range(len(fields))]
        message = msgspec.defstruct(
            "Message",
            [(name, msgspec.Raw, msgspec.Raw(b"null")) for name in names],
            rename=dict(zip(names, fields, strict=True)),
            forbid_unknown_fields=True,
            gc=False,  # holds bytes only, so that no cycle can go through it
        )
        self._decode = msgspec.json.Decoder(message).decode

    def columns(self, value: bytes | None) -> bytes:
        """The fields and unknown_fields as columns of a line of COPY.

        Raises:
            NotStorable: the message is not a storable JSON object.
        """
        if value:
            try:
                columns = b",".join(_as_tuple(self._decode(value)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # one of them is an unknown field
                return self._any_columns(value)
            # Escapes, objects and lists (whose commas and quotes have a meaning in CSV) take the slow path.
            # Escapes and invalid bytes may be in the earlier of two equal keys, and so in no column.
            if _BACKSLASH not in value and _BRACE not in columns and _BRACKET not in columns and _is_utf8(value):
                return columns + b",null"
        return self._any_columns(value)

    def _any_columns(self, value: bytes | None) -> bytes:
        """Like `columns`, for every message.

        It handles escapes, unknown fields, and messages that become dead letters.
        """
        if value is None:
            raise NotStorable(Reason.TOMBSTONE)
        if not value:
            raise NotStorable(Reason.EMPTY)
        if value.startswith(_BYTE_ORDER_MARK):
            raise NotStorable(Reason.BYTE_ORDER_MARK)
        if not _is_utf8(value):
            raise NotStorable(Reason.INVALID_UTF8)
        try:
            fields = _decode_fields(value)
        except RecursionError:
            raise NotStorable(Reason.TOO_DEEP) from None
        except msgspec.DecodeError:
            raise NotStorable(_why_no_object(value)) from None
        if _ESCAPED_NUL.search(value):
            raise NotStorable(Reason.NUL_CHARACTER)
        columns = [_column(fields.pop(name, None)) for name in self.fields]
        columns.append(_unknown(fields) if fields else NULL)
        return b",".join(columns)


@lru_cache
def encoder(fields: tuple[str, ...]) -> RowEncoder:
    """The encoder of messages with these fields, cached."""
    return RowEncoder(fields)


def quoted(text: bytes) -> bytes:
    """Text as a column of a line of COPY."""
    return b'"' + text.replace(b'"', b'""') + b'"'


def binary(value: bytes | None) -> bytes:
    """Bytes (or null) for a bytea column of a line of COPY."""
    return NULL if value is None else b"\\x" + value.hex().encode()


def column_texts(line: bytes) -> list[str | None]:
    """The columns of a line, as PostgreSQL reads them."""
    return [
        None if bare == "null" else bare or text.replace('""', '"') for text, bare in _COLUMN.findall(line.decode())
    ]


def _column(raw: msgspec.Raw | None) -> bytes:
    literal = NULL if raw is None else bytes(raw)
    if literal[0] == _QUOTE:
        return quoted(_decode_text(literal).encode())
    return NULL if literal == NULL else quoted(literal)


def _unknown(fields: dict[str, msgspec.Raw]) -> bytes:
    members = (msgspec.json.encode(name) + b":" + bytes(raw) for name, raw in fields.items())
    return quoted(b"{" + b",".join(members) + b"}")


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _why_no_object(value: bytes) -> Reason:
    """The reason why the fast decoder refused a message.

    The standard library's decoder shows which rule it breaks.
    """
    try:
        # Numbers stay text, so that a long one causes no error. Every value of a repeated key is checked.
        parsed: Any = json.loads(
            value, parse_constant=_refuse, parse_int=str, parse_float=str, object_pairs_hook=_Members
        )
        if not isinstance(parsed, _Members):
            return Reason.NOT_AN_OBJECT
        json.dumps(parsed, ensure_ascii=False).encode()
    except RecursionError:
        return Reason.TOO_DEEP
    except UnicodeEncodeError:
        return Reason.LONE_SURROGATE
    except ValueError:
        return Reason.NOT_JSON
    return Reason.NOT_JSON


class _Members(list[tuple[str, Any]]):
    """The members of an object, including those with a repeated key."""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
