"""Random input made smaller: to what the unmutated project can take, and to the fewest items that show a mistake."""

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


def fewest(items: Sequence[Item], tells: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Items that still tell and cannot lose one more (delta debugging).

    Args:
        items: what tells as a whole.
        tells: whether some of them do.
    """
    left, parts = list(items), 2
    while len(left) > 1:
        size = -(-len(left) // parts)
        rests = (left[:at] + left[at + size :] for at in range(0, len(left), size))
        chunks = (left[at : at + size] for at in range(0, len(left), size)) if parts == 2 else iter(())
        if fewer := next((some for some in (*chunks, *rests) if some and tells(some)), None):
            left, parts = fewer, 2 if len(fewer) <= size else max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(parts * 2, len(left))
    return left


def _halves(places: list[int]) -> list[list[int]]:
    middle = len(places) // 2
    return [places[:middle], places[middle:]] if middle else []
