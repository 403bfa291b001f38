"""A message becomes a line of COPY exactly as received, or a dead letter with its reason."""

import pytest

from ingestion.loader.batch import message_at
from ingestion.message.rows import NULL, NotStorable, Reason, binary, encoder
from taxi.contract import CONTRACT
from tests.ingestion.support import copy_columns

COLUMNS = encoder(CONTRACT.fields).columns
DEEP = b"[" * 100_000 + b"]" * 100_000

POISON = {
    "tombstone": (None, Reason.TOMBSTONE),
    "empty": (b"", Reason.EMPTY),
    "blank": (b" \n", Reason.NOT_JSON),
    "byte-order-mark": (b'\xef\xbb\xbf{"taxi_id": "t"}', Reason.BYTE_ORDER_MARK),
    "invalid-utf8-in-a-value": (b'{"taxi_id": "\xff\xfe"}', Reason.INVALID_UTF8),
    "invalid-utf8-in-a-name": (b'{"\xff": 1}', Reason.INVALID_UTF8),
    "invalid-utf8-in-the-earlier-of-two-equal-keys": (b'{"taxi_id": "\xff", "taxi_id": "t"}', Reason.INVALID_UTF8),
    "nul-character-in-the-earlier-of-two-equal-keys": (
        b'{"taxi_id": "\\u0000", "taxi_id": "t"}',
        Reason.NUL_CHARACTER,
    ),
    "lone-surrogate-in-the-earlier-of-two-equal-keys": (
        b'{"taxi_id": "\\ud800", "taxi_id": "t"}',
        Reason.LONE_SURROGATE,
    ),
    "surrogate-as-utf8": (b'{"taxi_id": "\xed\xa0\x80"}', Reason.INVALID_UTF8),
    "utf16": ('{"taxi_id": "t"}'.encode("utf-16"), Reason.INVALID_UTF8),
    "no-json": (b"hello", Reason.NOT_JSON),
    "cut-off": (b'{"taxi_id": "t1", "fare_', Reason.NOT_JSON),
    "trailing-garbage": (b'{"taxi_id": "t1"} x', Reason.NOT_JSON),
    "two-objects": (b"{}{}", Reason.NOT_JSON),
    "single-quotes": (b"{'taxi_id': 1}", Reason.NOT_JSON),
    "trailing-comma": (b'{"taxi_id": 1,}', Reason.NOT_JSON),
    "leading-zero": (b'{"fare_amount": 012}', Reason.NOT_JSON),
    "nan": (b'{"fare_amount": NaN}', Reason.NOT_JSON),
    "infinity": (b'{"fare_amount": Infinity}', Reason.NOT_JSON),
    "minus-infinity": (b'{"fare_amount": -Infinity}', Reason.NOT_JSON),
    "bare-control-character": (b'{"taxi_id": "a\tb"}', Reason.NOT_JSON),
    "bare-nul-byte": (b'{"taxi_id": "a\x00b"}', Reason.NOT_JSON),
    "unknown-escape": (b'{"taxi_id": "\\x41"}', Reason.NOT_JSON),
    "list": (b'[{"taxi_id": "t"}]', Reason.NOT_AN_OBJECT),
    "string": (b'"ride"', Reason.NOT_AN_OBJECT),
    "number": (b"42", Reason.NOT_AN_OBJECT),
    "long-number": (b"4" * 10_000, Reason.NOT_AN_OBJECT),
    "null": (b"null", Reason.NOT_AN_OBJECT),
    "true": (b"true", Reason.NOT_AN_OBJECT),
    "too-deep-list": (DEEP, Reason.TOO_DEEP),
    "too-deep-in-a-field": (b'{"taxi_id": ' + DEEP + b"}", Reason.TOO_DEEP),
    "too-deep-in-an-unknown-field": (b'{"more": ' + DEEP + b"}", Reason.TOO_DEEP),
    "nul-character": (b'{"taxi_id": "a\\u0000b"}', Reason.NUL_CHARACTER),
    "nul-character-in-a-name": (b'{"a\\u0000": 1}', Reason.NUL_CHARACTER),
    "nul-character-after-a-backslash": (b'{"taxi_id": "\\\\\\u0000"}', Reason.NUL_CHARACTER),
    "lone-high-surrogate": (b'{"taxi_id": "\\ud800"}', Reason.LONE_SURROGATE),
    "lone-low-surrogate": (b'{"taxi_id": "\\udc00!"}', Reason.LONE_SURROGATE),
    "lone-surrogate-in-a-name": (b'{"\\ud800": 1}', Reason.LONE_SURROGATE),
    "lone-surrogate-deep-inside": (b'{"more": [{"a": "\\ud83d"}]}', Reason.LONE_SURROGATE),
}
"""Every message that must become a dead letter, and the reason it must carry."""

