"""What a difference is: between what a stage made and what is expected of it, in one vocabulary."""

from dataclasses import dataclass, field
from typing import Any

KEPT = 200
"""Differences of one stage that the report keeps; the full count is always given."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between an output and what is expected of it.

    Attributes:
        difference: missing, unexpected, changed or multiplicity.
        row_key: the key of the row, by column; None where whole columns differ.
        column: the column that changed; None where whole rows differ.
        expected, actual: JSON text of the cell or row (of multiplicity the counts, of columns their types); None if
            there is none on that side.
    """

    difference: str
    row_key: dict[str, Any] | None
    column: str | None
    expected: str | None
    actual: str | None


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of one stage: the first ones, and how many there are in all."""

    count: int = 0
    first: list[Difference] = field(default_factory=list)

    @classmethod
    def of(cls, found: list[Difference]) -> "Differences":
        """Keep the first KEPT of all differences."""
        return cls(len(found), found[:KEPT])
