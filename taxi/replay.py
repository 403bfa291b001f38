"""Replays recorded rides as messages.

The packaged file holds 6,433 real rides in New York, March 2019. How a row becomes a ride:

- taxi_id: `nyc-taxi-` and 0 to 299, by a hash of the row, since the records name no taxi; pax_id: `nyc-pax-` and the
  row's number, from 1.
- start_time, end_time: pickup and dropoff, New York wall time, 365 whole weeks later, written with the zone's offset.
  So the weekdays stay the same, and so does the night in March when an hour is skipped; a time within that hour has the
  offset before the change. A time in the hour that occurs twice in autumn is the first one, unless a dropoff would then
  be before its pickup.
- pickup_zipcode, dropoff_zipcode: one zip code for each borough; left out where the record names none.
- fare_amount: fare, with its digits. tax_amount: total - fare - tip - tolls, exact; negative where a record's parts
  exceed its total, which the models then judge. currency: USD.
- car_model: Toyota Camry for a yellow cab, Nissan NV200 for a green one.

The same file yields the same bytes: a second replay sends the same rides again, which supersede the first.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ingestion.errors import InputError
from ingestion.message.record import Outgoing
from taxi.contract import CONTRACT

PACKAGED = Path(__file__).parent / "data" / "nyc_taxi_rides_2019_03.csv"
"""The file that is replayed unless another one is given."""

NEW_YORK = ZoneInfo("America/New_York")
MOVED_BY = timedelta(weeks=365)
REPLAYED_TAXIS = 300
ZIPCODE_BY_BOROUGH = {
    "Manhattan": "10016",
    "Brooklyn": "11201",
    "Queens": "11101",
    "Bronx": "10451",
    "Staten Island": "10301",
    "": None,
}
"""Zip code of a borough; an empty borough has none."""
CAR_MODEL_BY_COLOR = {"yellow": "Toyota Camry", "green": "Nissan NV200"}

_COLUMNS = ("pickup", "dropoff", "fare", "tip", "tolls", "total", "color", "pickup_borough", "dropoff_borough")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,4})?")
_T = TypeVar("_T")


def replay(path: Path | None = None) -> int:
    """Send the rides of a file to the topic. Nothing is sent if any row is broken.

    Args:
        path: a CSV file with the columns of the packaged one; None: the packaged one.

    Returns:
        Rides acknowledged by the broker.

    Raises:
        InputError: the file cannot be read, or a row is broken; names file, line and column.
        SettingsError: Kafka's address is not set.
        KafkaUnavailable: not all rides were acknowledged.
    """
    messages = list(recorded_rides(path))
    from ingestion.topic.publish import publish  # needs a client of Kafka, which other commands do not

    return publish(messages, len(messages))


def recorded_rides(path: Path | None = None) -> Iterator[Outgoing]:
    """Yield the rides of a file as messages, in its order.

    Raises:
        InputError: the file cannot be read, or a row is broken; names file, line and column.
    """
    source = path or PACKAGED
    line = 1
    try:
        with source.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{source.name}, line 1: there is no column {', '.join(missing)}.")
            for number, cells in enumerate(reader, 1):
                line = reader.line_num
                yield _message(_Row(f"{source.name}, line {line}", cells), number)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{source.name} is not UTF-8 after line {line}: {error.reason}.") from error
    except csv.Error as error:
        raise InputError(f"{source.name} is not valid CSV after line {line}: {error}.") from error


class _Row:
    """A row of the file whose errors name line and column."""

    def __init__(self, place: str, cells: Mapping[str, str | None]) -> None:
        if None in cells:  # where csv puts cells beyond the last column
            raise InputError(f"{place}: the row has more cells than the header has columns.")
        self._place = place
        self._cells = cells

    def read(self, column: str, reading: Callable[[str], _T], wanted: str) -> _T:
        """Return a cell as `reading` parses it, or raise InputError."""
        cell = self._cells[column]
        try:
            if cell is not None:
                return reading(cell)
        except (ValueError, KeyError, OverflowError):
            pass
        shown = "nothing" if cell is None else repr(cell)
        raise InputError(f"{self._place}, column {column}: {shown} is not {wanted}. Correct the row; nothing was sent.")

    def time(self, column: str) -> datetime:
        return self.read(column, _moved, "a time such as 2019-03-23 20:21:09")

    def amount(self, column: str) -> Decimal:
        return self.read(column, _amount, "an amount such as 12.95")

    def zipcode(self, column: str) -> str | None:
        return self.read(column, ZIPCODE_BY_BOROUGH.__getitem__, "a borough of New York")

    def car_model(self, column: str) -> str:
        return self.read(column, CAR_MODEL_BY_COLOR.__getitem__, f"one of {', '.join(CAR_MODEL_BY_COLOR)}")

    def hash(self) -> int:
        text = "\x1f".join(cell or "" for cell in self._cells.values())
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _message(row: _Row, number: int) -> Outgoing:
    fare = row.amount("fare")
    start, end = row.time("pickup"), row.time("dropoff")
    if end < start and end.utcoffset() != end.replace(fold=1).utcoffset():
        end = end.replace(fold=1)
    taxi_id = f"nyc-taxi-{row.hash() % REPLAYED_TAXIS}"
    ride = {
        "taxi_id": taxi_id,
        "pax_id": f"nyc-pax-{number}",
        "start_time": start.isoformat(),
        "end_time": end.isoformat(),
        "pickup_zipcode": row.zipcode("pickup_borough"),
        "dropoff_zipcode": row.zipcode("dropoff_borough"),
        "tax_amount": f"{row.amount('total') - fare - row.amount('tip') - row.amount('tolls'):f}",
        "fare_amount": f"{fare:f}",
        "currency": "USD",
        "car_model": row.car_model("color"),
    }
    known = {field: text for field, text in ride.items() if text is not None}
    return Outgoing(msgspec.json.encode(known), CONTRACT.key(taxi_id))


def _moved(text: str) -> datetime:
    # Adding to an aware time moves the wall time; isoformat then writes the offset that applies there.
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=NEW_YORK) + MOVED_BY


def _amount(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)
