"""What a difference is: between what a stage made and what is expected of it, in one vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT = 200
"""Differences of one stage that the report keeps; the full count is always given."""

_UNFED = "no dye ride: only the expected seed has this row"


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


def fed_by(found: Mapping[str, Any], limit: int | None = None) -> str:
    """What feeds a row that differs, in words; empty if nobody knows.

    Args:
        found: a difference of a report. One of a run before migration 0010 does not tell whether a row is unfed.
        limit: rides that are named; the others are counted.
    """
    rides = list(found.get("rides", []))
    named = ", ".join(rides[:limit])
    if limit is not None and len(rides) > limit:
        named += f" and {len(rides) - limit} more"
    return named or (_UNFED if found.get("unfed") else "")
