"""What the loader's tests share: publishing messages, and reading what was loaded."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaProducer
from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.settings import KafkaSettings

RIDE = b'{"taxi_id": "t1", "fare_amount": 12.50, "currency": "EUR"}'


@dataclass(frozen=True)
class Message:
    """A message to publish."""

    value: bytes | None = RIDE
    key: bytes | None = None
    partition: int = 0
    timestamp: int | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def publish(messages: Iterable[Message], **options: Any) -> None:
    """Publish to KAFKA_TOPIC and wait until the broker has all of it."""
    settings = KafkaSettings.from_environment()
    producer = KafkaProducer(
        **settings.client_options(), max_request_size=12_582_912, linger_ms=5, batch_size=1 << 18, **options
    )
    try:
        sent = [
            producer.send(
                settings.topic,
                value=m.value,
                key=m.key,
                partition=m.partition,
                headers=m.headers,
                timestamp_ms=m.timestamp,
            )
            for m in messages
        ]
        producer.flush()
        for future in sent:
            future.get(timeout=30)
    finally:
        producer.close()


def rows(session: connection, table: str, columns: str = "*", order: str = "offset") -> list[tuple[Any, ...]]:
    """Columns (comma-separated) of all rows of `schema.table`, in order of a column."""
    chosen = sql.SQL("*") if columns == "*" else sql.SQL(", ").join(map(sql.Identifier, columns.split(", ")))
    statement = sql.SQL("select {} from {} order by {}").format(
        chosen, sql.Identifier(*table.split(".")), sql.Identifier(order)
    )
    with session.cursor() as query:
        query.execute(statement)
        return query.fetchall()


def count(session: connection, table: str) -> int:
    """Number of rows of `schema.table`."""
    with session.cursor() as query:
        query.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(*table.split("."))))
        return int(query.fetchall()[0][0])


def await_condition(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until the condition holds; fail with `what` was awaited if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.05)


def copy_columns(line: bytes) -> list[str | None]:
    """The columns of a line of COPY as PostgreSQL understands it: CSV, in which an unquoted null is null."""
    columns = re.findall(r'(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))', line.decode())
    return [None if bare == "null" else bare or quoted.replace('""', '"') for quoted, bare in columns]
