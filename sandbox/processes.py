"""Server processes: found by their command line, started in a session of their own, stopped, waited for.

No pid is kept in a file, so none can be stale: a server of a sandbox is the process whose command line names that
sandbox's folder.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sandbox.errors import ServerRefused

START_SECONDS = 60.0
"""Deadline for a server to be ready: many times what it takes on a busy laptop."""

STOP_SECONDS = 20.0
"""Grace between the polite signal and SIGKILL."""

_POLL_SECONDS = 0.05
_LOG_TAIL_BYTES = 4_000


@dataclass(frozen=True)
class Launch:
    """How to start a server."""

    name: str
    command: Sequence[str]
    log: Path
    """Takes the server's output; that of the start before is kept beside it, with the suffix `.before`."""


def find(program: str, arguments: Sequence[str]) -> psutil.Process | None:
    """The running process of a program whose command line holds the arguments, one after the other."""
    wanted = list(arguments)
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:  # ended meanwhile, or another user's
            continue
        if (
            line
            and Path(line[0]).name == program
            and any(line[i : i + len(wanted)] == wanted for i in range(1, len(line)))
        ):
            return process
    return None


def started_at(process: psutil.Process) -> datetime:
    """When the process was started, UTC."""
    return datetime.fromtimestamp(process.create_time(), UTC)


def start(launch: Launch, ready: Callable[[], bool]) -> None:
    """Start a server and wait until it is ready. One that is not ready in time, or Ctrl-C before it is, stops it.

    Raises:
        ServerRefused: it ended, or was not ready in time.
    """
    if launch.log.exists():
        launch.log.replace(launch.log.with_suffix(".log.before"))
    pid = os.posix_spawn(
        launch.command[0],
        launch.command,
        {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},  # none of the caller's secrets, locale or PG variables
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # the caller's Ctrl-C must not reach it
    )
    try:
        _await_ready(launch, pid, ready)
    except BaseException:
        if psutil.pid_exists(pid):
            stop(psutil.Process(pid), signal.SIGKILL)
        raise


def _await_ready(launch: Launch, pid: int, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            raise ServerRefused(f"{launch.name} ended with code {code} while it started. {log_tail(launch.log)}")
        if time.monotonic() > deadline:
            raise ServerRefused(f"{launch.name} was not ready after {START_SECONDS:.0f} s. {log_tail(launch.log)}")
        time.sleep(_POLL_SECONDS)


def stop(process: psutil.Process, polite: signal.Signals) -> None:
    """Stop a process and what it started: by the polite signal, after STOP_SECONDS by SIGKILL. Returns when all ended."""
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(polite)
    except psutil.NoSuchProcess:
        return
    _end(family)


def _end(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for survivor in alive:
        try:
            survivor.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive)


def end_all_in(folder: Path) -> None:
    """Wait until no process works in the folder; those that are there after STOP_SECONDS are killed."""
    here = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                here.append(process)
        except psutil.Error:  # ended meanwhile, or another user's
            continue
    _end(here)


def log_tail(log: Path) -> str:
    """The end of a log, introduced by its path, for an error's message."""
    try:
        text = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except FileNotFoundError:
        text = ""
    return f"The end of {log}:\n{text or '(it is empty)'}"
