"""Run one contender, and measure its time to the last row, memory and processor use."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from psycopg2 import sql
from psycopg2.extensions import connection

from benchmarks.servers import HOME, administrator, rows_in, server_cpu_seconds
from sandbox.services import Sandbox

_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 1.0  # a table that has not grown for this long is counted
_LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Contender:
    """One way to load the rides into PostgreSQL.

    Attributes:
        name: its name in the table.
        settings: its settings, for the table.
        command: program and arguments.
        table: the table that its rows go to; None if it writes none.
        extra_tables: other tables that its rows may be in.
        ends: whether it ends by itself; otherwise it is stopped once the rows are there.
        environment: variables in addition to the sandbox's.
        topic: the topic it reads.
        rows: number of rows it must load.
    """

    name: str
    settings: str
    command: list[str]
    table: str | None
    topic: str
    rows: int
    extra_tables: tuple[str, ...] = ()
    ends: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Passage:
    """Measurements of one run of one contender.

    Attributes:
        rows: number of rows loaded.
        seconds: from the start of the process to the last row.
        start_up_seconds: from the start of the process to the first row.
        memory_mb: peak proportional set size of all its processes together, in MB of 10**6 bytes.
        cpu_seconds: processor seconds of its processes.
        server_cpu_seconds: processor seconds of PostgreSQL and Kafka in the meantime.
    """

    rows: int
    seconds: float
    start_up_seconds: float
    memory_mb: float
    cpu_seconds: float
    server_cpu_seconds: dict[str, float]

    @property
    def rate(self) -> float:
        """Rows per second, including start-up."""
        return self.rows / self.seconds

    @property
    def rate_without_start_up(self) -> float:
        """Rows per second from the first row on."""
        return self.rows / max(self.seconds - self.start_up_seconds, 0.001)


class Failed(Exception):
    """The contender did not load all rows; the message says why."""


def passage(sandbox: Sandbox, contender: Contender) -> Passage:
    """Run a contender once, on empty tables created by the caller.

    Raises:
        Failed: it ended with an error or without all rows, or took far too long.
    """
    log = HOME / "last.log"
    before = server_cpu_seconds(sandbox)
    cpu_before = _cpu_of_children()
    began = time.time()
    with log.open("wb") as talk, closing(administrator()) as session:
        process = psutil.Popen(
            contender.command,
            stdout=subprocess.PIPE,
            stderr=talk,
            env={**os.environ, **contender.environment, "KAFKA_TOPIC": contender.topic},
        )
        try:
            watch = _Watch(process, session, contender, began)
            watch.until_done()
        finally:
            _end(process)
        out = process.stdout.read()
        after = server_cpu_seconds(sandbox)
        if contender.ends and process.returncode:
            raise Failed(f"it ended with {process.returncode}: {_tail(log)}")
        said: dict[str, Any] = json.loads(out.splitlines()[-1]) if contender.table is None else {}
        rows = int(said["rows"]) if said else watch.rows()
    if rows < contender.rows:
        raise Failed(f"it brought {rows} rows of {contender.rows}: {_tail(log)}")
    first, last = (said["first"], said["last"]) if said else (watch.first, watch.last)
    return Passage(
        rows=rows,
        seconds=last - began,
        start_up_seconds=first - began,
        memory_mb=watch.memory / 1e6,
        cpu_seconds=said.get("cpu", _cpu_of_children() - cpu_before),
        server_cpu_seconds={server: after[server] - before[server] for server in after},
    )


def _cpu_of_children() -> float:
    """Processor seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tail(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-600:].split())


class _Watch:
    """Watches a running contender: its processes, and the size of its table."""

    def __init__(self, process: psutil.Popen, session: connection, contender: Contender, began: float) -> None:
        self._process = process
        self._session = session
        self._contender = contender
        self._began = began
        self._size = 0
        self.first = self.last = began
        self.memory = 0

    def rows(self) -> int:
        """Number of rows that arrived."""
        tables = (self._contender.table, *self._contender.extra_tables)
        return sum(rows_in(self._session, table) for table in tables if table)

    def until_done(self) -> None:
        """Check repeatedly until the contender ended or all its rows are there."""
        look = 0
        while time.time() - self._began < _LONGEST_SECONDS:
            if look % 5 == 0:
                self._look_at_memory()
            self._look_at_table()
            if self._process.poll() is not None:
                self._look_at_table()
                return
            quiet = time.time() - self.last > _QUIET_SECONDS
            if not self._contender.ends and self._size and quiet and self.rows() >= self._contender.rows:
                return
            look += 1
            time.sleep(_LOOK_SECONDS)
        raise Failed(f"it was not done after {_LONGEST_SECONDS:.0f} s")

    def _look_at_memory(self) -> None:
        memory = 0
        for process in self._family():
            try:
                memory += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        self.memory = max(self.memory, memory)

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _look_at_table(self) -> None:
        if self._contender.table is None:
            return
        with self._session.cursor() as query:
            query.execute(
                sql.SQL("select coalesce(pg_relation_size(to_regclass({})), 0)").format(
                    sql.Literal(self._contender.table)
                )
            )
            size = int(query.fetchall()[0][0])
        now = time.time()
        if size > self._size:
            self.first = now if not self._size else self.first
            self._size, self.last = size, now


def _end(process: psutil.Popen) -> None:
    """End a process that this benchmark started, and its children."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
