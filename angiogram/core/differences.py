"""Differences between what a stage produced and what is expected, in one vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from angiogram.core.stage_id import StageId

KEPT = 200
"""Differences of one stage that the report keeps; the full count is always given."""

_UNFED = "no dye message: only the expected seed has this row"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between an output and the expected output.

    Attributes:
        difference: missing, unexpected, changed or multiplicity.
        row_key: the key of the row, by column; None where whole columns differ.
        column: the column that changed; None where whole rows differ.
        expected, actual: JSON text of the cell or row (for multiplicity the counts, for columns their types); None if
            that side has none.
    """

    difference: str
    row_key: dict[str, Any] | None
    column: str | None
    expected: str | None
    actual: str | None


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of one stage: the first ones, and the total count."""

    count: int = 0
    first: list[Difference] = field(default_factory=list)

    @classmethod
    def of(cls, found: list[Difference]) -> "Differences":
        """Keep the first KEPT differences."""
        return cls(len(found), found[:KEPT])


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of comparing one model.

    Attributes:
        rows: rows that the model produced; None if its table does not exist or its view cannot be read.
        differences: how the rows differ from the expected ones.
        obstacle: why the rows could not be compared; None if they were.
        tolerated: the configuration by which the test equals_expected tolerates these differences; None if it does not.
        is_watched: whether there is an expected output to compare with.
        is_test_wrong: whether the obstacle is the test equals_expected itself.
    """

    rows: int | None
    differences: Differences
    obstacle: str | None = None
    tolerated: str | None = None
    is_watched: bool = True
    is_test_wrong: bool = False


def fed_by(found: Mapping[str, Any], limit: int | None = None) -> str:
    """Describe which messages feed a row that differs, or return an empty text if unknown.

    Args:
        found: a difference from a report. Runs from before migration 0010 do not record whether a row is unfed.
        limit: how many messages are named; the rest are counted.
    """
    messages = list(found.get("messages", []))
    named = ", ".join(messages[:limit])
    if limit is not None and len(messages) > limit:
        named += f" and {len(messages) - limit} more"
    return named or (_UNFED if found.get("unfed") else "")


def of_stage(report: Mapping[str, Any], stage: StageId) -> Mapping[str, Any]:
    """Return the differences of a stage as a report holds them: count, and the first ones."""
    found = (one for one in report.get("differences", []) if StageId.of(one["stage"]) == stage)
    return next(found, {"count": 0, "first": []})
