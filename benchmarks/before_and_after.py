"""Compare a live run and sensitivity on PostgreSQL with those of another checkout.

`python -m benchmarks.before_and_after FOLDER`: the other checkout is in FOLDER. Each has servers of its own. Who goes
first alternates. Judged by CPU seconds of the command, PostgreSQL and Kafka, which other work on the machine changes
little. Writes nothing. Exit code 1 if a median ratio is above the limit.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import typer

from benchmarks.cpu import Spent, spent

HERE = Path(__file__).parents[1]
HIGHEST_RATIO = 1.05
RUN, SENSITIVITY = "`angiogram run`", "`angiogram sensitivity`"
_COMMANDS = {RUN: ("run", "--json"), SENSITIVITY: ("sensitivity", "--json")}


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout with its servers.

    Attributes:
        folder: where it is.
        environment: its sandbox's environment.
        servers: ids of its servers.
        took: what each of its commands took.
    """

    folder: Path
    environment: dict[str, str]
    servers: list[int]
    took: dict[str, list[Spent]] = field(default_factory=lambda: {name: [] for name in _COMMANDS})

    def measure(self, name: str) -> Spent:
        """Run a command once."""
        program = str(self.folder / ".venv" / "bin" / "angiogram")
        return spent([program, *_COMMANDS[name]], self.folder, self.environment, self.servers)


@contextmanager
def standing(folder: Path, own: Path) -> Iterator[Checkout]:
    """Start a checkout's servers, and delete them at the end."""
    sandbox = str(folder / ".venv" / "bin" / "sandbox")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DBT_", "KAFKA_"))}
    environment |= {"SANDBOX_DIR": str(own / "servers"), "DBT_TARGET_PATH": str(own), "DBT_LOG_PATH": str(own)}
    before = set(psutil.pids())
    try:
        subprocess.run([sandbox, "up"], env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        lines = subprocess.run(  # noqa: S603
            [sandbox, "env"], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        shell = f"set -a; {lines}\nenv -0"
        found = subprocess.run(  # noqa: S603
            ["/bin/bash", "-c", shell], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        environment = dict(line.split("=", 1) for line in found.split("\0") if line)
        yield Checkout(folder, environment, _servers(own / "servers", before))
    finally:
        subprocess.run([sandbox, "down", "--delete"], env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _servers(folder: Path, before: set[int]) -> list[int]:
    """Ids of the new servers whose command lines name a folder, without their children."""
    found: dict[int, int] = {}
    for process in psutil.process_iter(["pid", "ppid", "cmdline"]):
        if process.pid not in before and str(folder) in " ".join(process.info["cmdline"] or ()):
            found[process.pid] = process.info["ppid"]
    return [pid for pid, parent in found.items() if parent not in found]


def main(
    other: Annotated[Path, typer.Argument(help="The other checkout, installed with `make install`.")],
    pairs: Annotated[int, typer.Option(min=1, help="Passages of each checkout.")] = 3,
    only: Annotated[str, typer.Option(help="run or sensitivity. Default: both.")] = "",
) -> None:
    """Measure both checkouts in turn, after a warm-up of the run."""
    names = [name for name in _COMMANDS if only in name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="before-and-after-")))
        ours = stack.enter_context(standing(HERE, folder / "ours"))
        theirs = stack.enter_context(standing(other.resolve(), folder / "theirs"))
        for name in names:
            for number in range(pairs + (name == RUN)):
                for checkout in (ours, theirs) if number % 2 else (theirs, ours):
                    one = checkout.measure(name)
                    if name != RUN or number:
                        checkout.took[name].append(one)
    typer.echo("| command | this checkout, CPU seconds | the other | ratio | by the clock |\n|---|---|---|---:|---:|")
    ratios = []
    for name in names:
        each, others = ours.took[name], theirs.took[name]
        ratios.append(median(one.cpu for one in each) / median(one.cpu for one in others))
        clock = median(one.seconds for one in each) / median(one.seconds for one in others)
        typer.echo(f"| {name} | {_listed(each)} | {_listed(others)} | {ratios[-1]:.3f} | {clock:.3f} |")
    if SENSITIVITY in names:
        for whose, checkout in (("This checkout", ours), ("The other", theirs)):
            score = json.loads(checkout.took[SENSITIVITY][-1].printed)
            typer.echo(f"{whose}: {score['seen']} of {score['mutants']} seen, {score['equivalent']} equivalent.")
    raise SystemExit(1 if max(ratios) > HIGHEST_RATIO else 0)


def _listed(each: list[Spent]) -> str:
    return ", ".join(f"{one.cpu:.1f}" for one in each)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
