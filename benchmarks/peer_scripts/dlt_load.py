"""Load KAFKA_TOPIC into PostgreSQL with dlt. Argument: default (dicts) or arrow.

Runs in an environment of its own.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import dlt
import orjson
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

_MESSAGES = 50_000


def batches() -> Iterator[list[bytes]]:
    """The values of the topic, from beginning to end."""
    topic = os.environ["KAFKA_TOPIC"]
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": "dlt",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    partitions = list(consumer.list_topics(topic).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    left = sum(consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions)
    values: list[bytes] = []
    while left:
        for message in consumer.consume(min(10_000, left), 1.0):
            values.append(message.value() or b"{}")
            left -= 1
        if len(values) >= _MESSAGES or not left:
            yield values
            values = []
    consumer.close()


def rows(arrow: bool) -> Iterator[Any]:
    """The input of dlt: lists of dicts, or Arrow tables."""
    for values in batches():
        parsed = [orjson.loads(value) for value in values]
        yield pa.Table.from_pylist(parsed) if arrow else parsed


with tempfile.TemporaryDirectory() as folder:
    arrow = sys.argv[1] == "arrow"
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=folder,
        destination=dlt.destinations.postgres(
            "postgresql://{PG_ADMIN_USER}:{PG_ADMIN_PASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
        ),
        dataset_name="bench_dlt",
    )
    more = {"loader_file_format": "csv"} if arrow else {}
    pipeline.run(dlt.resource(rows(arrow), name="rides"), write_disposition="append", **more).raise_on_failed_jobs()
