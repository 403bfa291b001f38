"""Finds, starts, stops and waits for server processes.

Each is found by its command line and started in a session of its own. No pid is stored in a file, so none can be stale:
a server of a sandbox is the process whose command line names that sandbox's folder.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sandbox.errors import ServerRefused

START_SECONDS = 300.0
"""Deadline for a server to be ready: many times what it takes, even on a laptop at its limits."""

STOP_SECONDS = 20.0
"""Grace period between the polite signal and SIGKILL."""

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}  # nothing of the caller's: no secrets, no locale
_POLL_SECONDS = 0.05
_LOG_TAIL_BYTES = 4_000


def find(program: str, arguments: Sequence[str]) -> psutil.Process | None:
    """Return the running process of a program with these consecutive arguments."""
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
    """Return when the process was started, in UTC."""
    return datetime.fromtimestamp(process.create_time(), UTC)


def run(command: list[str]) -> None:
    """Run a program that prepares a server's data, to its end.

    Raises:
        ServerRefused: it failed.
    """
    # The command is the sandbox's own: programs and folders, nothing from outside.
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_ENVIRONMENT)  # noqa: S603
    if done.returncode:
        raise ServerRefused(
            f"`{' '.join(command)}` failed with code {done.returncode}: {done.stdout}{done.stderr}".strip()
        )


def start(
    name: str,
    command: list[str],
    log: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] = _ENVIRONMENT,
) -> None:
    """Start a server and wait until it is ready.

    The server is killed if it is not ready in time, or at Ctrl-C before it is.

    Args:
        name: its name in messages.
        command: its program, as a path, and arguments.
        log: takes its output; that of the previous start is kept beside it, with the suffix `.before`.
        ready: whether it answers its clients, called repeatedly.
        environment: its environment; nothing of the caller's if not given.

    Raises:
        ServerRefused: it ended, or was not ready in time.
    """
    if log.exists():
        log.replace(log.with_suffix(".log.before"))
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # the caller's Ctrl-C must not reach it
    )
    try:
        _await_ready(name, pid, log, ready)
    except BaseException:
        if psutil.pid_exists(pid):
            stop(psutil.Process(pid), signal.SIGKILL)
        raise


def _await_ready(name: str, pid: int, log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            raise ServerRefused(f"{name} ended with code {code} while it started. {log_tail(log)}")
        if time.monotonic() > deadline:
            raise ServerRefused(f"{name} was not ready after {START_SECONDS:.0f} s. {log_tail(log)}")
        time.sleep(_POLL_SECONDS)


def stop(process: psutil.Process, polite: signal.Signals) -> None:
    """Stop a process by the polite signal, and wait for it and its children.

    Those left after STOP_SECONDS are killed.
    """
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(polite)
    except psutil.NoSuchProcess:
        return
    _end(family)


def _end(family: list[psutil.Process]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    killed = False
    while alive := [process for process in family if not _ended(process)]:
        if time.monotonic() > deadline and not killed:
            for process in alive:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            killed = True
        time.sleep(_POLL_SECONDS)


def _ended(process: psutil.Process) -> bool:
    try:
        if not process.is_running():
            return True
        if process.status() != psutil.STATUS_ZOMBIE:
            return False
        process.wait(0)  # reaps it, if it is a child of this process
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):  # gone, or another process must reap it
        return True
    return True


def end_all_in(folder: Path) -> None:
    """Wait until no process works in the folder, and kill those left after STOP_SECONDS."""
    here = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                here.append(process)
        except psutil.Error:  # ended meanwhile, or another user's
            continue
    _end(here)


def log_tail(log: Path) -> str:
    """Return the end of a log, introduced by its path, for an error's message."""
    try:
        text = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except FileNotFoundError:
        text = ""
    return f"The end of {log}:\n{text or '(it is empty)'}"
