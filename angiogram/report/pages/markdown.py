"""A run as Markdown, for the comment on a pull request.

It has the verdict, one table of differences, and the stages. GitHub refuses a comment of more than 65,536 characters,
and text from the pipeline can grow to six times its length when it is escaped. So everything is measured after
escaping, and whatever does not fit is counted.
"""

import re
from collections.abc import Iterable, Iterator

from angiogram.report.headline import MESSAGES_NAMED
from angiogram.report.pages.cells import printable
from angiogram.report.pages.view import FindingView, RowDifference, RunView, StageView
from angiogram.report.pages.view import view as view_of
from angiogram.report.report import counted
from angiogram.store.runs import Run
from angiogram.store.versions import short_commit

ROOM = 59_000
"""Characters of the whole text, which leave room for the sentences on what was left out."""

ROWS_LISTED = 10
"""How many rows of one stage are listed. The full count is always given."""

LENGTH = 400
"""How many characters of one cell are listed."""

_SENTENCE = 2_000
_DETAILS = 5_000
_FINDINGS = 10_000
_NOTICES = 5_000
_OVERVIEW = 15_000

# The dot: www.example would be a link.
_SIGNIFICANT = re.compile(r"[!#$&()*+:<=>@\[\\\]^_`{|}~]|^-|\.(?=[^\W\d])", re.MULTILINE)
_CUT_OFF = re.compile(r"&[#\d]*$")
_SIGNS = {"healthy": "✅", "blocked": "❌", "could_not_run": "⚠️", "in_hand": "⏳"}


def markdown(run: Run) -> str:
    """Return the run as Markdown.

    Text from the pipeline is escaped so that none of it counts as Markdown or HTML.
    """
    view = view_of(run)
    head, overview, foot = list(_head(view)), list(_overview(view)), list(_foot(view))
    blocked = _blocked(view.blocked, ROOM - _size(head) - _size(overview) - _size(foot))
    return "\n".join([*head, *blocked, *overview, *foot]) + "\n"


def _head(view: RunView) -> Iterator[str]:
    yield f"## {_SIGNS[view.verdict]} Angiogram: {_inert(view.title, LENGTH)}"
    yield ""
    if view.example:
        yield _inert(view.example, _SENTENCE)
        yield ""
    yield _inert(view.explanation, _SENTENCE)
    if view.findings:
        yield ""
        yield from _what_fits(([_finding(found)] for found in view.findings), _FINDINGS, "findings")
    notices = [["", f"⚠️ {_inert(notice, _SENTENCE)}"] for notice in view.notices]
    yield from _what_fits(notices, _NOTICES, "notices")


def _finding(found: FindingView) -> str:
    where = f" ({_inert(found.place, LENGTH)})" if found.place else ""
    stage, kind = _inert(str(found.stage), LENGTH), _inert(found.kind, LENGTH)
    return f"- **{stage}**, {kind}: {_inert(found.text, _SENTENCE)}{where}"


def _foot(view: RunView) -> Iterator[str]:
    took = f", {view.seconds:.1f} s" if view.seconds is not None else ""
    commit = view.versions.get("code_commit")
    code = f", code {_inert(short_commit(commit), LENGTH)}" if commit else ""
    yield ""
    yield f"<sub>run {_inert(view.run.run_id, LENGTH)}{took}{code}</sub>"


def _blocked(stages: list[StageView], room: int) -> Iterator[str]:
    """Yield the blocked stages with their differences, as far as there is room."""
    for number, stage in enumerate(stages):
        lines = list(_stage(stage, room))
        if _size(lines) > room:
            yield ""
            yield f"{len(stages) - number} more blocked stages are left out: this text would be too long."
            return
        yield from lines
        room -= _size(lines)


