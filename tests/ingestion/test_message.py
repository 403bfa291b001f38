"""The message contract: what makes a message dye, and what never does."""

from datetime import UTC, datetime

import pytest

from ingestion.key_fingerprint import key_fingerprint
from ingestion.message.stamp import (
    MAX_RUN_ID,
    DyeStamp,
    Unverified,
    dye_stamp,
    header_names,
    signature,
)
from taxi.contract import CONTRACT

KEY = b"a key of some length"
VALUE = b'{"taxi_id": "t1"}'
STAMP = DyeStamp("run-1", 42, datetime(2026, 6, 1, 8, 0, 0, 123456, tzinfo=UTC))


def changed(**headers: bytes | None) -> list[tuple[str, bytes | None]]:
    """The right headers but for those given; None takes one away."""
    right = dict(STAMP.headers(KEY, VALUE))
    wanted = {name: headers.get(name.replace("-", "_"), value) for name, value in right.items()}
    return [(name, value) for name, value in wanted.items() if value is not None]


def test_a_signed_message_is_dye() -> None:
    assert dye_stamp(STAMP.headers(KEY, VALUE), VALUE, [KEY]) == STAMP


def test_a_message_of_the_dye_may_count_as_one_without_a_time() -> None:
    stamp = DyeStamp("run-1", 42, None)
    assert dye_stamp(stamp.headers(KEY, VALUE), VALUE, [KEY]) == stamp


def test_the_former_key_holds_while_keys_are_exchanged() -> None:
    assert dye_stamp(STAMP.headers(b"old key", VALUE), VALUE, [KEY, b"old key"]) == STAMP
    assert dye_stamp(STAMP.headers(b"old key", VALUE), VALUE, [KEY]) is Unverified.WRONG_SIGNATURE


def test_a_tombstone_can_be_dye() -> None:
    assert dye_stamp(STAMP.headers(KEY, b""), None, [KEY]) == STAMP


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (changed(dye_run_id=b"run-2"), Unverified.WRONG_SIGNATURE),
        (changed(dye_message_number=b"43"), Unverified.WRONG_SIGNATURE),
        (changed(dye_sent_at=b"2026-06-01T08:00:00.123457Z"), Unverified.WRONG_SIGNATURE),
        (changed(dye_signature=b"0" * 64), Unverified.WRONG_SIGNATURE),
        (changed(dye_signature=b"x"), Unverified.WRONG_SIGNATURE),
        (changed(dye_signature=b""), Unverified.INCOMPLETE),
        (changed(dye_run_id=None), Unverified.INCOMPLETE),
        (changed(dye_message_number=None), Unverified.INCOMPLETE),
        (changed(dye_sent_at=None), Unverified.INCOMPLETE),
        (changed(dye_signature=None), Unverified.INCOMPLETE),
        ([("dye-run-id", None)], Unverified.INCOMPLETE),
        (changed(dye_run_id="rün".encode()), Unverified.MALFORMED),
        (changed(dye_signature=b"\xff"), Unverified.MALFORMED),
        (changed(dye_message_number=b"+42"), Unverified.MALFORMED),
        (changed(dye_message_number=b"42 "), Unverified.MALFORMED),
        (changed(dye_sent_at=b"2026-13-01T08:00:00.123456Z"), Unverified.MALFORMED),
        (changed(dye_sent_at=b"2026-06-01 08:00:00"), Unverified.MALFORMED),
        (changed(dye_sent_at=b"none"), Unverified.WRONG_SIGNATURE),
        ([("trace-id", b"1")], None),
        ([], None),
    ],
)
def test_anything_else_is_not_and_says_why(headers: list[tuple[str, bytes | None]], reason: Unverified | None) -> None:
    assert dye_stamp(headers, VALUE, [KEY]) is reason


def test_a_changed_value_is_not() -> None:
    assert dye_stamp(STAMP.headers(KEY, VALUE), VALUE + b" ", [KEY]) is Unverified.WRONG_SIGNATURE


def test_bytes_cannot_be_moved_between_the_signed_parts() -> None:
    """Each part is preceded by its length."""
    assert STAMP.signature(KEY, VALUE) != DyeStamp("run-14", 2, STAMP.sent_at).signature(KEY, VALUE)


ODD_RUN_IDS = ["run\0", "run\t1", "run\n", "r" * (MAX_RUN_ID + 1), "rün", ""]


@pytest.mark.parametrize("run_id", ODD_RUN_IDS)
def test_a_run_id_that_no_index_can_hold_is_not_dye_even_if_it_is_signed(run_id: str) -> None:
    """One message must not stop the loader."""
    named = changed(dye_run_id=run_id.encode())
    signed = signature(KEY, run_id, "42", "2026-06-01T08:00:00.123456Z", VALUE).encode()
    headers = [(name, signed if name == "dye-signature" else content) for name, content in named]
    expected = Unverified.MALFORMED if run_id else Unverified.INCOMPLETE
    assert dye_stamp(headers, VALUE, [KEY]) is expected


@pytest.mark.parametrize("run_id", ODD_RUN_IDS)
def test_a_run_id_that_no_index_can_hold_is_refused_where_the_stamp_is_made(run_id: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        DyeStamp(run_id, 1, STAMP.sent_at)


def test_the_longest_run_id_is_dye() -> None:
    stamp = DyeStamp("r" * MAX_RUN_ID, 1, STAMP.sent_at)
    assert dye_stamp(stamp.headers(KEY, VALUE), VALUE, [KEY]) == stamp


def test_a_fingerprint_names_a_key_without_betraying_it() -> None:
    assert key_fingerprint(KEY) == key_fingerprint(KEY)
    assert key_fingerprint(KEY) != key_fingerprint(b"another")
    assert KEY.hex() not in key_fingerprint(KEY)


@pytest.mark.parametrize(("taxi_id", "key"), [("t1", b"t1"), (7, b"7"), ("", None), (None, None), ([1], None)])
def test_a_ride_is_keyed_by_its_taxi(taxi_id: object, key: bytes | None) -> None:
    assert CONTRACT.key(taxi_id) == key


def test_a_former_header_is_understood_where_the_contract_names_it() -> None:
    former = CONTRACT.former_headers["dye-message-number"]
    headers = [(former if name == "dye-message-number" else name, text) for name, text in STAMP.headers(KEY, VALUE)]
    assert dye_stamp(headers, VALUE, [KEY]) == Unverified.INCOMPLETE
    assert dye_stamp(headers, VALUE, [KEY], header_names(CONTRACT.former_headers)) == STAMP
