"""What the tests of the bulk load share: writing files, and reading what was loaded."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2.extensions import connection

from taxi.contract import CONTRACT


def parquet(path: Path, rides: int = 10, first: int = 0, **columns: Any) -> Path:
    """A Parquet file of rides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = columns or {
        "taxi_id": [f"t{n}" for n in range(first, first + rides)],
        "fare_amount": pa.array([Decimal("12.50")] * rides, pa.decimal128(12, 2)),
    }
    pq.write_table(pa.table(content), path)
    return path


def loaded(
    session: connection,
    columns: str = ", ".join(CONTRACT.fields),
    table: str = "taxi_rides",
    order: str = 'topic, "offset"',
) -> list[tuple[Any, ...]]:
    """Rows of a raw table, by file and offset."""
    with session.cursor() as query:
        query.execute(f"select {columns} from raw.{table} order by {order}")  # noqa: S608  # names of the tests'
        return query.fetchall()