def _stage(stage: StageView, room: int) -> Iterator[str]:
    head = list(_stage_head(stage))
    yield from head
    if not stage.rows:
        return
    room -= _size(head) + _SENTENCE
    tables: list[str] = []
    listed = 0
    for row in stage.rows[:ROWS_LISTED]:
        lines = list(_row(row))
        if _size(lines) > room:
            break
        tables += lines
        room -= _size(lines)
        listed += len(row.cells) or 1
    rest = f" (all: {_inert(stage.all_differences, LENGTH)})" if stage.all_differences else ""
    if not listed:
        yield f"{stage.differences} differences, too long to be listed here{rest}."
        return
    yield f"{stage.differences} differences" + (f", the first {listed}{rest}:" if listed < stage.differences else ":")
    yield ""
    yield "| difference | row | column | expected | actual | fed by |"
    yield "|---|---|---|---|---|---|"
    yield from tables


def _stage_head(stage: StageView) -> Iterator[str]:
    yield ""
    yield f"### {_inert(stage.name, LENGTH)}"
    yield ""
    if stage.reason:
        yield _inert(stage.reason, _SENTENCE)
        yield ""
    if stage.details:
        yield "<details><summary>The whole message</summary>"
        yield ""
        yield "<pre>"
        yield from _without_signs(stage.details, _DETAILS).splitlines()
        yield "</pre>"
        yield "</details>"
        yield ""


def _row(row: RowDifference) -> Iterator[str]:
    key = ", ".join(f"{column} {cell.plain}" for column, cell in row.key) or "the whole table"
    fed = row.fed_by(MESSAGES_NAMED)
    sides = [(found.column, found.expected.plain, found.actual.plain) for found in row.cells]
    if not sides:
        content = ", ".join(f"{column} {cell.plain}" for column, cell in row.content)
        sides = [("", content, "nothing") if row.difference == "missing" else ("", "nothing", content)]
    for side in sides:
        yield f"| {' | '.join(_inert(text, LENGTH) for text in (row.difference, key, *side, fed))} |"


def _overview(view: RunView) -> Iterator[str]:
    if not view.stages:
        return
    yield ""
    yield "<details><summary>All stages and checkpoints</summary>"
    yield ""
    yield "| stage | verdict | rows in | rows out | differences | seconds |"
    yield "|---|---|---:|---:|---:|---:|"
    yield from _what_fits(([_overview_row(stage)] for stage in view.stages), _OVERVIEW, "stages")
    yield ""
    for point in view.checkpoints:
        mark, relation = ("✓", "=") if point["holds"] else ("✗", "≠")
        yield f"- {mark} {_inert(point['name'], LENGTH)}: {point['expected']} {relation} {counted(point)}"
    yield ""
    yield "</details>"


def _overview_row(stage: StageView) -> str:
    rows_in, rows_out = ("-" if rows is None else str(rows) for rows in (stage.rows_in, stage.rows_out))
    return (
        f"| {_inert(stage.name, LENGTH)} | {stage.sign} {stage.verdict_name} | {rows_in} | {rows_out}"
        f" | {stage.differences or '-'} | {stage.seconds:.2f} |"
    )


def _what_fits(parts: Iterable[list[str]], room: int, what: str) -> Iterator[str]:
    """Yield the first parts that fit, and how many parts were left out."""
    parts = list(parts)
    for number, lines in enumerate(parts):
        if (room := room - _size(lines)) < 0:
            yield ""
            yield f"{len(parts) - number} more {what} are left out: this text would be too long."
            return
        yield from lines


def _size(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def lines_of(row: RowDifference) -> Iterator[str]:
    """Yield a row that differs as plain lines of text."""
    key = ", ".join(f"{column} {cell.plain}" for column, cell in row.key)
    yield f"{row.difference} {key}".rstrip()
    for found in row.cells:
        yield f"    {found.column}: expected {found.expected.plain}, actual {found.actual.plain}"
    if row.content:
        yield "    " + ", ".join(f"{column} {cell.plain}" for column, cell in row.content)
    if fed := row.fed_by():
        yield f"    fed by {fed}"


def _inert(text: str, most: int) -> str:
    """Return text on one line without Markdown, HTML or mentions, cut to a length once escaped."""
    return _without_signs(" ".join(printable(text).split()), most)


def _without_signs(text: str, most: int) -> str:
    escaped = _SIGNIFICANT.sub(lambda found: f"&#{ord(found[0])};", text[: most + 1])
    return escaped if len(escaped) <= most else _CUT_OFF.sub("", escaped[: most - 1]) + "…"