UNUSUAL = {
    "no-fields": (b"{}", {}),
    "all-null": (b'{"taxi_id": null, "fare_amount": null}', {}),
    "digits-kept": (b'{"fare_amount": 12.50}', {"fare_amount": "12.50"}),
    "exponent-kept": (b'{"fare_amount": 1e2}', {"fare_amount": "1e2"}),
    "one-tenth": (b'{"fare_amount": 0.1}', {"fare_amount": "0.1"}),
    "beyond-double-precision": (b'{"fare_amount": 12345678901234567.89}', {"fare_amount": "12345678901234567.89"}),
    "beyond-double-range": (b'{"fare_amount": -1E+999999}', {"fare_amount": "-1E+999999"}),
    "long-number": (b'{"fare_amount": ' + b"9" * 5000 + b"}", {"fare_amount": "9" * 5000}),
    "true": (b'{"fare_amount": true}', {"fare_amount": "true"}),
    "object": (b'{"taxi_id": {"a": [1,\n 2]}}', {"taxi_id": '{"a": [1,\n 2]}'}),
    "object-with-escapes": (b'{"taxi_id": ["\\n"]}', {"taxi_id": r'["\n"]'}),
    "empty-list": (b'{"taxi_id": []}', {"taxi_id": "[]"}),
    "repeated-name": (b'{"taxi_id": "a", "taxi_id": "b"}', {"taxi_id": "b"}),
    "repeated-name-escaped": (b'{"taxi_id": "a", "taxi\\u005fid": "b"}', {"taxi_id": "b"}),
    "repeated-name-then-null": (b'{"taxi_id": "a", "taxi_id": null}', {}),
    "empty-string": (b'{"taxi_id": ""}', {"taxi_id": ""}),
    "text-null": (b'{"taxi_id": "null"}', {"taxi_id": "null"}),
    "commas-and-quotes": (b'{"taxi_id": "a,\'b", "pax_id": "a,\\"b"}', {"taxi_id": "a,'b", "pax_id": 'a,"b'}),
    "braces": (b'{"taxi_id": "{a}", "pax_id": "[b]"}', {"taxi_id": "{a}", "pax_id": "[b]"}),
    "copy-null": (b'{"taxi_id": "\\\\N"}', {"taxi_id": r"\N"}),
    "copy-end": (b'{"taxi_id": "\\\\."}', {"taxi_id": r"\."}),
    "control-characters": (b'{"taxi_id": "a\\tb\\nc\\rd\\u0001"}', {"taxi_id": "a\tb\nc\rd\x01"}),
    "escaped-letters": (b'{"car_model": "Citro\\u00ebn"}', {"car_model": "Citroën"}),
    "letters": ('{"car_model": "Citroën"}'.encode(), {"car_model": "Citroën"}),
    "surrogate-pair": (b'{"taxi_id": "\\ud83d\\ude95"}', {"taxi_id": "🚕"}),
    "backslash-before-u0000": (b'{"taxi_id": "\\\\u0000"}', {"taxi_id": r"\u0000"}),
    "white-space-around": (b' \r\n{ "taxi_id" :\t"t" } ', {"taxi_id": "t"}),
    "unknown-fields": (
        b'{"taxi_id": "t", "tip": 1.10, "via": {"a": 1}}',
        {"taxi_id": "t", "unknown_fields": '{"tip":1.10,"via":{"a": 1}}'},
    ),
    "unknown-field-twice": (b'{"tip": 1, "tip": 2}', {"unknown_fields": '{"tip":2}'}),
    "unknown-field-with-quotes": (b'{"t\\"ip": "\\n"}', {"unknown_fields": r'{"t\"ip":"\n"}'}),
}
"""Messages that are loaded, and the columns that are not null."""


@pytest.mark.parametrize(("value", "reason"), POISON.values(), ids=POISON.keys())
def test_poison_is_named_for_what_is_wrong_with_it(value: bytes | None, reason: Reason) -> None:
    with pytest.raises(NotStorable) as caught:
        COLUMNS(value)
    assert caught.value.reason is reason


@pytest.mark.parametrize(("value", "expected"), UNUSUAL.values(), ids=UNUSUAL.keys())
def test_an_object_is_loaded_as_received(value: bytes, expected: dict[str, str]) -> None:
    names = (*CONTRACT.fields, "unknown_fields")
    assert dict(zip(names, copy_columns(COLUMNS(value)), strict=True)) == {name: expected.get(name) for name in names}


def test_a_common_ride_and_the_same_ride_with_an_escape_give_the_same_line() -> None:
    """The quick path and the thorough one agree."""
    plain = b'{"taxi_id": "t-1", "fare_amount": 12.50, "currency": "EUR", "tax_amount": null}'
    escaped = plain.replace(b"t-1", b"t\\u002d1")
    assert copy_columns(COLUMNS(plain)) == copy_columns(COLUMNS(escaped))


def test_bytes_for_copy() -> None:
    assert binary(b"\x00\xff") == b"\\x00ff"
    assert binary(None) == NULL


@pytest.mark.parametrize(
    ("milliseconds", "column"),
    [
        (0, b"1970-01-01T00:00:00+00:00"),
        (1_780_300_800_123, b"2026-06-01T08:00:00.123000+00:00"),
        (-1, NULL),  # the broker's own sign for a message without a time
        (2**63 - 1, NULL),
    ],
)
def test_a_time_that_a_calendar_has_is_kept_and_any_other_is_null(milliseconds: int, column: bytes) -> None:
    assert message_at(milliseconds) == column
