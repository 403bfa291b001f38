"""Judging what was sent, found on the topic and loaded: pure comparisons, without servers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from angiogram.core.differences import Difference
from angiogram.dye.inject import steered
from angiogram.dye.loaded import judge_loaded
from angiogram.dye.messages import OutgoingMessage, Sent
from angiogram.dye.topic import Found, judge_topic
from ingestion.loader.reading.source import Bounds
from taxi.contract import CONTRACT

SENT_AT = datetime(2026, 6, 1, 8, tzinfo=UTC)
ROW: dict[str, str | None] = dict.fromkeys(CONTRACT.fields, "x") | {"unknown_fields": None}
RIDE = OutgoingMessage(1, "good-ride", 1, SENT_AT, b'{"taxi_id":"x"}', ROW)
BROKEN = OutgoingMessage(9001, "cut-off", 2, SENT_AT, b"{", {"reason": "not_json"})
DYE = {"good-ride": RIDE, "cut-off": BROKEN}
VIA_API = Sent(1, "good-ride", "api", 0, 5)
DIRECT = Sent(9001, "cut-off", "topic", 1, 7)
THERE = Found(0, 5, RIDE.value, 1)
THERE_TOO = Found(1, 7, BROKEN.value, 9001)
HELD = {0: Bounds(0, 9, 9), 1: Bounds(0, 9, 9)}


def kinds(differences: list[Difference]) -> list[tuple[str, str | None]]:
    return [(d.difference, d.column) for d in differences]


def test_what_lies_where_it_was_acknowledged_is_right() -> None:
    assert judge_topic([VIA_API, DIRECT], DYE, [THERE, THERE_TOO], HELD) == ([], [])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], ("missing", None), id="acknowledged but never published"),
        pytest.param([Found(0, 5, RIDE.value, None)], ("changed", "headers"), id="headers lost"),
        pytest.param([Found(0, 5, b"{}", None)], ("changed", "value"), id="bytes changed"),
        pytest.param([THERE, Found(0, 6, RIDE.value, 1)], ("multiplicity", None), id="published twice"),
        pytest.param([Found(0, 6, RIDE.value, 1)], ("changed", "partition, offset"), id="elsewhere than acknowledged"),
    ],
)
def test_a_ride_that_is_not_on_the_topic_as_sent_is_the_fault_of_the_api(
    found: list[Found], expected: tuple[str, str | None]
) -> None:
    api, topic = judge_topic([VIA_API], DYE, found, HELD)
    assert kinds(api) == [expected]
    assert topic == []


def test_a_ride_that_the_api_refused_is_its_fault() -> None:
    api, topic = judge_topic([Sent(1, "good-ride", "api", refusal="422 no")], DYE, [], HELD)
    assert (kinds(api), topic) == ([("changed", "answer")], [])


def test_a_message_already_deleted_or_published_directly_is_the_fault_of_the_topic() -> None:
    api, topic = judge_topic([VIA_API, DIRECT], DYE, [], {0: Bounds(6, 9, 9), 1: HELD[1]})
    assert (api, kinds(topic)) == ([], [("missing", None), ("missing", None)])


def test_a_message_held_back_by_an_open_transaction_is_the_fault_of_the_topic() -> None:
    api, topic = judge_topic([VIA_API], DYE, [], {0: Bounds(0, 3, 9)})
    assert (api, kinds(topic)) == ([], [("missing", None)])


def test_a_signed_message_that_nobody_sent_is_unexpected() -> None:
    _, topic = judge_topic([VIA_API], DYE, [THERE, Found(0, 6, b"{}", 77)], HELD)
    assert kinds(topic) == [("unexpected", None)]


def stored(**changes: Any) -> dict[str, Any]:
    return {"number": 1, "sent_at": SENT_AT, "partition": 0, "offset": 5, **ROW, **changes}


LETTER = {
    "number": 9001,
    "sent_at": SENT_AT,
    "partition": 1,
    "offset": 7,
    "reason": "not_json",
    "value": memoryview(b"{"),
}


def test_rows_and_dead_letters_as_sent_are_right() -> None:
    assert judge_loaded([VIA_API, DIRECT], DYE, [stored()], [LETTER]) == []


@pytest.mark.parametrize(
    ("rows", "letters", "expected"),
    [
        pytest.param([], [], [("missing", None)], id="not loaded"),
        pytest.param([stored(), stored(offset=6)], [], [("multiplicity", None)], id="loaded twice"),
        pytest.param([stored(taxi_id="x ")], [], [("changed", "taxi_id")], id="a blank too many"),
        pytest.param([stored(pax_id=None)], [], [("changed", "pax_id")], id="null for a text"),
        pytest.param([stored(pax_id="")], [], [("changed", "pax_id")], id="empty for a text"),
        pytest.param([stored(offset=6)], [], [("changed", "offset")], id="another offset"),
        pytest.param([stored(), stored(number=55)], [], [("unexpected", None)], id="a ride that nobody sent"),
        pytest.param([], [LETTER | {"number": 1}], [("changed", "table")], id="dead-lettered although good"),
    ],
)
def test_what_the_loader_did_to_a_ride_is_seen(
    rows: list[dict[str, Any]], letters: list[dict[str, Any]], expected: list[tuple[str, str | None]]
) -> None:
    assert kinds(judge_loaded([VIA_API], DYE, rows, letters)) == expected


def test_a_dead_letter_with_another_reason_or_other_bytes_is_seen() -> None:
    wrong = LETTER | {"reason": "empty", "value": memoryview(b"")}
    assert kinds(judge_loaded([DIRECT], DYE, [], [wrong])) == [("changed", "reason"), ("changed", "value")]


def test_unknown_fields_are_compared_by_their_members_not_by_their_layout() -> None:
    dye = {"good-ride": OutgoingMessage(1, "good-ride", 1, SENT_AT, b"{}", ROW | {"unknown_fields": '{"tip": 2.00}'})}
    assert judge_loaded([VIA_API], dye, [stored(unknown_fields='{"tip":2.00}')], []) == []
    assert kinds(judge_loaded([VIA_API], dye, [stored(unknown_fields='{"tip":2}')], [])) == [
        ("changed", "unknown_fields")
    ]


def test_malformed_messages_go_first_to_partitions_without_a_ride() -> None:
    letters = [OutgoingMessage(n, f"letter-{n}", 2, SENT_AT, b"", {"reason": "empty"}) for n in (9001, 9002)]
    assert [(n, p) for n, _, p in steered(letters, [0, 1, 2, 3], {0, 2})] == [(9001, 1), (9002, 3)]


def test_with_more_uncovered_partitions_than_malformed_messages_the_first_is_repeated_under_new_numbers() -> None:
    letters = [OutgoingMessage(9001, "a", 2, SENT_AT, b"", {"reason": "empty"})]
    assert [(n, d.name, p) for n, d, p in steered(letters, [0, 1, 2, 3], {0})] == [
        (9001, "a", 1),
        (9002, "a", 2),
        (9003, "a", 3),
    ]
