"""A sandbox for the benchmarks, in .bench/, and what they ask of its servers."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from sandbox.services import Sandbox

HOME = Path(__file__).parents[1] / ".bench"
"""Everything the benchmarks create: servers, peer environments, logs. `make clean` deletes it."""

_NOT_OURS = ("FRONT_DOOR_URL", "DYE_KEY_OLD", "PGSERVICE", "PGOPTIONS", "KAFKA_TOPIC")


@contextmanager
def servers(name: str) -> Iterator[Sandbox]:
    """Start fresh PostgreSQL and Kafka servers, and delete them afterwards.

    Their environment is put into os.environ.
    """
    HOME.mkdir(exist_ok=True)
    sandbox = Sandbox(HOME / name)
    before = dict(os.environ)
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ending the command ends the servers too
    for variable in _NOT_OURS:
        os.environ.pop(variable, None)
    try:
        if sandbox.folder.exists:
            sandbox.down(delete=True)
        sandbox.up()
        os.environ.update(sandbox.environment())
        yield sandbox
    finally:
        if sandbox.folder.exists:
            sandbox.down(delete=True)
        os.environ.clear()
        os.environ.update(before)
        signal.signal(signal.SIGTERM, handler)


def administrator() -> connection:
    """A superuser's autocommit session. The caller closes it."""
    session = psycopg2.connect(
        host=os.environ["PGHOST"],
        port=os.environ["PGPORT"],
        dbname=os.environ["PGDATABASE"],
        user=os.environ["PG_ADMIN_USER"],
        password=os.environ["PG_ADMIN_PASSWORD"],
        application_name="benchmarks",
    )
    session.autocommit = True
    return session


def make_ten_columns() -> None:
    """Create the empty table bench.rides with only the ten fields.

    It is for contenders that write no other columns; taxi_loader may write to it.
    """
    statements = """
        drop schema if exists bench, bench_dlt, bench_dlt_staging cascade;
        create schema bench authorization taxi_loader;
        create table bench.rides (
            taxi_id text, pax_id text, start_time text, end_time text, pickup_zipcode text, dropoff_zipcode text,
            tax_amount text, fare_amount text, currency text, car_model text
        );
        alter table bench.rides owner to taxi_loader;
    """
    with closing(administrator()) as session, session.cursor() as query:
        query.execute(statements)


def empty_raw() -> None:
    """Empty the raw tables and offsets, so that the next loader begins at the first offset."""
    with closing(administrator()) as session, session.cursor() as query:
        query.execute(
            "truncate raw.taxi_rides, raw.dead_letters, raw.replays, raw.loaded_offsets, raw.loaders, raw.gaps, "
            "raw.empty_offsets, raw.loaded_totals, raw.loaded_marks, raw.taken_away"
        )
        query.execute("checkpoint")


def rows_in(session: connection, table: str) -> int:
    """Number of rows of `schema.table`."""
    with session.cursor() as query:
        query.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(*table.split("."))))
        return int(query.fetchall()[0][0])


def server_cpu_seconds(sandbox: Sandbox) -> dict[str, float]:
    """Processor seconds that each server has used so far, including ended backends."""
    used = {}
    for status in sandbox.status():
        total = 0.0
        if status.pid:
            main = psutil.Process(status.pid)
            for process in (main, *main.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):  # a backend that ends meanwhile is counted with the ended ones
                    times = process.cpu_times()
                    total += times.user + times.system
            ended = main.cpu_times()
            total += ended.children_user + ended.children_system
        used[status.service] = total
    return used
