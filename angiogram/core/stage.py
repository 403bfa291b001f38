"""What is known of one stage on its own, and how a report shows it.

The stages above it are not considered here.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from angiogram.core.diagnose import OutputState, StageHealth
from angiogram.core.differences import Comparison, Differences
from angiogram.core.findings import Finding, FindingKind
from angiogram.core.short_message import in_a_line
from angiogram.core.source_places import NOWHERE, SourcePlace
from angiogram.core.stage_id import SEED, StageId, as_json


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage on its own.

    Attributes:
        reads: the stages it reads.
        state: what its output looked like.
        differences: how its output differs from the expected output.
        rows: how many rows it produced; None if it produced none.
        seconds: how long it took.
        reason: in words, if it is not right; for a failure the whole message.
        hint: further places where the cause may lie, in sentences.
        tolerated: the configuration of its test equals_expected that tolerates its differences; None if none does.
        file: for a failure the file that caused it, relative to the dbt project; None if unknown.
        line: line number, from 1; None if unknown.
        kind: the kind of the finding if its output is wrong and the stage is blocked.
        is_test_wrong: whether it could not be compared because its test equals_expected is wrong.
    """

    reads: list[StageId]
    state: OutputState
    differences: Differences
    rows: int | None
    seconds: float
    reason: str | None = None
    tolerated: str | None = None
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    kind: FindingKind = FindingKind.OUTPUT
    is_test_wrong: bool = False

    @property
    def headline(self) -> str | None:
        """Return the reason in one line."""
        return in_a_line(self.reason) if self.reason else None

    @property
    def details(self) -> str | None:
        """Return the whole reason if it has more than one line."""
        reason = (self.reason or "").strip()
        return reason if "\n" in reason else None


_CONNECTION_LOST = re.compile(
    r"server closed the connection unexpectedly|terminating connection due to|connection (already|to server .*) closed"
    r"|could not receive data from server|could not connect to server|connection to server at .* failed"
    r"|the database system is (shutting down|starting up|in recovery)"
)
"""psycopg2's messages for a server that went away, which is not the fault of the current model."""


def unbuilt_stage(reads: list[StageId], seconds: float, message: str | None, place: SourcePlace = NOWHERE) -> Stage:
    """Return a stage whose build ended in an error.

    The stage failed, unless the connection was lost.
    """
    state = OutputState.UNKNOWN if was_connection_lost(message) else OutputState.FAILED
    return Stage(reads, state, Differences(), None, seconds, message, file=place.file, line=place.line)


def was_connection_lost(message: str | None) -> bool:
    """Return whether the error means that the server went away, which is not a stage's fault."""
    return message is not None and _CONNECTION_LOST.search(message) is not None


def all_above(stage: StageId, stages: Mapping[StageId, Stage]) -> list[StageId]:
    """Return all stages that a stage reads, directly or not, the nearest first."""
    found: dict[StageId, None] = {}
    ahead = deque([stage])
    while ahead:
        reader = stages.get(ahead.popleft())
        for above in reader.reads if reader else ():
            if above not in found:
                found[above] = None
                ahead.append(above)
    return list(found)


WITH_OUTPUT = (OutputState.RIGHT, OutputState.WRONG, OutputState.UNKNOWN, OutputState.NOT_WATCHED)
"""States of a stage that has output."""


def marked(rows: Sequence[Mapping[str, Any]], findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Mark stages that further findings name as blocked, and add missing ones.

    Args:
        rows: stage rows as `stage_row` returns them.
        findings: findings that are not about outputs.
    """
    marked_rows = {StageId.of(row): dict(row) for row in rows}
    for finding in findings:
        row = marked_rows.setdefault(finding.stage, _row_of_absent(finding.stage))
        texts = [text for text in (row["details"] or row["reason"], finding.text) if text]
        whole = "\n\n".join(texts)
        row |= {
            "verdict": StageHealth.BLOCKED.value,
            "reason": row["reason"] or finding.text.splitlines()[0],
            "details": whole if "\n" in whole else None,
        }
    return list(marked_rows.values())


def _row_of_absent(stage: StageId) -> dict[str, Any]:
    """Return the report row of a stage through which no dye passed."""
    return {
        **stage.as_json(),
        **{"reads": [], "rows_in": None, "rows_out": None, "differences": 0, "seconds": 0.0, "max_seconds": None},
        **{"verdict": StageHealth.NOT_REACHED.value, "reason": None, "details": None},
    }


def state_of(comparison: Comparison) -> OutputState:
    """Derive the state of a stage from the comparison of its output."""
    if comparison.rows is None:
        return OutputState.SKIPPED if comparison.obstacle is None else OutputState.FAILED
    if not comparison.is_watched:
        return OutputState.NOT_WATCHED
    if comparison.obstacle is not None:
        return OutputState.UNKNOWN
    return OutputState.WRONG if comparison.differences.count else OutputState.RIGHT


def stage_row(
    stage_id: StageId,
    stages: Mapping[StageId, Stage],
    health: StageHealth,
    max_seconds: float | None,
    rows_in: int | None = None,
) -> dict[str, Any]:
    """Return a stage as a report holds it.

    Args:
        stage_id: which stage.
        stages: all stages.
        health: health of this stage.
        max_seconds: how long it may take before the verdict warns; None: no limit.
        rows_in: how many rows it was given; None: what the stages it reads produced, without reference data.
    """
    stage = stages[stage_id]
    read = [stages[above].rows or 0 for above in stage.reads if above.kind != SEED]
    return {
        **stage_id.as_json(),
        "reads": as_json(stage.reads),
        "verdict": health.value,
        "rows_in": rows_in if rows_in is not None else sum(read) if read else None,
        "rows_out": stage.rows,
        "differences": stage.differences.count,
        "seconds": round(stage.seconds, 2),
        "max_seconds": max_seconds,
        "reason": stage.headline,
        "details": stage.details,
    }
