"""What a page shows of a run, taken from its report. The templates only lay it out."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from angiogram.core.differences import fed_by, of_stage
from angiogram.core.findings import MEANINGS, FindingKind, place
from angiogram.core.stage_id import StageId, as_json, from_json, loader_stage
from angiogram.core.words import STEPS
from angiogram.report import headline
from angiogram.report.pages.cells import Cell, cell, pair, printable, row
from angiogram.report.report import all_differences
from angiogram.store.runs import Run

DIFFERENCES_SHOWN = 200
"""How many differences of one stage a page shows. The full count is always given."""

MESSAGES_SHOWN = 5
"""How many messages a row names. The others appear on a click."""

VERDICT_WORDS = {
    "healthy": ("✓", "healthy", "what comes out is as expected"),
    "blocked": ("✗", "blocked", "its output is wrong although all that it reads is right: look here first"),
    "affected": ("!", "affected", "wrong because something upstream is wrong"),
    "tolerated": ("~", "tolerated", "it differs, and its test equals_expected is configured to tolerate that"),
    "not_built": ("○", "not built", "something that it reads could not be built"),
    "not_reached": ("○", "not reached", "the dye did not get here"),
    "not_compared": ("?", "not compared", "something came out, but it could not be compared"),
    "not_watched": ("·", "not watched", "no expected seed says what its output should be"),
}
"""Sign, name and meaning of each verdict on a stage."""


@dataclass(frozen=True, slots=True)
class CellDifference:
    """A column of a row, both sides."""

    column: str
    expected: Cell
    actual: Cell


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row that differs.

    Attributes:
        difference: missing, unexpected, changed or multiplicity.
        key: the row's key, by column.
        cells: both sides, if both have the row.
        content: the row itself, if only one side has it.
        messages: names of the dye messages that feed it.
        unfed: whether none does, because only the expected seed has it.
    """

    difference: str
    key: list[tuple[str, Cell]]
    cells: list[CellDifference]
    content: list[tuple[str, Cell]]
    messages: list[str]
    unfed: bool

    def fed_by(self, limit: int | None = None) -> str:
        """Return what feeds it, in words, or an empty text if unknown.

        Args:
            limit: how many messages are named; the rest are counted.
        """
        return fed_by({"messages": self.messages, "unfed": self.unfed}, limit)


@dataclass(frozen=True, slots=True)
class StageView:
    """A stage with its differences.

    Attributes:
        id: the stage; its text is also its anchor on the page.
        verdict: healthy, blocked, affected, tolerated, not_built, not_reached, not_compared or not_watched.
        reason: why it is not right, in a line.
        details: the message that the reason is taken from, if it has more lines.
        rows: the rows that differ, as many as are shown.
        differences: total count.
        shown: how many of them are shown.
        all_differences: the command that prints them all; None if the run is not recorded.
        note: what its rows out are, where they are not all of one kind.
    """

    id: StageId
    reads: list[StageId]
    verdict: str
    rows_in: int | None
    rows_out: int | None
    differences: int
    seconds: float
    max_seconds: float | None
    reason: str | None
    details: str | None
    rows: list[RowDifference] = field(default_factory=list)
    shown: int = 0
    all_differences: str | None = None
    note: str | None = None

    @property
    def sign(self) -> str:
        """Return a sign for the verdict, so that colour is not the only clue."""
        return VERDICT_WORDS[self.verdict][0]

    @property
    def verdict_name(self) -> str:
        """Return the verdict as it is shown."""
        return VERDICT_WORDS[self.verdict][1]

    @property
    def meaning(self) -> str:
        """Return what the verdict means."""
        return VERDICT_WORDS[self.verdict][2]

    @property
    def messages(self) -> list[str]:
        """Return all messages that feed the rows shown, in order of their first row."""
        return list(dict.fromkeys(message for shown in self.rows for message in shown.messages))

    @property
    def name(self) -> str:
        """Return the stage as it is shown."""
        return str(self.id)

    @property
    def kind(self) -> str:
        """Return the stage's kind."""
        return self.id.kind


