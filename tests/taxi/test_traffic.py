"""Live traffic is decided by its seed alone, and dirty in every way the models must bear."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from ingestion.errors import InputError, KafkaUnavailable
from ingestion.message.record import Outgoing as Message
from ingestion.topic import publish as publish_module
from ingestion.topic.publish import publish
from sandbox.services import Sandbox
from taxi.contract import CONTRACT
from taxi.replay import ZIPCODE_BY_BOROUGH
from taxi.traffic import CAR_MODELS, CURRENCIES, KINDS, ZIPCODES, generate, traffic
from tests.ingestion.topic_reader import records


def first(count: int, seed: int = 1, dirty: float = 0.0, start: date = date(2026, 10, 1)) -> list[Message]:
    return list(islice(traffic(seed, dirty, start), count))


def test_a_seed_means_the_same_bytes_on_every_machine_and_day() -> None:
    """The digest is pinned: a change of any byte is a change of what everybody's seed means."""
    values = b"\n".join(message.value for message in first(2000, seed=7, dirty=0.5))
    assert hashlib.sha256(values).hexdigest() == "dce0351cf479f6c4126c47d3b35af5deae8c1ba3a29e32682fbd0df660f70799"


def test_another_seed_means_other_messages() -> None:
    assert first(100, seed=1) != first(100, seed=2)


def test_more_messages_begin_with_the_same_ones() -> None:
    assert first(500, dirty=0.4)[:100] == first(100, dirty=0.4)


def test_clean_rides_have_all_fields_as_text_and_are_keyed_by_taxi() -> None:
    for message in first(500):
        ride = json.loads(message.value)
        assert set(ride) == set(CONTRACT.fields)
        assert all(isinstance(value, str) for value in ride.values())
        assert message.key == ride["taxi_id"].encode()
        assert datetime.fromisoformat(ride["start_time"]) < datetime.fromisoformat(ride["end_time"])
        assert all(ride[name].partition(".")[2].isdigit() for name in ("fare_amount", "tax_amount"))


def test_rides_begin_on_the_start_date_and_follow_each_other() -> None:
    starts = [datetime.fromisoformat(json.loads(m.value)["start_time"]) for m in first(100, start=date(2025, 2, 3))]
    assert starts[0].date() == date(2025, 2, 3)
    assert starts == sorted(starts)
    assert starts[-1] - starts[0] < timedelta(minutes=5)


def test_without_dirt_every_ride_is_clean() -> None:
    assert all(_looks_clean(message.value) for message in first(2000))


def test_the_share_of_dirty_messages_is_the_share_asked_for() -> None:
    """Of twelve kinds of dirt two, repeated and corrected rides, look clean one by one; the seed makes this certain."""
    clean = sum(_looks_clean(message.value) for message in first(4000, dirty=0.3))
    assert clean / 4000 == pytest.approx(0.7 + 0.3 * 2 / 12, abs=0.02)


def _looks_clean(value: bytes) -> bool:
    ride = _ride(value)
    return (
        ride is not None
        and set(ride) == set(CONTRACT.fields)
        and all(isinstance(cell, str) for cell in ride.values())
        and str(ride["start_time"]) >= "2026-10-01" < str(ride["end_time"]) < "2027"
        and all(re.fullmatch(r"\d+\.\d\d", str(ride[name])) for name in ("fare_amount", "tax_amount"))
        and {ride["pickup_zipcode"], ride["dropoff_zipcode"]} <= set(ZIPCODES)
        and ride["currency"] in CURRENCIES
        and ride["car_model"] in CAR_MODELS
        and f"{ride['taxi_id']}{ride['pax_id']}" == f"{ride['taxi_id']}{ride['pax_id']}".strip()
    )


def _ride(value: bytes) -> dict[str, object] | None:
    try:
        ride = json.loads(value)
    except ValueError:
        return None
    return ride if isinstance(ride, dict) else None


def test_every_kind_of_dirt_comes_up() -> None:
    messages = first(3000, dirty=0.5)
    rides = [ride for message in messages if (ride := _ride(message.value)) is not None]
    clean = [ride for message in messages if _looks_clean(message.value) and (ride := _ride(message.value)) is not None]
    versions = {(ride["taxi_id"], ride["pax_id"], ride["start_time"], ride["fare_amount"]) for ride in clean}
    found = {
        "missing_field": any(len(ride) < len(CONTRACT.fields) for ride in rides),
        "null_field": any(cell is None for ride in rides for cell in ride.values()),
        "bad_amount": any(ride.get("fare_amount") == "NaN" for ride in rides),
        "bad_time": any(ride.get("start_time") == "yesterday" for ride in rides),
        "repeated": len(versions) < len(clean),
        "corrected": len({version[:3] for version in versions}) < len(versions),
        "late": any(str(ride.get("start_time")).startswith("2026-09") for ride in rides),
        "unmapped_zipcode": any(ride.get("pickup_zipcode") == "99999" for ride in rides),
        "other_currency": any(ride.get("currency") == "XXX" for ride in rides),
        "untidy_text": any(str(ride.get("car_model")).startswith("  ") for ride in rides),
        "wrong_type": any(isinstance(cell, list) for ride in rides for cell in ride.values()),
        "malformed": len(rides) < len(messages),
    }
    assert found == dict.fromkeys(KINDS, True)


@pytest.mark.parametrize("dirty", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(dirty: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        generate(1, seed=1, dirty=dirty)


@pytest.mark.parametrize(("rides", "rate"), [(-1, None), (1, 0.0), (1, -5.0)])
def test_impossible_numbers_are_refused(rides: int, rate: float | None) -> None:
    with pytest.raises(InputError, match="rate above 0"):
        generate(rides, seed=1, rate=rate)


def test_the_topic_holds_exactly_the_messages_of_the_seed(fresh_topic: str) -> None:
    assert generate(500, seed=3, dirty=0.5) == 500
    sent = Counter(first(500, seed=3, dirty=0.5))
    assert Counter(Message(record.value, record.key) for record in records().values()) == sent


def test_a_delay_is_made_up_for_so_that_the_rate_holds(fresh_topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of the test's own: message k is due k/rate after the start, whatever happened before."""
    clock = _Clock()
    monkeypatch.setattr(publish_module, "time", clock)

    def slow_source() -> Iterator[Message]:
        for number in range(10):
            if number == 4:
                clock.now += 0.25  # the fifth message is late by itself
            yield Message(b"{}", b"taxi")

    assert publish(slow_source(), 10, rate=10.0) == 10
    assert clock.now == pytest.approx(0.9)
    assert len(clock.naps) == 7  # none before the first message, nor for the two that were late


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def test_the_command_prints_the_count_alone_on_stdout(fresh_topic: str) -> None:
    command = [sys.executable, "-c", "from ingestion.cli import main; main()", "generate", "--rides", "25"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "25\n"
    assert len(records()) == 25


def test_without_kafka_nothing_could_run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with pytest.raises(KafkaUnavailable) as raised:
        generate(1, seed=1)
    assert raised.value.exit_code == 2


def test_live_rides_start_where_the_reference_data_says() -> None:
    """One list of zip codes for live rides and dye, with the states that they have: those of Manhattan are New York."""
    with (Path(__file__).parents[2] / "seeds" / "reference" / "zipcodes.csv").open(newline="") as file:
        states = {row["zipcode"]: row["state"] for row in csv.DictReader(file)}
    live = {*ZIPCODES, *filter(None, ZIPCODE_BY_BOROUGH.values())}
    assert {"10001", "10002", "10003", "10004"} <= live
    assert {states[zipcode] for zipcode in live} == {"New York"}
