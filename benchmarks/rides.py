"""Rides for the benchmarks: made from a seed, published with lz4 to four partitions."""

import os
from collections.abc import Iterable
from itertools import islice

from confluent_kafka import Producer

from ingestion.topic.admin import ensure_topic
from taxi.traffic import traffic

SEED = 20261001

Ride = tuple[bytes | None, bytes | None]
"""Key and value."""


def rides(count: int, dirty: float = 0.0) -> list[Ride]:
    """The first rides of the seed, keyed by taxi."""
    return [(message.key, message.value) for message in islice(traffic(SEED, dirty), count)]


def with_poison(clean: list[Ride], share: float) -> list[Ride]:
    """The same rides, with one in every so many cut off in the middle."""
    every = round(1 / share)
    return [
        (key, value[: len(value) // 2]) if number % every == 0 and value else (key, value)
        for number, (key, value) in enumerate(clean)
    ]


def publish(topic: str, messages: Iterable[Ride]) -> None:
    """Create the topic and fill it; return when the broker has everything."""
    os.environ["KAFKA_TOPIC"] = topic
    ensure_topic()
    failed = []
    producer = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1 << 18,
            "on_delivery": lambda error, _: failed.append(error) if error else None,
        }
    )
    for key, value in messages:
        while True:
            try:
                producer.produce(topic, value=value, key=key)
                break
            except BufferError:  # its queue is full: let it send
                producer.poll(0.05)
    producer.flush()
    if failed:
        raise RuntimeError(f"{len(failed)} messages were not published to {topic}: {failed[0]}")
