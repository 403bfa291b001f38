"""What makes a verdict red, and what a reader of a healthy one should know all the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from angiogram.core.stage_id import StageId


class FindingKind(StrEnum):
    """Why a verdict is blocked. docs/verdicts.md has a command that produces each."""

    OUTPUT = "output"
    """A stage turns right input into wrong output."""
    CHECKPOINT = "checkpoint"
    """Counts that must agree do not: something was lost, doubled, or never ended."""
    BUILD = "build"
    """A model, seed or file is missing, disabled, does not parse or did not build."""
    SURFACE = "surface"
    """Readers of the live tables no longer find, or may no longer read, a relation or a column."""
    WATCH = "watch"
    """A model that the accepted surface compares is compared by nothing now."""
    LIVE_SQL = "live_sql"
    """The live target runs other SQL than the dye passed, and the difference is not listed as intended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a verdict is blocked.

    Attributes:
        kind: which of the reasons.
        stage: where.
        text: what happened and what to do, in words.
        file: the file to look at, below the dbt project; None if unknown.
        line: its line, from 1; None if unknown.
    """

    kind: FindingKind
    stage: StageId
    text: str
    file: str | None = None
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As a report has it."""
        return {
            "kind": self.kind.value,
            "stage": self.stage.as_json(),
            "text": self.text,
            "file": self.file,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reader should know; it makes no verdict red and raises no alert.

    Attributes:
        code: which kind of notice, as a word that scripts may rely on.
        text: in words.
    """

    code: str
    text: str

    def as_json(self) -> dict[str, str]:
        """As a report has it."""
        return {"code": self.code, "text": self.text}


MEANINGS = {
    FindingKind.OUTPUT: "Right input becomes wrong output",
    FindingKind.CHECKPOINT: "Counts that must agree do not",
    FindingKind.BUILD: "Something is missing or could not be built",
    FindingKind.SURFACE: "Readers of the live tables no longer find, or may no longer read, something",
    FindingKind.WATCH: "What was compared is compared by nothing now",
    FindingKind.LIVE_SQL: "Production runs SQL that the dye did not pass",
}
"""What each kind of finding means."""


def place(found: Mapping[str, Any]) -> str | None:
    """Where to look, of a finding as a report has it: file:line, or the file alone; None if unknown."""
    file, line = found.get("file"), found.get("line")
    return f"{file}:{line}" if file and line else file


def of_stage(report: Mapping[str, Any], stage: StageId) -> list[Mapping[str, Any]]:
    """The findings of a report on one stage."""
    return [found for found in report.get("findings", []) if StageId.of(found["stage"]) == stage]


def blocked_stages(findings: Iterable[Finding]) -> list[StageId]:
    """Where the findings are, each stage once, in their order."""
    return list(dict.fromkeys(finding.stage for finding in findings))


def as_json(found: Sequence[Finding] | Sequence[Notice]) -> list[dict[str, Any]]:
    """Findings or notices as a report has them."""
    return [one.as_json() for one in found]
