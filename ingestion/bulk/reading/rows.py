"""Which rows of a file to load: all, those after an earlier end, or those that were lost."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowRange:
    """Ranges of row numbers, sorted and disjoint.

    Attributes:
        ranges: from (inclusive) and to (exclusive; None: to the end).
    """

    ranges: tuple[tuple[int, int | None], ...]

    def of(self, first_row: int, count: int) -> Iterator[tuple[int, int]]:
        """The wanted ones among some rows: from and to, counted from the first of these rows."""
        for start, end in self.ranges:
            low = max(start - first_row, 0)
            high = count if end is None else min(end - first_row, count)
            if low < high:
                yield low, high

    def __contains__(self, row: int) -> bool:
        return any(start <= row and (end is None or row < end) for start, end in self.ranges)


ALL_ROWS = RowRange(((0, None),))
"""Every row."""
