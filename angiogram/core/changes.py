"""A difference between the accepted surface and the one of this run: red, a notice, or nothing but news for accept."""

from collections.abc import Iterable
from dataclasses import dataclass

from angiogram.core.findings import Finding, FindingKind, Notice
from angiogram.core.stage_id import StageId


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        text: what changed, in words; the first line says it all.
        stage: where; None if it concerns several.
        kind: of the finding that it is; None if it is not red.
        code: of the notice that it is; None if it is none.
        column: the column of the output, or their order, that it is about; what reads the stage may show it too.
        advice: what to do; None: accept it, if it is meant.
        file: the file to look at, below the project's folder; None if unknown.
        line: its line, from 1; None if unknown.
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
        """As a finding; None if it is not red."""
        if self.kind is None or self.stage is None:
            return None
        advice = self.advice or f"If it is meant: angiogram accept {self.stage.name}"
        text = f"{self.text}{chr(10) if chr(10) in self.text else ' '}{advice}"
        return Finding(self.kind, self.stage, text, self.file, self.line)

    def notice(self) -> Notice | None:
        """As a notice; None if it is none."""
        return Notice(self.code, self.text) if self.code and self.kind is None else None


def as_told(changes: Iterable[Change]) -> tuple[list[Finding], list[Notice]]:
    """The findings and the notices among changes."""
    every = list(changes)
    findings = [found for change in every if (found := change.finding())]
    return findings, [told for change in every if (told := change.notice())]
