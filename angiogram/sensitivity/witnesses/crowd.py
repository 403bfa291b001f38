"""Crowds: random input on which survivors are run, and ways to add its items to the dye."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.bench.runner import Surroundings

INPUTS = 20_000
SLICE = 2_000
"""Inputs run at once. Few enough that a mutant that pairs all of them still ends in time."""

HANDFULS, HANDFUL = 6, 8
"""Number and size of small crowds.

Some mistakes show only if a batch brings a single input.
"""


@dataclass(frozen=True, slots=True)
class WayToAdd:
    """A way to add random input to the dye.

    Attributes:
        added: returns items as they would be added, given other items to be added as well.
        sound: whether to prefer items that do not break a check on the data that holds without them.
    """

    added: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    sound: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """Random input.

    Attributes:
        number: its number. Crowds with odd numbers have unusual surroundings.
        items: messages, or rows of input seeds.
        lay: returns tables that hold some of the items.
        time_zone: the time zone of the session that reads them.
        ways: the ways to add its items to the dye, the best first.
        strange: returns a sort key for what an item has and the dye does not. Constant if that is not known.
    """

    number: int
    items: Sequence[Any]
    lay: Callable[[Sequence[Any]], list[Table]]
    time_zone: str | None
    ways: Sequence[WayToAdd]
    strange: Callable[[Any], Any] = lambda item: 0

    def surroundings(self) -> Surroundings:
        """Return the crowd as surroundings in which mutants can be run."""
        return Surroundings("crowd", self.lay(self.items), self.time_zone, against_expected=False)
