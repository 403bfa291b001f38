"""Random sequences of steps: `make torture`. Updates docs/torture.md.

Of runs, edits and accidents, each run must report what it would report on a database without any earlier run. Of the
loader's commands and accidents, each must leave every offset and every message accounted for. Otherwise the exit code
is 1.
"""

import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

import typer
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from benchmarks.parts_of_pages import write_part
from benchmarks.servers import servers
from benchmarks.torture import PAGE
from tests.angiogram.sequences import EDITS, Sequences, tally
from tests.ingestion.sequences import LoaderSequences
from tests.ingestion.sequences import tally as loader_tally

EACH = 4
"""Number of sequences for each seed; the first is Hypothesis's simplest one."""


@dataclass(frozen=True)
class Game:
    """Sequences that can be played.

    Attributes:
        machine: the state machine.
        steps: number of steps in a sequence.
        tally: how often each step was played; the machine counts them.
        about: what a sequence can hold beside its steps, for the first line of the page.
        wrong: heading of the column with the seeds that failed.
    """

    machine: type[RuleBasedStateMachine]
    steps: int
    tally: Counter[str]
    about: str
    wrong: str


GAMES = {
    "sequences": Game(Sequences, 12, tally, f", {len(EDITS)} edits to choose from", "answered by what another left"),
    "loader-sequences": Game(LoaderSequences, 40, loader_tally, "", "lost or counted twice"),
}
"""The games, by their part of the page."""


def main(
    game: Annotated[str, typer.Argument(help=f"What is played: {' or '.join(GAMES)}.")] = "sequences",
    minutes: Annotated[float, typer.Option(min=0.1, help="How long sequences are begun.")] = 20.0,
    first_seed: Annotated[int, typer.Option("--seed", help="Of the first sequence; each has the next number.")] = 0,
    write: Annotated[bool, typer.Option(help="Write its part of the page.")] = True,
) -> None:
    """Play random sequences until the time is over.

    Exit code 1 if a promise did not hold.
    """
    if game not in GAMES:
        raise typer.BadParameter(f"There is no game {game}; there are {', '.join(GAMES)}.")
    played = GAMES[game]
    number = first_seed or random.SystemRandom().randrange(1_000_000)
    began, deadline = time.monotonic(), time.monotonic() + 60 * minutes
    found: list[str] = []
    last = number
    with servers(game):
        while time.monotonic() < deadline:
            try:
                _play(played, last)
            except Exception as error:  # the sequence is in the error's notes, and the others continue
                steps = "\n".join(getattr(error, "__notes__", []))
                print(f"seed {last}: {type(error).__name__}: {error}\n{steps}", file=sys.stderr, flush=True)
                found.append(str(last))
            last += 1
    table = _table(played, number, last - 1, time.monotonic() - began, found)
    print(table)
    if write:
        write_part(PAGE, game, table)
    raise typer.Exit(1 if found else 0)


def _play(game: Game, number: int) -> None:
    """Play the sequences of a seed."""
    decided = settings(
        max_examples=EACH,
        stateful_step_count=game.steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(type("Sequence", (game.machine,), {})), settings=decided)


def _table(game: Game, first: int, last: int, seconds: float, found: list[str]) -> str:
    steps = {name: count for name, count in sorted(game.tally.items()) if name != "sequences"}
    return "\n".join(
        (
            f"Seeds {first} to {last}, up to {game.steps} steps each{game.about}, {seconds:.0f} s.",
            "",
            f"| sequences | {' | '.join(steps)} | {game.wrong} |",
            f"|{'---:|' * (len(steps) + 2)}",
            f"| {game.tally['sequences']} | {' | '.join(map(str, steps.values()))} | {', '.join(found) or 0} |",
        )
    )


if __name__ == "__main__":
    typer.run(main)
