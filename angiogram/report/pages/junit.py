"""A run as JUnit XML, which every CI shows: one test case per stage and per checkpoint."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree  # only writes

from angiogram.core.stage_id import CHECKPOINT
from angiogram.report.pages.cells import printable
from angiogram.report.pages.markdown import lines_of
from angiogram.report.pages.view import FindingView, StageView
from angiogram.report.pages.view import view as view_of
from angiogram.store.runs import Run

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

DIFFERENCES_LISTED = 20
"""How many rows of one stage are listed. The full count is always given."""


def junit(run: Run) -> str:
    """Return the run as JUnit XML.

    Each finding is a failure of its stage's case, or of a case of its own. Notices are the suite's output. Affected
    stages are failures too, those not built, reached or watched are skipped, those not compared are errors. A run
    without a verdict is one error.
    """
    view = view_of(run)
    suite = ElementTree.Element("testsuite", name=f"angiogram {run.run_id}", timestamp=run.started_at.isoformat())
    for stage in view.stages:
        _stage(suite, stage, [found for found in view.findings if found.stage == stage.id])
    counted = {point["name"] for point in view.checkpoints}
    for found in view.findings:
        if not found.is_shown and not (found.stage.kind == CHECKPOINT and found.stage.name in counted):
            case = _case(suite, found.stage.kind, str(found.stage), 0.0)
            _told(case, "failure", "blocked", found.text, _line(found))
    for point in view.checkpoints:
        case = _case(suite, "checkpoint", point["name"], 0.0)
        if not point["holds"]:
            counts = ", ".join(f"{name} {count}" for name, count in point["counts"].items())
            _told(case, "failure", "blocked", f"expected {point['expected']}, found {counts}")
    if view.verdict not in ("healthy", "blocked"):
        _told(_case(suite, "run", "verdict", 0.0), "error", view.verdict, view.explanation)
    cases = list(suite)
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("tests", str(len(cases)))
    if view.notices:
        ElementTree.SubElement(suite, "system-out").text = _clean("\n".join(map("notice: {}".format, view.notices)))
    suite.set("time", f"{view.seconds or 0:.3f}")
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _stage(suite: ElementTree.Element, stage: StageView, findings: Sequence[FindingView]) -> None:
    case = _case(suite, stage.kind, stage.name, stage.seconds)
    summary = findings[0].text if findings else stage.reason or f"{stage.differences} differences"
    if stage.verdict in ("blocked", "affected") or findings:
        words = [f"{stage.verdict_name}: {stage.meaning}", *(map(_line, findings) if findings else [summary])]
        words += [stage.details] if stage.details else []
        words += [line for row in stage.rows[:DIFFERENCES_LISTED] for line in lines_of(row)]
        _told(case, "failure", "blocked" if findings else stage.verdict, summary, "\n".join(words))
    elif stage.verdict in ("not_built", "not_reached", "not_watched"):
        _told(case, "skipped", stage.verdict, stage.meaning)
    elif stage.verdict == "not_compared":
        _told(case, "error", stage.verdict, summary, stage.details)


def _line(found: FindingView) -> str:
    """Return a finding in a line: where, which kind, what, and the file to look at."""
    return f"{found.stage}, {found.kind}: {found.text}" + (f" ({found.place})" if found.place else "")


def _case(suite: ElementTree.Element, kind: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=f"angiogram.{kind}", name=_clean(name), time=f"{seconds:.3f}"
    )


def _told(case: ElementTree.Element, kind: str, verdict: str, summary: str, text: str | None = None) -> None:
    attributes = {"message": _clean(summary)} | ({} if kind == "skipped" else {"type": verdict})
    ElementTree.SubElement(case, kind, attributes).text = _clean(text) if text else None


def _clean(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("�", printable(text))
