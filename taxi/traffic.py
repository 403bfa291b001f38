"""Generates live traffic from a seed.

The same seed yields the same messages, byte for byte, on every machine and day. Clean rides follow each other every two
seconds from the start date on. A share of the messages is dirty, in the ways that real rides are dirty; DIRT names
them. Amounts are made of whole cents and are never floats.
"""

import json
import random
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from ingestion.errors import InputError
from ingestion.message.record import Outgoing
from taxi.contract import CONTRACT

DEFAULT_START = date(2026, 10, 1)
SECONDS_BETWEEN_RIDES = 2

TAXIS = 300
PASSENGERS = 5000
ZIPCODES = ("10001", "10002", "10003", "10004", "10016", "11201", "11101", "10451")
CURRENCIES = ("USD", "USD", "USD", "USD", "USD", "EUR", "GBP", "MXN")
CAR_MODELS = ("Benz", "Toyota", "Ford", "Jeep", "Toyota Camry", "Nissan NV200", "Honda", "Tesla Model 3")

Ride = dict[str, Any]

_REMEMBERED = 500
_HOURS_LATE = 24 * 14
_LONGEST_SECONDS = 3600
_MALFORMED = (
    b"",
    b"hello",
    b'{"taxi_id": "taxi-1", "fare_amount": "1',
    b'[{"taxi_id": "taxi-1"}]',
    b"42",
    b"null",
    b'{"taxi_id": "taxi-\xff"}',
    b'{"taxi_id": "taxi-1", "pax_id": "pax-\\u0000"}',
)


def generate(rides: int, seed: int, rate: float | None = None, dirty: float = 0.0, start: date = DEFAULT_START) -> int:
    """Send live traffic to the topic.

    Args:
        rides: how many messages.
        seed: decides every byte of them.
        rate: messages per second; None: as fast as Kafka takes them.
        dirty: share of dirty messages, 0 to 1.
        start: UTC date on which the first ride starts.

    Returns:
        Messages acknowledged by the broker.

    Raises:
        InputError: an argument is out of its range.
        SettingsError: Kafka's address is not set.
        KafkaUnavailable: not all messages were acknowledged.
    """
    if rides < 0 or (rate is not None and rate <= 0):
        raise InputError(f"{rides} rides at a rate of {rate} cannot be sent. Use 0 or more rides and a rate above 0.")
    try:
        start - timedelta(hours=_HOURS_LATE)
        start + timedelta(seconds=SECONDS_BETWEEN_RIDES * rides + _LONGEST_SECONDS)
    except OverflowError:
        raise InputError(
            f"{rides} rides from {start} on, some of them late, are outside the years 1 to 9999. Use another start."
        ) from None
    from ingestion.topic.publish import publish  # needs a client of Kafka, which other commands do not

    return publish(islice(traffic(seed, dirty, start), rides), rides, rate)


def traffic(seed: int, dirty: float = 0.0, start: date = DEFAULT_START) -> Iterator[Outgoing]:
    """Yield messages without end. The first n do not depend on how many are taken.

    Args:
        seed: decides every byte of them.
        dirty: share of dirty messages, 0 to 1.
        start: UTC date on which the first ride starts.

    Raises:
        InputError: `dirty` is not between 0 and 1.
    """
    if not 0 <= dirty <= 1:
        raise InputError(f"A share of {dirty} dirty rides is not possible. Use a number from 0 to 1.")
    return _messages(random.Random(seed), dirty, datetime(start.year, start.month, start.day, tzinfo=UTC))  # noqa: S311


def _messages(dice: random.Random, dirty: float, start: datetime) -> Iterator[Outgoing]:
    earlier: deque[Ride] = deque(maxlen=_REMEMBERED)
    number = 0
    while True:
        ride = _clean_ride(dice, start + timedelta(seconds=SECONDS_BETWEEN_RIDES * number))
        number += 1
        if dice.random() >= dirty:
            earlier.append(ride)
            yield _message(ride)
        elif (kind := dice.choice(KINDS)) == "malformed":
            yield Outgoing(dice.choice(_MALFORMED), None)
        else:
            yield _message(DIRT[kind](dice, ride, earlier))


