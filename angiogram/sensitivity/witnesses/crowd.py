"""Crowds: random input that survivors meet, and how its items may be added to the dye."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.bench.runner import Surroundings

INPUTS = 20_000
SLICE = 2_000
"""Inputs that are run at once: a mutant that pairs every one with every other still ends in time."""

HANDFULS, HANDFUL = 6, 8
"""Some mistakes show only where a batch brings one input and nothing else."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which random input may be added to the dye.

    Attributes:
        added: items as they would be added, given those that are to be added as well.
        sound: whether those are preferred that break no check on the data which holds without them.
    """

    added: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    sound: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """Random input.

    Attributes:
        number: which it is; those with odd numbers lie in unusual surroundings.
        items: messages, or rows of input seeds.
        lay: the tables that hold some of the items.
        time_zone: of the session that reads them.
        ways: in which its items may be added to the dye, the best first.
        strange: what an item has that the dye has not, in a form that sorts; the same of all where it is not known.
    """

    number: int
    items: Sequence[Any]
    lay: Callable[[Sequence[Any]], list[Table]]
    time_zone: str | None
    ways: Sequence[Way]
    strange: Callable[[Any], Any] = lambda item: 0

    def surroundings(self) -> Surroundings:
        """The crowd as something to run mutants on."""
        return Surroundings("crowd", self.lay(self.items), self.time_zone, against_expected=False)
