"""Random sequences of runs, edits and accidents: `make torture`. Updates docs/torture.md.

Each run must report what it would report on a database without any earlier run; otherwise the exit code is 1.
"""

import random
import sys
import time
from typing import Annotated

import typer
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from benchmarks.parts_of_pages import write_part
from benchmarks.servers import servers
from benchmarks.torture import PAGE
from tests.angiogram.sequences import EDITS, Sequences, tally

STEPS = 12
"""Number of steps in a sequence."""

EACH = 4
"""Number of sequences for each seed; the first is Hypothesis's simplest one."""


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long sequences are begun.")] = 20.0,
    first_seed: Annotated[int, typer.Option("--seed", help="Of the first sequence; each has the next number.")] = 0,
    write: Annotated[bool, typer.Option(help="Write its part of the page.")] = True,
) -> None:
    """Play random sequences until the time is over.

    Exit code 1 if a run's report was affected by what an earlier one left behind.
    """
    number = first_seed or random.SystemRandom().randrange(1_000_000)
    began, deadline = time.monotonic(), time.monotonic() + 60 * minutes
    found: list[str] = []
    last = number
    with servers("sequences"):
        while time.monotonic() < deadline:
            try:
                _play(last)
            except Exception as error:  # the sequence is in the error's notes, and the others continue
                steps = "\n".join(getattr(error, "__notes__", []))
                print(f"seed {last}: {type(error).__name__}: {error}\n{steps}", file=sys.stderr, flush=True)
                found.append(str(last))
            last += 1
    table = _table(number, last - 1, time.monotonic() - began, found)
    print(table)
    if write:
        write_part(PAGE, "sequences", table)
    raise typer.Exit(1 if found else 0)


def _play(number: int) -> None:
    """Play the sequences of a seed."""
    decided = settings(
        **{"max_examples": EACH, "stateful_step_count": STEPS, "deadline": None, "database": None},
        **{"phases": [Phase.generate], "suppress_health_check": list(HealthCheck)},
    )
    run_state_machine_as_test(seed(number)(type("Sequence", (Sequences,), {})), settings=decided)  # type: ignore[no-untyped-call]


def _table(first: int, last: int, seconds: float, found: list[str]) -> str:
    steps = {name: count for name, count in sorted(tally.items()) if name != "sequences"}
    return "\n".join(
        (
            f"Seeds {first} to {last}, up to {STEPS} steps each, {len(EDITS)} edits to choose from, {seconds:.0f} s.",
            "",
            f"| sequences | {' | '.join(steps)} | answered by what another left |",
            f"|{'---:|' * (len(steps) + 2)}",
            f"| {tally['sequences']} | {' | '.join(map(str, steps.values()))} | {', '.join(found) or 0} |",
        )
    )


if __name__ == "__main__":
    typer.run(main)
