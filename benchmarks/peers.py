"""The peers: other tools that load a topic into PostgreSQL.

Each has an environment of its own under .bench/.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.debezium import debezium
from benchmarks.measure import Contender
from benchmarks.servers import HOME

_SCRIPTS = Path(__file__).with_name("peer_scripts")

Installer = Callable[[int], list[Contender]]


class NotInstalled(Exception):
    """A peer cannot be installed here; the message says why."""


def installed_peers(count: int, say: Callable[[str], None]) -> tuple[list[Contender], dict[str, str]]:
    """Install the peers that are missing.

    Returns:
        Those that can run, and the reason why each of the others cannot, by name.
    """
    found: list[Contender] = []
    absent: dict[str, str] = {}
    for name, install in {"Debezium JDBC sink": _debezium, "Quix Streams": _quix, "dlt": _dlt}.items():
        try:
            found += install(count)
        except NotInstalled as problem:
            say(f"{name} takes no part: {problem}")
            absent[name] = str(problem)
    return found, absent


def _debezium(count: int) -> list[Contender]:
    try:
        return debezium(count, HOME / "debezium")
    except (OSError, RuntimeError) as problem:  # what jgo and the network raise if Maven Central cannot be reached
        raise NotInstalled(f"its jars could not be fetched: {problem}") from problem


def _quix(count: int) -> list[Contender]:
    python = _environment("quix", "quixstreams[postgresql]==3.28.1")
    default = Contender(
        "Quix Streams, default",
        "3.28.1, PostgreSQLSink",
        [str(python), str(_SCRIPTS / "quix.py"), "default"],
        "bench.rides",
        "bench_rides",
        count,
        ends=False,
    )
    tuned = "commit_every 20000, fetch.queue.backoff.ms 5, buffer 50000, no metadata"
    return [
        default,
        replace(default, name="Quix Streams, tuned", settings=tuned, command=[*default.command[:-1], "tuned"]),
    ]


def _dlt(count: int) -> list[Contender]:
    python = _environment("dlt", "dlt[postgres]==1.31.0", "pyarrow", "orjson", "confluent-kafka==2.16.0")
    default = Contender(
        "dlt, default",
        "1.31.0, lists of dicts",
        [str(python), str(_SCRIPTS / "dlt_load.py"), "default"],
        "bench_dlt.rides",
        "bench_rides",
        count,
        environment={"RUNTIME__DLTHUB_TELEMETRY": "false"},
    )
    arrow = replace(
        default,
        name="dlt, Arrow and CSV",
        settings="1.31.0, yields pyarrow tables, loader_file_format csv",
        command=[*default.command[:-1], "arrow"],
    )
    return [default, arrow]


def _environment(name: str, *packages: str) -> Path:
    """The interpreter of a virtual environment with exactly these packages.

    It is created if necessary.
    """
    python = HOME / name / "bin" / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(HOME / name)],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)  # noqa: S603
        if done.returncode:
            raise NotInstalled(f"`{' '.join(command[1:3])} ...` failed: {done.stderr.strip()[-300:]}")
    return python
