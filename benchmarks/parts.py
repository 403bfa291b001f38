"""The parts of a load on their own, and plain loops: `python -m benchmarks.parts NAME`.

Each reads KAFKA_TOPIC to its end, or the file of prepared lines named by BENCH_LINES, and prints one JSON object.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from unittest.mock import patch
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from psycopg2.extras import execute_values

from benchmarks.rides import rides
from ingestion.database.sessions import connect
from ingestion.loader.batch import Batch
from ingestion.settings import KafkaSettings
from taxi.contract import CONTRACT

PLACE = UUID(int=1)
_PER_STATEMENT = 1_000
_LOOP = "insert into bench.rides (" + ", ".join(CONTRACT.fields) + ") values "  # noqa: S608  # names from the contract


def consumer() -> dict[str, float]:
    """kafka-python's consumer alone, with default settings except the size of a poll."""
    count = first = 0.0
    for messages in _polled():
        first = first or time.time()
        count += len(messages)
    return {"rows": count, "first": first, "last": time.time(), "cpu": time.process_time()}


def fast_consumer() -> dict[str, float]:
    """confluent-kafka's consumer alone."""
    from ingestion.loader.reading.fast_source import FastSource

    count = first = 0.0
    with closing(FastSource.open(KafkaSettings.from_environment())) as source:
        _, partitions = source.topic()
        bounds = source.bounds(partitions)
        for partition, bound in bounds.items():
            source.read_from(partition, bound.first)
        while any(source.position(partition) < bound.readable for partition, bound in bounds.items()):
            count += sum(map(len, source.poll(250).values()))
            first = first or time.time()
    return {"rows": count, "first": first, "last": time.time(), "cpu": time.process_time()}


def unchecked_loader() -> dict[str, float]:
    """Our loader with confluent-kafka, which checks no CRC: what the check costs."""
    import confluent_kafka

    from ingestion.cli import app

    checked = confluent_kafka.Consumer
    with patch.object(confluent_kafka, "Consumer", lambda options: checked({**options, "check.crcs": False})):
        app(["load", "--client", "confluent"], standalone_mode=False)
    return {}


def parse() -> dict[str, float]:
    """Turn messages into lines of COPY, without Kafka or PostgreSQL.

    It measures the processor seconds for the requested number of rides.
    """
    count = int(os.environ["BENCH_RIDES"])
    some = [_record(offset, *ride) for offset, ride in enumerate(rides(100_000))]
    began, first = time.process_time(), time.time()
    for _ in range(max(1, count // len(some))):
        Batch("taxi_rides", PLACE, [b"key"], CONTRACT).add(0, some)
    used = time.process_time() - began
    done = max(1, count // len(some)) * len(some)
    return {"rows": done, "first": first, "last": time.time(), "cpu": used}


def copy_ten() -> dict[str, float]:
    """COPY alone: the ten columns, one transaction per 20,000 rows, from prepared lines."""
    columns = ", ".join(CONTRACT.fields)
    return _copy(f"copy bench.rides ({columns}) from stdin (format csv, null 'null')", lines_of="ten")


def copy_raw() -> dict[str, float]:
    """COPY alone of what the loader writes: 16 columns and a primary key."""
    columns = (*CONTRACT.fields, "unknown_fields", "topic", "topic_id", '"partition"', '"offset"', "message_at")
    return _copy(f"copy raw.taxi_rides ({', '.join(columns)}) from stdin (format csv, null 'null')", lines_of="raw")


def executemany() -> dict[str, float]:
    """A plain loop with executemany, as most tutorials show it."""
    statement = _LOOP + "(" + ", ".join(["%s"] * len(CONTRACT.fields)) + ")"
    return _loop(lambda query, rows: query.executemany(statement, rows))


def values_loop() -> dict[str, float]:
    """A plain loop with psycopg2's execute_values, as better tutorials show it."""
    return _loop(lambda query, rows: execute_values(query, _LOOP + "%s", rows, page_size=_PER_STATEMENT))


def _record(offset: int, key: bytes | None, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord("taxi_rides", 0, -1, offset, 1_700_000_000_000, 1, key, value, [], None, -1, -1, -1)


def _polled() -> Iterator[list[ConsumerRecord]]:
    settings = KafkaSettings.from_environment()
    with closing(
        KafkaConsumer(**settings.client_options(), enable_auto_commit=False, max_poll_records=5_000)
    ) as reader:
        places = [TopicPartition(settings.topic, p) for p in sorted(reader.partitions_for_topic(settings.topic))]
        reader.assign(places)
        reader.seek_to_beginning(*places)
        ends = reader.end_offsets(places)
        while any(reader.position(place) < end for place, end in ends.items()):
            yield from reader.poll(timeout_ms=250).values()


def _loop(write: Callable[..., None]) -> dict[str, float]:
    count = first = 0.0
    with closing(connect("loader", "benchmarks loop")) as session:
        for messages in _polled():
            for at in range(0, len(messages), _PER_STATEMENT):
                chunk = messages[at : at + _PER_STATEMENT]
                rows = [tuple(map(json.loads(message.value).get, CONTRACT.fields)) for message in chunk]
                with session, session.cursor() as query:
                    write(query, rows)
                count += len(rows)
                first = first or time.time()
    return {"rows": count, "first": first, "last": time.time(), "cpu": time.process_time()}


def _copy(statement: str, lines_of: str) -> dict[str, float]:
    from io import BytesIO

    count = first = 0.0
    with closing(connect("loader", "benchmarks copy")) as session:
        for lines in _prepared(lines_of):
            with session, session.cursor() as query:
                query.copy_expert(statement, BytesIO(b"".join(lines)), size=1 << 20)
            count += len(lines)
            first = first or time.time()
    return {"rows": count, "first": first, "last": time.time(), "cpu": time.process_time()}


def _prepared(lines_of: str) -> Iterable[list[bytes]]:
    chunk = []
    with open(f"{os.environ['BENCH_LINES']}.{lines_of}", "rb") as file:
        for line in file:
            chunk.append(line)
            if len(chunk) == 20_000:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


PARTS = {
    part.__name__: part
    for part in (consumer, fast_consumer, unchecked_loader, parse, copy_ten, copy_raw, executemany, values_loop)
}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]]()))
