"""What of a random input the unmutated project can take: a row on which a model fails tells nothing of mutants."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")

TRIES = 64
"""Builds that are spent on one input; what they do not clear is left out."""


def harmless(
    items: Sequence[Item], strange: Callable[[Item], Any], builds: Callable[[Sequence[Item]], bool]
) -> list[Item]:
    """The items that can be had together, in their order; not always as many as possible.

    Halves are tried, and halves of what fails, each on top of what was found good: the largest first.

    Args:
        items: what cannot be built as a whole.
        strange: what items sort by, the least strange first, so that those that fail alike lie side by side.
        builds: whether the project can be built on some of the items.
    """
    order = sorted(range(len(items)), key=lambda place: strange(items[place]))
    waiting = deque(_halves(order))
    good: list[int] = []
    for _ in range(TRIES):
        if not waiting:
            break
        some = waiting.popleft()
        if builds([items[place] for place in sorted([*good, *some])]):
            good += some
        else:
            waiting += _halves(some)
    return [items[place] for place in sorted(good)]


def _halves(places: list[int]) -> list[list[int]]:
    middle = len(places) // 2
    return [places[:middle], places[middle:]] if middle else []