def _clean_ride(dice: random.Random, at: datetime) -> Ride:
    started = at + timedelta(milliseconds=dice.randrange(1000 * SECONDS_BETWEEN_RIDES))
    ended = started + timedelta(seconds=dice.randrange(120, _LONGEST_SECONDS))
    fare = dice.randrange(350, 9000)
    return {
        "taxi_id": f"taxi-{dice.randrange(TAXIS)}",
        "pax_id": f"pax-{dice.randrange(PASSENGERS)}",
        "start_time": _iso(started),
        "end_time": _iso(ended),
        "pickup_zipcode": dice.choice(ZIPCODES),
        "dropoff_zipcode": dice.choice(ZIPCODES),
        "tax_amount": _money(fare * dice.choice((4, 6, 8)) // 100),
        "fare_amount": _money(fare),
        "currency": dice.choice(CURRENCIES),
        "car_model": dice.choice(CAR_MODELS),
    }


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _message(ride: Ride) -> Outgoing:
    return Outgoing(json.dumps(ride, ensure_ascii=False).encode(), CONTRACT.key(ride.get("taxi_id")))


def _missing_field(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    left_out = dice.choice(CONTRACT.fields)
    return {field: value for field, value in ride.items() if field != left_out}


def _null_field(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    return ride | {dice.choice(CONTRACT.fields): None}


def _bad_amount(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    bad = dice.choice(("-3.50", "twelve", "12,50", "1e2", "NaN", "", "12.34567"))
    return ride | {dice.choice(("fare_amount", "tax_amount")): bad}


def _bad_time(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    bad = dice.choice(("yesterday", "2026-02-30T08:00:00Z", "2023-12-31T23:59:59Z", "2099-01-01T00:00:00Z", ""))
    return ride | {dice.choice(("start_time", "end_time")): bad}


def _repeated(dice: random.Random, ride: Ride, earlier: deque[Ride]) -> Ride:
    return dice.choice(earlier) if earlier else ride


def _corrected(dice: random.Random, ride: Ride, earlier: deque[Ride]) -> Ride:
    return _repeated(dice, ride, earlier) | {"fare_amount": _money(dice.randrange(350, 9000))}


def _late(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    delay = timedelta(hours=dice.randrange(1, _HOURS_LATE))
    times = {name: _iso(datetime.fromisoformat(ride[name]) - delay) for name in ("start_time", "end_time")}
    return ride | times


def _unmapped_zipcode(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    return ride | {"pickup_zipcode": dice.choice(("99999", "00000", "1001", "10001-1234", "Reno"))}


def _other_currency(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    return ride | {"currency": dice.choice(("JPY", "CAD", "CHF", "XXX", "$"))}


def _untidy_text(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    name = dice.choice(("taxi_id", "pax_id", "currency", "car_model", "pickup_zipcode"))
    untidy = dice.choice(("  {}", "{} ", "\t{}\n"))
    text = ride[name].lower() if dice.random() < 0.5 and name in ("currency", "car_model") else ride[name]
    return ride | {name: untidy.format(text)}


def _wrong_type(dice: random.Random, ride: Ride, _: deque[Ride]) -> Ride:
    return ride | {dice.choice(CONTRACT.fields): dice.choice((7, True, ["Jeep"], {"amount": "12.50"}))}


DIRT: dict[str, Callable[[random.Random, Ride, deque[Ride]], Ride]] = {
    "missing_field": _missing_field,
    "null_field": _null_field,
    "bad_amount": _bad_amount,
    "bad_time": _bad_time,
    "repeated": _repeated,
    "corrected": _corrected,
    "late": _late,
    "unmapped_zipcode": _unmapped_zipcode,
    "other_currency": _other_currency,
    "untidy_text": _untidy_text,
    "wrong_type": _wrong_type,
}
"""Make a ride dirty: each function takes the dice, the ride and earlier clean rides, and returns the ride to send."""

KINDS = (*DIRT, "malformed")
"""All kinds of dirty messages, equally frequent. A malformed one is not a JSON object, or cannot be stored."""
