"""Reduces random input to what the unmutated project accepts or what shows a mistake."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")

TRIES = 64
"""Limit of builds for one input. Items not yet found harmless by then are left out."""


def harmless(
    items: Sequence[Item], strange: Callable[[Item], Any], builds: Callable[[Sequence[Item]], bool]
) -> list[Item]:
    """Return items on which the project can be built together, in their order.

    They are not always as many as possible. Halves are tried, and halves of what fails, each together with what was
    found good. The largest part comes first.

    Args:
        items: the items on which the project cannot be built as a whole.
        strange: the sort key of items, the least strange first, so that items that fail alike are neighbours.
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
    """Reduce items as far as the effect stays, by delta debugging.

    Args:
        items: the items, which have the effect as a whole.
        tells: whether some of the items have the effect.
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
