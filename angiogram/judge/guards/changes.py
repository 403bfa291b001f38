"""Differences between the accepted surface and the surface of this run.

A difference is a finding (it makes the verdict red), a notice, or only something for `accept` to record.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from angiogram.core.findings import Finding, FindingKind, Notice
from angiogram.core.stage_id import MODEL, StageId


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        text: what changed, in words; the first line is a complete summary.
        stage: where; None if it concerns several stages.
        kind: kind of the finding; None if the difference is not red.
        code: code of the notice; None if it is not a notice.
        column: the output column that changed, or the column order; whatever reads the stage may show the change too.
        advice: what to do; None: accept the difference if it is intended.
        file: the file to look at, relative to the project's folder; None if unknown.
        line: line number, from 1; None if unknown.
    """

    text: str
    stage: StageId | None = None
    kind: FindingKind | None = None
    code: str | None = None
    column: str | None = None
    advice: str | None = None
    file: str | None = None
    line: int | None = None

    def finding(self) -> Finding | None:
        """Return the difference as a finding, or None if it is not red."""
        if self.kind is None or self.stage is None:
            return None
        of_model = f" {self.stage.name}" if self.stage.kind == MODEL else ""
        advice = self.advice or f"If it is intended: angiogram accept{of_model}"
        text = f"{self.text}{chr(10) if chr(10) in self.text else ' '}{advice}"
        return Finding(self.kind, self.stage, text, self.file, self.line)

    def notice(self) -> Notice | None:
        """Return the difference as a notice, or None if it is not one."""
        return Notice(self.code, self.text) if self.code and self.kind is None else None


def as_told(changes: Iterable[Change]) -> tuple[list[Finding], list[Notice]]:
    """Return the findings and the notices among the changes."""
    every = list(changes)
    findings = [found for change in every if (found := change.finding())]
    return findings, [told for change in every if (told := change.notice())]
