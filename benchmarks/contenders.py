"""The contenders of `make bench`, except the peers (see benchmarks.peers)."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Contender

CONSUMER = "kafka-python's consumer alone"
FAST_CONSUMER = "confluent-kafka's consumer alone"
PARSE = "message to line of COPY alone, one process"
COPY_TEN = "COPY alone, ten columns"
COPY_RAW = "COPY alone, the loader's 16 columns and key"
OURS = "our loader"
"""Prefix of the names of our own contenders."""
DEFAULT = OURS
ONE_WORKER = "our loader, one worker"
FASTER = "our loader, faster client"
POISON = "our loader, 1 % poison"
LONG = "our loader, four times the rides"
LONG_FASTER = "our loader, faster client, four times the rides"
LONG_UNCHECKED = "our loader, faster client, CRCs not checked, four times the rides"
EXECUTEMANY = "executemany loop"
EXECUTE_VALUES = "execute_values loop"

_TEN = "ten columns, no key"


def contenders(count: int, lines: Path) -> list[Contender]:
    """The loader, its parts and the plain loops, for a topic of `count` rides."""
    ours = Contender(
        DEFAULT,
        "`ingestion load` as it is",
        [str(Path(sys.executable).with_name("ingestion")), "load"],
        "raw.taxi_rides",
        "bench_rides",
        count,
        extra_tables=("raw.dead_letters",),
    )
    return [
        _part(CONSUMER, "defaults, max_poll_records 5000", "consumer", count),
        _part(FAST_CONSUMER, "as our loader sets it", "fast_consumer", count),
        replace(_part(PARSE, "100,000 rides again and again", "parse", count), environment={"BENCH_RIDES": str(count)}),
        _part(COPY_TEN, f"{_TEN}, 20,000 rows a transaction", "copy_ten", count, "bench.rides", lines),
        _part(
            COPY_RAW, "16 columns, primary key, 20,000 rows a transaction", "copy_raw", count, "raw.taxi_rides", lines
        ),
        ours,
        replace(ours, name=ONE_WORKER, settings="--workers 1", command=[*ours.command, "--workers", "1"]),
        replace(ours, name=FASTER, settings="--client confluent", command=[*ours.command, "--client", "confluent"]),
        replace(ours, name=POISON, topic="bench_poison"),
        replace(ours, name=LONG, topic="bench_long", rows=4 * count),
        replace(
            ours,
            name=LONG_FASTER,
            settings="--client confluent",
            command=[*ours.command, "--client", "confluent"],
            topic="bench_long",
            rows=4 * count,
        ),
        replace(
            _part(LONG_UNCHECKED, "--client confluent, check.crcs off", "unchecked_loader", 4 * count),
            table=ours.table,
            extra_tables=ours.extra_tables,
            topic="bench_long",
        ),
        _part(EXECUTEMANY, f"1,000 rows a transaction, {_TEN}", "executemany", count, "bench.rides"),
        _part(EXECUTE_VALUES, f"1,000 rows a statement and transaction, {_TEN}", "values_loop", count, "bench.rides"),
    ]


def _part(
    name: str, settings: str, part: str, count: int, table: str | None = None, lines: Path | None = None
) -> Contender:
    environment = {"BENCH_LINES": str(lines), "PYTHONPATH": os.getcwd()} if lines else {}
    command = [sys.executable, "-m", "benchmarks.parts", part]
    return Contender(name, settings, command, table, "bench_rides", count, environment=environment)
