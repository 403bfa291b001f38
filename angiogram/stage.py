"""What is known of one stage before the stages above it are looked at."""

from dataclasses import dataclass

from angiogram.compare import Comparison
from angiogram.diagnose import Finding
from angiogram.differences import Differences


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage taken by itself.

    Attributes:
        kind: way, reference, model, or expected (an expected seed, named only if it is stale).
        reads: the stages it reads.
        finding: what its output looked like.
        differences: how it differs from what is expected.
        rows: what came out of it; None if nothing did.
        seconds: how long it took.
        reason: in words, if it is not right.
    """

    kind: str
    reads: list[str]
    finding: Finding
    differences: Differences
    rows: int | None
    seconds: float
    reason: str | None = None


def finding_of(comparison: Comparison) -> Finding:
    """What a comparison says of the stage that was compared."""
    if comparison.rows is None:
        return Finding.SKIPPED if comparison.obstacle is None else Finding.FAILED
    if comparison.obstacle is not None:
        return Finding.UNKNOWN
    return Finding.WRONG if comparison.differences.count else Finding.RIGHT