@dataclass(frozen=True, slots=True)
class FindingView:
    """One reason why a verdict is blocked.

    Attributes:
        kind: output, checkpoint, build, surface, watch or live_sql.
        meaning: what that kind means.
        stage: where, as it is shown.
        text: what happened and what to do.
        place: the file to look at, with its line; None if unknown.
        is_shown: whether the stage is one that the dye passes, with a section of its own.
    """

    kind: str
    meaning: str
    stage: StageId
    text: str
    place: str | None
    is_shown: bool


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, ready for the templates."""

    run: Run
    verdict: str
    title: str
    explanation: str
    example: str | None
    stages: list[StageView]
    findings: list[FindingView]
    notices: list[str]
    checkpoints: list[dict[str, Any]]
    steps: list[tuple[str, float]]
    versions: dict[str, str | None]
    seconds: float | None

    @property
    def dead_letters(self) -> int:
        """Return the number of dye messages that the loader kept as dead letters, as it must."""
        return _loaded(self.checkpoints).get("dead_letters") or 0

    @property
    def verdicts(self) -> dict[str, int]:
        """Return how many stages have each verdict."""
        return Counter(stage.verdict for stage in self.stages)

    @property
    def blocked(self) -> list[StageView]:
        """Return the blocked stages."""
        return [stage for stage in self.stages if stage.verdict == "blocked"]


def view(run: Run) -> RunView:
    """Take from a run's report what pages show. A run without a verdict has little of it."""
    report: dict[str, Any] = {
        "run_id": run.run_id,
        **run.report,
        "verdict": run.verdict,
        "blockage": as_json(run.blockage or []),
    }
    example = headline.example(report)
    stages = [stage_view(stage, report) for stage in report.get("stages", [])]
    return RunView(
        run=run,
        verdict=run.verdict or "in_hand",
        title=headline.title(report),
        explanation=printable(headline.explanation(report)),
        example=printable(example) if example else None,
        stages=stages,
        findings=[_finding(found, {stage.id for stage in stages}) for found in report.get("findings", [])],
        notices=[printable(notice["text"]) for notice in report.get("notices", [])],
        checkpoints=report.get("checkpoints", []),
        steps=_in_order(report.get("seconds_by_step", {})),
        versions=report.get("versions", {}),
        seconds=run.seconds,
    )


def _finding(found: Mapping[str, Any], shown: Collection[StageId]) -> FindingView:
    stage = StageId.of(found["stage"])
    where = place(found)
    return FindingView(
        kind=found["kind"],
        meaning=MEANINGS[FindingKind(found["kind"])],
        stage=stage,
        text=printable(found["text"].strip()),
        place=printable(where) if where else None,
        is_shown=stage in shown,
    )


def _in_order(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Sort steps into their order, which the database does not keep."""
    names = sorted(seconds, key=lambda name: STEPS.index(name) if name in STEPS else len(STEPS))
    return [(name.replace("_", " "), seconds[name]) for name in names]


def stage_view(stage: Mapping[str, Any], report: Mapping[str, Any]) -> StageView:
    """Return one stage of a run's report with its differences."""
    stage_id = StageId.of(stage)
    first = of_stage(report, stage_id)["first"][:DIFFERENCES_SHOWN]
    reason = stage.get("reason")
    return StageView(
        id=stage_id,
        reads=from_json(stage.get("reads")),
        verdict=stage["verdict"],
        rows_in=stage["rows_in"],
        rows_out=stage["rows_out"],
        differences=stage["differences"],
        seconds=stage["seconds"],
        max_seconds=stage.get("max_seconds"),
        reason=printable(str(reason).strip()) if reason else None,
        details=printable(details) if (details := stage.get("details")) else None,
        rows=[_row(list(cells)) for _, cells in groupby(first, key=lambda d: (d["difference"], str(d["row_key"])))],
        shown=len(first),
        all_differences=all_differences(report, stage_id),
        note=_note(stage_id, report),
    )


def _note(stage: StageId, report: Mapping[str, Any]) -> str | None:
    """Explain the loader's row count.

    The models do not read dead letters, which would otherwise look like a loss.
    """
    counts = _loaded(report.get("checkpoints", []))
    if stage != loader_stage() or not counts.get("dead_letters"):
        return None
    letters = counts["dead_letters"]
    return f"{counts['loaded']} for the models, {letters} dead letter{'' if letters == 1 else 's'}"


def _loaded(checkpoints: list[dict[str, Any]]) -> Mapping[str, int]:
    """Return how many messages were loaded and became dead letters, if both were counted."""
    both = {"loaded", "dead_letters"}
    counts: Mapping[str, int] = next((point["counts"] for point in checkpoints if point["counts"].keys() == both), {})
    return {} if None in counts.values() else counts


def _row(found: list[Mapping[str, Any]]) -> RowDifference:
    first = found[0]
    key = [(column, cell(_json(value))) for column, value in (first["row_key"] or {}).items()]
    whole_row = first["difference"] in ("missing", "unexpected") and first["column"] is None
    return RowDifference(
        difference=first["difference"],
        key=key,
        cells=[]
        if whole_row
        else [CellDifference(d["column"] or "rows", *pair(d["expected"], d["actual"])) for d in found],
        content=row(first["expected"] or first["actual"]) if whole_row else [],
        messages=first.get("messages", []),
        unfed=first.get("unfed", False),
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
