"""What is known of one stage before the stages above it are looked at."""

from dataclasses import dataclass

from angiogram.compare import Comparison
from angiogram.diagnose import Finding
from angiogram.differences import Differences
from angiogram.in_a_line import in_a_line


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
        reason: in words, if it is not right; of a failure the whole message.
    """

    kind: str
    reads: list[str]
    finding: Finding
    differences: Differences
    rows: int | None
    seconds: float
    reason: str | None = None

    @property
    def headline(self) -> str | None:
        """The reason in one line."""
        return in_a_line(self.reason) if self.reason else None

    @property
    def details(self) -> str | None:
        """The whole reason, if it is more than one line."""
        reason = (self.reason or "").strip()
        return reason if "\n" in reason else None


def finding_of(comparison: Comparison) -> Finding:
    """What a comparison says of the stage that was compared."""
    if comparison.rows is None:
        return Finding.SKIPPED if comparison.obstacle is None else Finding.FAILED
    if comparison.obstacle is not None:
        return Finding.UNKNOWN
    return Finding.WRONG if comparison.differences.count else Finding.RIGHT
