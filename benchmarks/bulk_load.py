"""Measure the bulk load of a twentieth of the full set: `python -m benchmarks.bulk_load`.

Writes docs/benchmarks-bulk.md. The full set is 43,201 Parquet files of 1,914 rides into PostgreSQL within 30 minutes,
46,000 rows a second.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from benchmarks.bulk_files import RIDES_PER_FILE, WHOLE_CASE_FILES, write_files
from benchmarks.servers import HOME, administrator, server_cpu_seconds, servers
from sandbox.services import Sandbox

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks-bulk.md"
RESULTS = ROOT / "benchmarks" / "results-bulk.json"

WANTED_RATE = 46_000
"""Rows a second that load the full set within 30 minutes."""

_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Passage:
    """Measurements of one run of the command.

    Attributes:
        name: what was loaded.
        rows: number of rides loaded.
        seconds: from the start of the process to its end.
        quarters: rows a second in each quarter of the rows, from the times in raw.loaded_files; none for a single file.
        pss_mb: peak proportional set size of all its processes together, in MB of 10**6 bytes.
        cpu_seconds: processor seconds of its processes.
        postgres_cpu_seconds: processor seconds of PostgreSQL in the meantime.
        other_cores: cores used by other programs of the machine in the meantime, on average.
    """

    name: str
    rows: int
    seconds: float
    quarters: list[float]
    pss_mb: float
    cpu_seconds: float
    postgres_cpu_seconds: float
    other_cores: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def possible_rate(self) -> float:
        """Rows a second if it had all cores to itself.

        Computed from its processor seconds and PostgreSQL's.
        """
        return self.rows * _cores() / (self.cpu_seconds + self.postgres_cpu_seconds)


def measure(files: int, rounds: int) -> list[Passage]:
    """Load the files `rounds` times into empty tables.

    Then load the same files again into the full tables, and finally the same rows as one large file.
    """
    many, one = HOME / f"bulk-{files}", HOME / f"bulk-{files}-one"
    if not many.exists():
        write_files(many, files)
    if not one.exists():
        _write_one(one, many)
    passages = []
    with servers("bulk-servers") as sandbox:
        for _ in range(rounds):
            _empty()
            passages.append(_passage(sandbox, f"{files:,} files of {RIDES_PER_FILE:,} rides", many))
        passages.append(_passage(sandbox, "the same files again", many))
        _empty()
        passages.append(_passage(sandbox, f"one file of {files * RIDES_PER_FILE:,} rides in one row group", one))
    return passages


def _write_one(folder: Path, parts: Path) -> None:
    folder.mkdir()
    table = pq.read_table(parts)
    pq.write_table(table, folder / "rides.parquet", row_group_size=table.num_rows)


def _empty() -> None:
    with closing(administrator()) as session, session.cursor() as query:
        query.execute("truncate raw.taxi_rides, raw.dead_letters, raw.loaded_files")
        query.execute("checkpoint")


def _passage(sandbox: Sandbox, name: str, folder: Path) -> Passage:
    before, busy_before = server_cpu_seconds(sandbox), _busy_seconds()
    began = time.monotonic()
    command = [str(ROOT / ".venv" / "bin" / "ingestion"), "bulk-load", str(folder)]
    process = psutil.Popen(command, stdout=subprocess.PIPE)
    memory, cpu = 0, 0.0
    while process.poll() is None:
        sampled, used = _sample(process)
        memory, cpu = max(memory, sampled), max(cpu, used)
        time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"The bulk load ended with {process.returncode}; what it said is above.")
    said: dict[str, Any] = json.loads(process.stdout.read())
    after = server_cpu_seconds(sandbox)
    postgres = after["postgres"] - before["postgres"]
    others = (_busy_seconds() - busy_before - cpu - sum(after.values()) + sum(before.values())) / seconds
    return Passage(
        name, said["rows"], seconds, _quarters(said["load_id"]), memory / 1e6, cpu, postgres, max(others, 0.0)
    )


def _sample(process: psutil.Process) -> tuple[int, float]:
    """Proportional set size in bytes and processor seconds of a process and its children."""
    memory, cpu = 0, 0.0
    for member in _family(process):
        try:
            memory += member.memory_full_info().pss
            cpu += sum(member.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return memory, cpu


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _quarters(load_id: str) -> list[float]:
    """Rows a second in each quarter of the rows.

    The first quarter begins at the time of the first file.
    """
    with closing(administrator()) as session, session.cursor() as query:
        query.execute(
            "select extract(epoch from loaded_at)::float8, rows from raw.loaded_files where load_id = %s order by 1",
            (load_id,),
        )
        files = query.fetchall()
    return list(_rates(files)) if len(files) > 4 else []


def _rates(files: list[tuple[float, int]]) -> Iterator[float]:
    fourth = len(files) // 4
    edges = [0, fourth, 2 * fourth, 3 * fourth, len(files) - 1]
    for first, last in pairwise(edges):
        yield sum(rides for _, rides in files[first:last]) / (files[last][0] - files[first][0])


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def page(passages: list[Passage]) -> str:
    """The page, as Markdown."""
    timed = [one for one in passages if one.name == passages[0].name]
    rate = statistics.median(one.rate for one in timed)
    memory = max(one.pss_mb for one in passages)
    share = statistics.median(one.quarters[-1] / one.quarters[0] for one in timed)
    wanted = 3 * WANTED_RATE
    whole = WHOLE_CASE_FILES * RIDES_PER_FILE
    targets = [
        ("rows/s (median), 3 times what the case needs", f"{wanted:,}", f"{rate:,.0f}", rate >= wanted),
        ("memory of all processes together", "300 MB", f"{memory:,.0f} MB", memory <= 300),
        ("last quarter's rate ÷ first quarter's (median)", "1.0", f"{share:.2f}", share >= 0.95),
    ]
    lines = [
        "# Benchmark of the bulk load",
        "",
        f"Written by `python -m benchmarks.bulk_load` on {datetime.now(UTC):%d %B %Y}: {_cores()} cores shared by "
        f"PostgreSQL and the command, {platform.system()} {platform.machine()}. `ingestion bulk-load` as a user starts "
        "it, start-up included, into empty tables with their primary key. Memory is the proportional set size of all "
        "its processes together. The processors were shared with other programs as the column says; the last column "
        "is the rate that the processor seconds used by the command and PostgreSQL allow on all cores.",
        "",
        "| what | rows | s | rows/s | by quarter | memory MB | CPU s per million rows: command | PostgreSQL "
        "| cores used by others | rows/s that the CPU seconds allow |",
        "|---|---:|---:|---:|---|---:|---:|---:|---:|---:|",
        *(_row(one) for one in passages),
        "",
        f"At the median rate the whole case, {WHOLE_CASE_FILES:,} files with {whole:,} rides, takes "
        f"{whole / rate / 60:.0f} minutes.",
        "",
        "| target | wanted | measured | |",
        "|---|---|---|---|",
        *(f"| {what} | {least} | {got} | {'met' if met else 'not met'} |" for what, least, got, met in targets),
    ]
    return "\n".join(lines) + "\n"


def _row(one: Passage) -> str:
    quarters = " · ".join(f"{rate / 1000:,.0f}k" for rate in one.quarters) or "-"
    if not one.rows:
        return f"| {one.name} | 0 | {one.seconds:.1f} | - | - | {one.pss_mb:,.0f} | - | - | {one.other_cores:.1f} | - |"
    millions = one.rows / 1e6
    return (
        f"| {one.name} | {one.rows:,} | {one.seconds:.1f} | **{one.rate:,.0f}** | {quarters} | {one.pss_mb:,.0f} | "
        f"{one.cpu_seconds / millions:.1f} | {one.postgres_cpu_seconds / millions:.1f} | {one.other_cores:.1f} | "
        f"{one.possible_rate:,.0f} |"
    )


def main() -> None:
    """Measure, and write page and results."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=int, default=WHOLE_CASE_FILES // 20)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    passages = measure(given.files, given.rounds)
    PAGE.write_text(page(passages))
    RESULTS.write_text(json.dumps([asdict(one) for one in passages], indent=1) + "\n")
    print(page(passages))


if __name__ == "__main__":
    main()
