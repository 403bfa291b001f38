"""The dye sees a rule that moved: with any one of these rules changed, some expected row is another one."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN
from typing import Any

import pytest

from angiogram.dbt.seeds.seed_text import Row
from angiogram.dye.seeds import dye_messages
from taxi.calculation import expected_tables, models, rules
from tests.angiogram.test_dye_seeds import RIDES
from tests.taxi.test_calculation import LAST_DAY, REFERENCE, TABLES

ORIGINAL_RATE: Callable[..., Any] = rules.rate_on
TICK = timedelta(microseconds=1)
TIME = rules._INSTANT.pattern
AMOUNT = rules._AMOUNT.pattern


def pattern(original: str, old: str, new: str, flags: int = 0) -> re.Pattern[str]:
    assert old in original
    return re.compile(original.replace(old, new, 1), flags)


CHANGED_CONSTANTS: dict[str, tuple[str, Any]] = {
    "start-earlier": ("FIRST_START", rules.FIRST_START - TICK),
    "start-later": ("FIRST_START", rules.FIRST_START + TICK),
    "start-never": ("FIRST_START", datetime(1, 1, 1, tzinfo=UTC)),
    "lead-shorter": ("LONGEST_LEAD", rules.LONGEST_LEAD - TICK),
    "lead-longer": ("LONGEST_LEAD", rules.LONGEST_LEAD + TICK),
    "trim-no-blank": ("WHITE_SPACE", "\t\n\r\v\f"),
    "trim-no-tab": ("WHITE_SPACE", " \n\r\v\f"),
    "trim-no-line-feed": ("WHITE_SPACE", " \t\r\v\f"),
    "trim-no-carriage-return": ("WHITE_SPACE", " \t\n\v\f"),
    "trim-no-vertical-tab": ("WHITE_SPACE", " \t\n\r\f"),
    "trim-no-form-feed": ("WHITE_SPACE", " \t\n\r\v"),
    "trim-no-break-space": ("WHITE_SPACE", rules.WHITE_SPACE + "\u00a0"),
    "unknown-renamed": ("UNKNOWN", "Unknown"),
    "zipcode-any-digit": ("_ZIPCODE", re.compile(r"\d{5}")),
    "zipcode-4": ("_ZIPCODE", re.compile(r"[0-9]{4,5}")),
    "zipcode-6": ("_ZIPCODE", re.compile(r"[0-9]{5,6}")),
    "zipcode-plus-4": ("_ZIPCODE", re.compile(r"[0-9]{5}(-[0-9]{4})?")),
    "zipcode-letters": ("_ZIPCODE", re.compile(r"[0-9A-Z]{5}")),
    "amount-no-sign": ("_AMOUNT", pattern(AMOUNT, "[+-]?", "-?")),
    "amount-15-digits": ("_AMOUNT", pattern(AMOUNT, "16", "15")),
    "amount-17-digits": ("_AMOUNT", pattern(AMOUNT, "16", "17")),
    "amount-3-decimals": ("_AMOUNT", pattern(AMOUNT, "{1,4}", "{1,3}")),
    "amount-5-decimals": ("_AMOUNT", pattern(AMOUNT, "{1,4}", "{1,5}")),
    "amount-point-at-the-end": ("_AMOUNT", pattern(AMOUNT, "{1,4}", "{0,4}")),
    "amount-point-at-the-start": ("_AMOUNT", pattern(AMOUNT, "{1,16}", "{0,16}")),
    "amount-any-digit": ("_AMOUNT", re.compile(AMOUNT.replace("[0-9]", r"\d"))),
    "amount-exponent": ("_AMOUNT", re.compile(AMOUNT + "(?:e[0-9]+)?")),
    "time-no-blank": ("_INSTANT", pattern(TIME, "[T ]", "T")),
    "time-two-blanks": ("_INSTANT", pattern(TIME, "[T ]", "(?:T| +)")),
    "time-small-letters": ("_INSTANT", re.compile(TIME, re.IGNORECASE)),
    "time-5-digits": ("_INSTANT", pattern(TIME, "{1,6}", "{1,5}")),
    "time-zone-hour-16": ("_INSTANT", pattern(TIME, "1[0-5]", "1[0-9]")),
    "time-zone-hour-14": ("_INSTANT", pattern(TIME, "1[0-5]", "1[0-4]")),
    "time-zone-no-colon": ("_INSTANT", pattern(TIME, "):([0-5][0-9]))?", "):?([0-5][0-9]))?")),
    "time-zone-required": ("_INSTANT", re.compile(TIME.removesuffix("?"))),
    "time-any-digit": ("_INSTANT", re.compile(TIME.replace("[0-9]", r"\d"))),
}


@pytest.mark.parametrize("change", CHANGED_CONSTANTS)
def test_a_moved_boundary_shows(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value = CHANGED_CONSTANTS[change]
    monkeypatch.setattr(rules, name, value)
    assert changed_tables() != TABLES


CHANGED_RULES: dict[str, tuple[str, Callable[..., Any]]] = {
    "currency-as-given": ("currency_code", rules.trimmed),
    "car-model-by-case": ("folded_car_model", lambda text: text.replace(" ", "")),
    "car-model-by-blanks": ("folded_car_model", str.lower),
    "car-model-by-tab": ("folded_car_model", lambda text: text.replace(" ", "").lower()),
    "key-without-taxi": ("ride_id", lambda taxi, pax, start: taxi and pax and start and f"{pax}-{start}"),
    "key-without-passenger": ("ride_id", lambda taxi, pax, start: taxi and pax and start and f"{taxi}-{start}"),
    "key-without-start": ("ride_id", lambda taxi, pax, start: taxi and pax and start and f"{taxi}-{pax}"),
    "key-by-seconds": ("instant_text", lambda moment: moment.isoformat(timespec="seconds")),
    "key-of-nulls": ("ride_id", lambda taxi, pax, start: rules.surrogate_key(taxi, pax, start and str(start))),
    "no-amount-reasons": ("amount_reasons", lambda name, text, number: []),
    "no-time-reasons": ("time_reasons", lambda name, text, moment: []),
    "no-start-reasons": ("start_reasons", lambda started, ended, message: []),
    "no-rate-reasons": ("rate_reasons", lambda known, day, rate: []),
    "rate-newest": ("rate_on", lambda rates, day: max(rates)[1] if rates and day else None),
    "rate-oldest": ("rate_on", lambda rates, day: min(rates)[1] if rates and day else None),
    "rate-from-the-next-day": ("rate_on", lambda rates, day: ORIGINAL_RATE(rates, day and day - timedelta(days=1))),
    "rate-of-the-next-day": ("rate_on", lambda rates, day: ORIGINAL_RATE(rates, day and day + timedelta(days=1))),
}


@pytest.mark.parametrize("change", CHANGED_RULES)
def test_a_changed_rule_shows(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, rule = CHANGED_RULES[change]
    monkeypatch.setattr(rules, name, rule)
    assert changed_tables()["int_rides__checked"] != TABLES["int_rides__checked"]


@pytest.mark.parametrize("rounding", [ROUND_HALF_EVEN, ROUND_DOWN])
def test_another_rounding_shows(rounding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "ROUND_HALF_UP", rounding)
    assert changed_tables()["daily_revenue"] != TABLES["daily_revenue"]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(lambda message: (0, message.offset), id="by-offset-alone"),
        pytest.param(lambda message: (message.message_at, -message.offset), id="earlier-offset-of-a-tie"),
        pytest.param(lambda message: (message.message_at, message.message_id), id="tie-by-text"),
        pytest.param(lambda message: (-message.message_at.timestamp(), message.offset), id="oldest"),
    ],
)
def test_another_newest_version_shows(order: Callable[[Any], Any]) -> None:
    with models.exact_arithmetic():
        checked = [
            models.checked_ride(models.staged_ride(message), REFERENCE)
            for message in sorted((one for one in dye_messages(RIDES) if one.message_at), key=order)
        ]
    newest = {ride.ride_id: ride.message_id for ride in checked if ride.is_valid}
    assert newest != {row["ride_id"]: row["message_id"] for row in TABLES["fct_rides"]}


def changed_tables() -> dict[str, list[Row]]:
    return expected_tables(dye_messages(RIDES), REFERENCE, LAST_DAY)
