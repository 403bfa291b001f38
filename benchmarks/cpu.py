"""CPU seconds of a command with all that it starts, and of the servers that work for it.

On a machine that others use, CPU seconds say more than the clock.
"""

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took.

    Attributes:
        seconds: by the clock.
        cpu: CPU seconds of the command, its children, and the servers.
        printed: what it printed.
    """

    seconds: float
    cpu: float
    printed: str


def spent(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, servers: Sequence[int] = ()
) -> Spent:
    """Run a command that must succeed.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        environment: its environment. None: this process's own.
        servers: ids of processes that work for it, whose children count too.
    """
    began, before = time.monotonic(), _of_children() + sum(map(_of_server, servers))
    done = subprocess.run(  # noqa: S603  # the project's own commands
        command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    cpu = _of_children() + sum(map(_of_server, servers)) - before
    return Spent(time.monotonic() - began, cpu, done.stdout)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _of_server(pid: int) -> float:
    """CPU seconds of a server, of its children that ended, and of those that live."""
    total = 0.0
    for process in (server := psutil.Process(pid), *server.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
