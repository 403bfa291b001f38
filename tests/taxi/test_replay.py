"""Replay sends recorded rides, each as its row says, the same bytes every time."""

import csv
import hashlib
import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ingestion.errors import InputError
from ingestion.message.record import Outgoing as Message
from taxi.replay import PACKAGED, recorded_rides, replay
from tests.ingestion.topic_reader import records

HEADER = "pickup,dropoff,fare,tip,tolls,total,color,pickup_borough,dropoff_borough"
ROW = "2019-03-23 20:21:09,2019-03-23 20:27:24,7.0,2.15,0.0,12.95,yellow,Manhattan,Bronx"


def file_of(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "rides.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def rides_of(path: Path | None = None) -> list[dict[str, str]]:
    return [json.loads(message.value) for message in recorded_rides(path)]


def test_the_packaged_file_means_the_same_6433_rides_for_ever() -> None:
    """The digest is pinned: only the same bytes supersede what an earlier replay has sent."""
    messages = list(recorded_rides())
    assert len(messages) == 6433
    digest = hashlib.sha256(b"\n".join(message.value for message in messages)).hexdigest()
    assert digest == "1b1484a6d2b6ad5955401df9c771d05ebe6ed5db1fbddc59ed85c8df11a7727f"


def test_a_row_becomes_the_ride_it_records(tmp_path: Path) -> None:
    (message,) = recorded_rides(file_of(tmp_path, ROW))
    ride = json.loads(message.value)
    taxi_id = ride.pop("taxi_id")
    assert message.key == taxi_id.encode()
    assert taxi_id.startswith("nyc-taxi-")
    assert ride == {
        "pax_id": "nyc-pax-1",
        "start_time": "2026-03-21T20:21:09-04:00",
        "end_time": "2026-03-21T20:27:24-04:00",
        "pickup_zipcode": "10016",
        "dropoff_zipcode": "10451",
        "tax_amount": "3.80",
        "fare_amount": "7.0",
        "currency": "USD",
        "car_model": "Toyota Camry",
    }


def test_the_rides_keep_weekday_wall_time_and_money_of_their_records() -> None:
    with PACKAGED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, ride in zip(rows, rides_of(), strict=True):
        start, pickup = datetime.fromisoformat(ride["start_time"]), datetime.fromisoformat(row["pickup"])
        assert (start.weekday(), start.timetz().replace(tzinfo=None)) == (pickup.weekday(), pickup.time())
        paid = Decimal(ride["fare_amount"]) + Decimal(ride["tax_amount"])
        assert paid == Decimal(row["total"]) - Decimal(row["tip"]) - Decimal(row["tolls"])
        assert ("pickup_zipcode" in ride) == bool(row["pickup_borough"])
        assert ("dropoff_zipcode" in ride) == bool(row["dropoff_borough"])


def test_passengers_differ_and_taxis_are_300() -> None:
    rides = rides_of()
    assert len({ride["pax_id"] for ride in rides}) == 6433
    assert {ride["taxi_id"] for ride in rides} == {f"nyc-taxi-{number}" for number in range(300)}


@pytest.mark.parametrize(
    ("pickup", "dropoff", "start", "end"),
    [
        pytest.param(
            "2019-03-10 01:50:00",
            "2019-03-10 03:10:00",
            "2026-03-08T01:50:00-05:00",
            "2026-03-08T03:10:00-04:00",
            id="over the hour that is skipped",
        ),
        pytest.param(
            "2019-03-10 02:30:00",
            "2019-03-10 03:40:00",
            "2026-03-08T02:30:00-05:00",
            "2026-03-08T03:40:00-04:00",
            id="in the hour that is skipped",
        ),
        pytest.param(
            "2019-11-03 01:10:00",
            "2019-11-03 01:20:00",
            "2026-11-01T01:10:00-04:00",
            "2026-11-01T01:20:00-04:00",
            id="in the hour that comes twice",
        ),
        pytest.param(
            "2019-11-03 01:50:00",
            "2019-11-03 01:05:00",
            "2026-11-01T01:50:00-04:00",
            "2026-11-01T01:05:00-05:00",
            id="from the first of the two hours into the second",
        ),
        pytest.param(
            "2019-07-01 10:00:00",
            "2019-07-01 09:00:00",
            "2026-06-29T10:00:00-04:00",
            "2026-06-29T09:00:00-04:00",
            id="a dropoff before its pickup is left as it is",
        ),
    ],
)
def test_times_carry_the_offset_of_the_zone(tmp_path: Path, pickup: str, dropoff: str, start: str, end: str) -> None:
    (ride,) = rides_of(file_of(tmp_path, f"{pickup},{dropoff},7.0,0,0,8.0,green,Queens,Queens"))
    assert (ride["start_time"], ride["end_time"]) == (start, end)


def test_a_tax_that_comes_out_negative_is_sent_as_it_is(tmp_path: Path) -> None:
    (ride,) = rides_of(file_of(tmp_path, ROW.replace("12.95", "9.00")))
    assert ride["tax_amount"] == "-0.15"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        pytest.param(ROW.replace("2019-03-23 20:21:09", "23/03/2019"), "pickup", id="another form of time"),
        pytest.param(ROW.replace("2019-03-23 20:27:24", ""), "dropoff", id="no time"),
        pytest.param(ROW.replace("2019-03-23 20:21:09", "9999-03-23 20:21:09"), "pickup", id="a time too late to move"),
        pytest.param(ROW.replace(",7.0,", ",seven,"), "fare", id="an amount in words"),
        pytest.param(ROW.replace(",12.95,", ",NaN,"), "total", id="no number"),
        pytest.param(ROW.replace(",2.15,", ",1e2,"), "tip", id="a power of ten"),
        pytest.param(ROW.replace("yellow", "blue"), "color", id="an unknown colour"),
        pytest.param(ROW.replace("Bronx", "Hoboken"), "dropoff_borough", id="an unknown borough"),
        pytest.param(ROW.rsplit(",", 1)[0], "dropoff_borough", id="a row too short"),
    ],
)
def test_a_broken_row_is_named_by_line_and_column(tmp_path: Path, row: str, column: str) -> None:
    with pytest.raises(InputError, match=rf"rides\.csv, line 3, column {column}: "):
        rides_of(file_of(tmp_path, ROW, row))


def test_a_row_too_long_is_named_by_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2: the row has more cells"):
        rides_of(file_of(tmp_path, ROW + ",more"))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no column tolls\."):
        rides_of(file_of(tmp_path, ROW, header=HEADER.replace("tolls", "toll")))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", HEADER.encode() + b'\n"open'], ids=["empty", "bytes", "open quote"]
)
def test_what_is_no_csv_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rides.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"rides\.csv"):
        rides_of(path)


def test_an_absent_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        rides_of(tmp_path / "absent.csv")


def test_nothing_is_sent_of_a_file_with_a_broken_row(tmp_path: Path, fresh_topic: str) -> None:
    with pytest.raises(InputError):
        replay(file_of(tmp_path, ROW, "broken"))
    assert records() == {}


def test_a_second_replay_sends_the_same_rides_again(fresh_topic: str) -> None:
    assert replay() == 6433
    assert replay() == 6433
    expected = Counter(dict.fromkeys(recorded_rides(), 2))
    assert Counter(Message(record.value, record.key) for record in records().values()) == expected
