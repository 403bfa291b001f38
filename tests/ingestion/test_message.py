"""The message contract: what makes a message dye, and what never does."""

from datetime import UTC, datetime

import pytest

from ingestion.message import DyeStamp, claims_to_be_dye, key_fingerprint, message_key, verified_stamp

KEY = b"a key of some length"
VALUE = b'{"taxi_id": "t1"}'
STAMP = DyeStamp("run-1", 42, datetime(2026, 6, 1, 8, 0, 0, 123456, tzinfo=UTC))


def changed(**headers: bytes | None) -> list[tuple[str, bytes | None]]:
    """The right headers but for those given; None takes one away."""
    right = dict(STAMP.headers(KEY, VALUE))
    wanted = {name: headers.get(name.replace("-", "_"), value) for name, value in right.items()}
    return [(name, value) for name, value in wanted.items() if value is not None]


def test_a_signed_message_is_dye() -> None:
    assert verified_stamp(STAMP.headers(KEY, VALUE), VALUE, [KEY]) == STAMP


def test_the_former_key_holds_while_keys_are_exchanged() -> None:
    assert verified_stamp(STAMP.headers(b"old key", VALUE), VALUE, [KEY, b"old key"]) == STAMP
    assert verified_stamp(STAMP.headers(b"old key", VALUE), VALUE, [KEY]) is None


def test_a_tombstone_can_be_dye() -> None:
    assert verified_stamp(STAMP.headers(KEY, b""), None, [KEY]) == STAMP


@pytest.mark.parametrize(
    "headers",
    [
        changed(dye_run_id=b"run-2"),
        changed(dye_ride_number=b"43"),
        changed(dye_sent_at=b"2026-06-01T08:00:00.123457Z"),
        changed(dye_signature=b"0" * 64),
        changed(dye_signature=b""),
        changed(dye_run_id=None),
        changed(dye_ride_number=None),
        changed(dye_sent_at=None),
        changed(dye_signature=None),
        changed(dye_run_id="rün".encode()),
        changed(dye_ride_number=b"+42"),
        changed(dye_ride_number=b"42 "),
        changed(dye_sent_at=b"2026-13-01T08:00:00.123456Z"),
        changed(dye_sent_at=b"2026-06-01 08:00:00"),
        [],
    ],
)
def test_anything_else_is_not(headers: list[tuple[str, bytes | None]]) -> None:
    assert verified_stamp(headers, VALUE, [KEY]) is None


def test_a_changed_value_is_not() -> None:
    assert verified_stamp(STAMP.headers(KEY, VALUE), VALUE + b" ", [KEY]) is None


def test_bytes_cannot_be_moved_between_the_signed_parts() -> None:
    """Each part is preceded by its length."""
    assert STAMP.signature(KEY, VALUE) != DyeStamp("run-14", 2, STAMP.sent_at).signature(KEY, VALUE)


@pytest.mark.parametrize("run_id", ["run\0", "run\t1", "run\n"])
def test_a_run_id_with_control_characters_is_not_dye(run_id: str) -> None:
    """Even signed: the database cannot hold all of them, and one message must not stop the loader."""
    stamp = DyeStamp(run_id, 1, STAMP.sent_at)
    assert verified_stamp(stamp.headers(KEY, VALUE), VALUE, [KEY]) is None


def test_any_dye_header_is_a_claim() -> None:
    assert claims_to_be_dye([("dye-run-id", b"")])
    assert not claims_to_be_dye([("trace-id", b"1")])


def test_a_fingerprint_names_a_key_without_betraying_it() -> None:
    assert key_fingerprint(KEY) == key_fingerprint(KEY)
    assert key_fingerprint(KEY) != key_fingerprint(b"another")
    assert KEY.hex() not in key_fingerprint(KEY)


@pytest.mark.parametrize(("taxi_id", "key"), [("t1", b"t1"), (7, b"7"), ("", None), (None, None), ([1], None)])
def test_a_ride_is_keyed_by_its_taxi(taxi_id: object, key: bytes | None) -> None:
    assert message_key(taxi_id) == key
