"""Write a Parquet file of rides for each minute: `python -m benchmarks.bulk_files`.

The full set is one month: 43,201 files of 1,914 rides. The rides come from a seed: the same seed gives the same rides.
"""

import argparse
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WHOLE_CASE_FILES = 43_201
RIDES_PER_FILE = 1_914

_FIRST_MINUTE = datetime(2026, 1, 1, tzinfo=UTC)
_MODELS = ("Toyota Prius", "Jeep Wrangler", "Honda Accord", "Tesla Model 3", "Ford Escape")
_CURRENCIES = ("USD", "EUR", "GBP")
_MONEY = pa.decimal128(12, 2)
_TIME = pa.timestamp("us", "UTC")


def write_files(folder: Path, files: int, seed: int = 4) -> int:
    """Write the files of the first `files` minutes, with a folder for each day.

    Returns:
        Total size in bytes.
    """
    size = 0
    for number in range(files):
        minute = _FIRST_MINUTE + timedelta(minutes=number)
        path = folder / f"{minute:%Y-%m-%d}" / f"rides_{minute:%H%M}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_rides(random.Random(f"{seed} {number}"), minute), path)  # noqa: S311  # not a secret
        size += path.stat().st_size
    return size


def _rides(chance: random.Random, minute: datetime) -> "pa.Table":
    count = range(RIDES_PER_FILE)
    starts = sorted(minute + timedelta(microseconds=chance.randrange(60_000_000)) for _ in count)
    return pa.table(
        {
            "taxi_id": [f"taxi-{chance.randrange(5_000):05}" for _ in count],
            "pax_id": [f"pax-{chance.randrange(500_000):06}" for _ in count],
            "start_time": pa.array(starts, _TIME),
            "end_time": pa.array([at + timedelta(seconds=chance.randrange(60, 5_400)) for at in starts], _TIME),
            "pickup_zipcode": [f"{chance.randrange(501, 99_951):05}" for _ in count],
            "dropoff_zipcode": [f"{chance.randrange(501, 99_951):05}" for _ in count],
            "tax_amount": pa.array([Decimal(chance.randrange(50, 2_000)) / 100 for _ in count], _MONEY),
            "fare_amount": pa.array([Decimal(chance.randrange(500, 20_000)) / 100 for _ in count], _MONEY),
            "currency": chance.choices(_CURRENCIES, k=RIDES_PER_FILE),
            "car_model": chance.choices(_MODELS, k=RIDES_PER_FILE),
        }
    )


def main() -> None:
    """Write the files requested by the arguments."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--files", type=int, default=WHOLE_CASE_FILES)
    arguments.add_argument("--seed", type=int, default=4)
    given = arguments.parse_args()
    print(f"{write_files(given.folder, given.files, given.seed):,} bytes")


if __name__ == "__main__":
    main()
