"""A run as test cases, one per stage and checkpoint: for pytest, and as JUnit XML for CI."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree  # only writes

from angiogram.core.stage_id import CHECKPOINT
from angiogram.report.pages.cells import printable
from angiogram.report.pages.markdown import lines_of
from angiogram.report.pages.view import FindingView, StageView
from angiogram.report.pages.view import view as view_of
from angiogram.report.report import selection
from angiogram.store.runs import Run

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

DIFFERENCES_LISTED = 20
"""How many rows of one stage are listed. The full count is always given."""


@dataclass(frozen=True, slots=True)
class Case:
    """A test case.

    Attributes:
        kind, name: of the stage or checkpoint.
        seconds: how long it took.
        outcome: failure, error or skipped. None: it passed.
        verdict: why, as the report calls it.
        summary: why, in a line.
        text: why, in full. None: the summary says it all.
    """

    kind: str
    name: str
    seconds: float
    outcome: str | None = None
    verdict: str = ""
    summary: str = ""
    text: str | None = None


def cases(run: Run) -> Iterator[Case]:
    """Yield the test cases of a run.

    Each finding is a failure of its stage's case, or of a case of its own. Affected stages are failures too, those not
    built, reached or watched are skipped, those not compared are errors. A run without a verdict is one error.
    """
    view = view_of(run)
    for stage in view.stages:
        yield _stage(stage, [found for found in view.findings if found.stage == stage.id])
    counted = {point["name"] for point in view.checkpoints}
    for found in view.findings:
        if not found.is_shown and not (found.stage.kind == CHECKPOINT and found.stage.name in counted):
            yield Case(found.stage.kind, str(found.stage), 0.0, "failure", "blocked", found.text, _line(found))
    for point in view.checkpoints:
        if point["holds"]:
            yield Case("checkpoint", point["name"], 0.0)
        else:
            counts = ", ".join(f"{name} {count}" for name, count in point["counts"].items())
            why = f"expected {point['expected']}, found {counts}"
            yield Case("checkpoint", point["name"], 0.0, "failure", "blocked", why)
    if view.verdict not in ("healthy", "blocked"):
        yield Case("run", "verdict", 0.0, "error", view.verdict, view.explanation)


def junit(run: Run) -> str:
    """Return the run as JUnit XML. Notices are the suite's output."""
    view = view_of(run)
    chosen = f" ({selection(run.report)})" if run.is_selected else ""
    name = _clean(f"angiogram {run.run_id}{chosen}")
    suite = ElementTree.Element("testsuite", name=name, timestamp=run.started_at.isoformat())
    for case in cases(run):
        _add(suite, case)
    written = list(suite)
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(kind) is not None for case in written)))
    suite.set("tests", str(len(written)))
    if view.notices:
        ElementTree.SubElement(suite, "system-out").text = _clean("\n".join(map("notice: {}".format, view.notices)))
    suite.set("time", f"{view.seconds or 0:.3f}")
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _stage(stage: StageView, findings: Sequence[FindingView]) -> Case:
    summary = findings[0].text if findings else stage.reason or f"{stage.differences} differences"
    outcome, verdict, text = None, stage.verdict, None
    if stage.verdict in ("blocked", "affected") or findings:
        words = [f"{stage.verdict_name}: {stage.meaning}", *(map(_line, findings) if findings else [summary])]
        words += [stage.details] if stage.details else []
        words += [line for row in stage.rows[:DIFFERENCES_LISTED] for line in lines_of(row)]
        outcome, verdict, text = "failure", "blocked" if findings else stage.verdict, "\n".join(words)
    elif stage.verdict in ("not_built", "not_reached", "not_watched"):
        outcome, summary = "skipped", stage.meaning
    elif stage.verdict == "not_compared":
        outcome, text = "error", stage.details
    return Case(stage.kind, stage.name, stage.seconds, outcome, verdict, summary, text)


def _line(found: FindingView) -> str:
    """Return a finding in a line: where, which kind, what, and the file to look at."""
    return f"{found.stage}, {found.kind}: {found.text}" + (f" ({found.place})" if found.place else "")


def _add(suite: ElementTree.Element, case: Case) -> None:
    element = ElementTree.SubElement(
        suite, "testcase", classname=f"angiogram.{case.kind}", name=_clean(case.name), time=f"{case.seconds:.3f}"
    )
    if case.outcome is not None:
        attributes = {"message": _clean(case.summary)}
        attributes |= {} if case.outcome == "skipped" else {"type": case.verdict}
        ElementTree.SubElement(element, case.outcome, attributes).text = _clean(case.text) if case.text else None


def _clean(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("�", printable(text))
