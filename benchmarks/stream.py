"""An endless stream of numbered messages, and the check that each was loaded exactly once."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from confluent_kafka import Message, Producer

from benchmarks.servers import administrator

_POISON_EVERY = 50
_BURST = 500


@dataclass(slots=True)
class Stream:
    """What the stream has done so far.

    Attributes:
        acknowledged: number of messages acknowledged by Kafka.
        refused: number of messages not acknowledged; they may or may not be on the topic.
    """

    acknowledged: int = 0
    refused: int = 0


@contextmanager
def streaming(seed: int, per_second: int) -> Iterator[Stream]:
    """Publish numbered messages to KAFKA_TOPIC while the block runs; every fiftieth is poison."""
    stream, ended = Stream(), Event()
    chance = random.Random(seed)  # noqa: S311  # amounts and partitions, not secrets
    thread = Thread(target=_pour, args=(stream, ended, chance, per_second), name="stream")
    thread.start()
    try:
        yield stream
    finally:
        ended.set()
        thread.join()


def _pour(stream: Stream, ended: Event, chance: random.Random, per_second: int) -> None:
    def delivered(error: object, _: Message) -> None:
        if error:
            stream.refused += 1
        else:
            stream.acknowledged += 1

    producer = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 10,
            "message.timeout.ms": 120_000,
            "log_level": 0,
            "error_cb": lambda _: None,
        }
    )
    number, began = 0, time.monotonic()
    while not ended.is_set():
        for _ in range(_BURST):
            value = b'{"taxi_id": "m%d", "fare_amount": %d.50, "currency": "USD"}' % (number, chance.randrange(100))
            if number % _POISON_EVERY == 0:
                value = b"m%d is no ride" % number
            try:
                producer.produce(
                    os.environ["KAFKA_TOPIC"], value=value, partition=chance.randrange(4), on_delivery=delivered
                )
                number += 1
            except BufferError:  # Kafka is away: wait until it is back
                producer.poll(0.5)
        producer.poll(0)
        ended.wait(max(0.0, number / per_second - (time.monotonic() - began)))
    producer.flush()


@dataclass(frozen=True)
class Judgement:
    """How often each message is in raw or in the dead letters.

    Attributes:
        expected: number of messages below the stored offsets.
        rides: rows in raw.taxi_rides.
        letters: rows in raw.dead_letters.
        missing: offsets below the stored ones that are in neither.
        twice: messages that are there more than once.
    """

    expected: int
    rides: int
    letters: int
    missing: int
    twice: int

    @property
    def clean(self) -> bool:
        """Whether each message is there exactly once."""
        return self.missing == 0 and self.twice == 0 and self.expected == self.rides + self.letters


_JUDGE = """
with loaded as (
    select "partition", "offset", taxi_id as number from raw.taxi_rides
    union all
    select "partition", "offset", split_part(convert_from(value, 'UTF8'), ' ', 1) from raw.dead_letters
)
select
    (select coalesce(sum(next_offset), 0) from raw.loaded_offsets),
    (select count(*) from raw.taxi_rides),
    (select count(*) from raw.dead_letters),
    (
        select count(*)
        from raw.loaded_offsets as stored, generate_series(0, stored.next_offset - 1) as wanted (place)
        where not exists (
            select from loaded where loaded."partition" = stored."partition" and loaded."offset" = wanted.place
        )
    ),
    (select count(*) - count(distinct number) from loaded)
"""


def judge() -> Judgement:
    """Check the tables now."""
    with closing(administrator()) as session, session.cursor() as query:
        query.execute(_JUDGE)
        return Judgement(*map(int, query.fetchall()[0]))
