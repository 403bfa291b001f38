"""Findings, which make a verdict red, and notices, which do not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from angiogram.core.stage_id import StageId


class FindingKind(StrEnum):
    """Why a verdict is blocked. docs/verdicts.md has a command that produces each kind."""

    OUTPUT = "output"
    """A stage turns right input into wrong output."""
    CHECKPOINT = "checkpoint"
    """Counts that must agree do not: something was lost, duplicated, or never ended."""
    BUILD = "build"
    """A model, seed or file is missing, disabled, does not parse or did not build."""
    SURFACE = "surface"
    """Readers of the live tables no longer find, or may no longer read, a relation or a column."""
    WATCH = "watch"
    """What the accepted surface or an expected seed says is compared is not, or no longer as strictly."""
    LIVE_SQL = "live_sql"
    """The live target runs different SQL from the dye's, and the difference is not listed as intended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a verdict is blocked.

    Attributes:
        kind: which of the reasons.
        stage: where.
        text: what happened and what to do, in words.
        file: the file to look at, relative to the dbt project; None if unknown.
        line: line number, from 1; None if unknown.
    """

    kind: FindingKind
    stage: StageId
    text: str
    file: str | None = None
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a report holds it."""
        return {
            "kind": self.kind.value,
            "stage": self.stage.as_json(),
            "text": self.text,
            "file": self.file,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a reader should know, without a red verdict or an alert.

    Attributes:
        code: the kind of notice, as a word that scripts may rely on.
        text: in words.
    """

    code: str
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the notice as a report holds it."""
        return {"code": self.code, "text": self.text}


MEANINGS = {
    FindingKind.OUTPUT: "Right input becomes wrong output",
    FindingKind.CHECKPOINT: "Counts that must agree do not",
    FindingKind.BUILD: "Something is missing or could not be built",
    FindingKind.SURFACE: "Readers of the live tables no longer find, or may no longer read, something",
    FindingKind.WATCH: "What should be compared is compared by nothing, or less strictly",
    FindingKind.LIVE_SQL: "Production runs SQL that the dye did not pass",
}
"""What each kind of finding means."""


def place(found: Mapping[str, Any]) -> str | None:
    """Return where to look for a finding of a report: file:line, file or None."""
    file, line = found.get("file"), found.get("line")
    return f"{file}:{line}" if file and line else file


def of_stage(report: Mapping[str, Any], stage: StageId) -> list[Mapping[str, Any]]:
    """Return a report's findings on one stage."""
    return [found for found in report.get("findings", []) if StageId.of(found["stage"]) == stage]


def blocked_stages(findings: Iterable[Finding]) -> list[StageId]:
    """Return the stages of the findings, each stage once, in the order of the findings."""
    return list(dict.fromkeys(finding.stage for finding in findings))


def as_json(found: Sequence[Finding] | Sequence[Notice]) -> list[dict[str, Any]]:
    """Return findings or notices as a report holds them."""
    return [one.as_json() for one in found]
