"""Commands of the project, each in a process of its own that does not import dbt again.

A fork server, that of Python's multiprocessing, imports once what the commands import, and lets dbt parse its own
macros once. A command is a fork of it with its own environment, folder, output and signals, which saves more than half
of what a run costs. A test of how a command starts, or is interrupted, starts it as a shell does.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["tests.warm_commands"])


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    stdout: str
    stderr: str


def run(
    function: str,
    arguments: Sequence[str | Path] = (),
    *,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
    seconds: float = 600,
) -> Done:
    """Run a function that is a program, such as the `main` of a command line, to its end.

    Args:
        function: as `module:name`.
        arguments: of the program, without its name.
        environment: all of it; by default that of the test.
        folder: where it runs; by default where the test does.
        seconds: after which it is killed, and TimeoutError raised.
    """
    with tempfile.TemporaryDirectory(prefix="command-") as output:
        stdout, stderr = Path(output, "stdout"), Path(output, "stderr")
        for file in (stdout, stderr):
            file.touch()
        given = (function, [str(argument) for argument in arguments], dict(environment or os.environ))
        process = SERVER.Process(target=_run, args=(*given, folder or Path.cwd(), stdout, stderr))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{function} {arguments} took over {seconds} s: {stderr.read_text()}")
        return Done(process.exitcode, stdout.read_text(), stderr.read_text())


def _run(
    function: str, arguments: list[str], environment: dict[str, str], folder: Path, stdout: Path, stderr: Path
) -> None:
    """Become the program."""
    for stream, file in ((1, stdout), (2, stderr)):
        opened = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, stream)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module, _, name = function.partition(":")
    sys.argv = [module.partition(".")[0], *arguments]
    getattr(import_module(module), name)()
