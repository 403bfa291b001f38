"""A run as Markdown, for the comment on a pull request: the verdict, one table of differences, the stages."""

import re
from collections.abc import Iterator

from angiogram.headline import MESSAGES_NAMED
from angiogram.pages.cells import printable
from angiogram.pages.view import RowDifference, RunView, StageView
from angiogram.pages.view import view as view_of
from angiogram.report import counted
from angiogram.runs import Run
from angiogram.versions import short_commit

ROWS_LISTED = 10
"""Rows of one stage that are listed; the full count is always given."""

LENGTH = 400
"""Characters of one cell that are listed."""

_SIGNIFICANT = re.compile(r"[!#$&()*+:<=>@\[\\\]^_`{|}~]|^-|\.(?=[^\W\d])")  # the point: www.example would be a link
_SIGNS = {"healthy": "✅", "blocked": "❌", "could_not_run": "⚠️", "in_hand": "⏳"}


def markdown(run: Run) -> str:
    """The run as Markdown. What comes from the pipeline is written so that none of it counts as Markdown or HTML."""
    view = view_of(run)
    return "\n".join(_lines(view)) + "\n"


def _lines(view: RunView) -> Iterator[str]:
    yield f"## {_SIGNS[view.verdict]} Angiogram: {_inert(view.title)}"
    yield ""
    if view.example:
        yield _inert(view.example)
        yield ""
    yield _inert(view.explanation)
    if view.findings:
        yield ""
    for found in view.findings:
        where = f" ({_inert(found.place)})" if found.place else ""
        yield f"- **{_inert(str(found.stage))}**, {_inert(found.kind)}: {_inert(found.text)}{where}"
    for notice in view.notices:
        yield ""
        yield f"⚠️ {_inert(notice)}"
    for stage in view.blocked:
        yield from _stage(stage)
    if view.stages:
        yield from _overview(view)
    took = f", {view.seconds:.1f} s" if view.seconds is not None else ""
    commit = view.versions.get("code_commit")
    yield ""
    yield f"<sub>run {_inert(view.run.run_id)}{took}{', code ' + _inert(short_commit(commit)) if commit else ''}</sub>"


def _stage(stage: StageView) -> Iterator[str]:
    yield ""
    yield f"### {_inert(stage.name)}"
    yield ""
    if stage.reason:
        yield f"{_inert(stage.reason)}"
        yield ""
    if stage.details:
        yield "<details><summary>The whole message</summary>"
        yield ""
        yield "<pre>"
        yield from map(_without_signs, stage.details.splitlines())
        yield "</pre>"
        yield "</details>"
        yield ""
    if not stage.rows:
        return
    rows = stage.rows[:ROWS_LISTED]
    listed = sum(len(row.cells) or 1 for row in rows)
    rest = f" (all: {_inert(stage.all_differences)})" if stage.all_differences else ""
    yield f"{stage.differences} differences" + (f", the first {listed}{rest}:" if listed < stage.differences else ":")
    yield ""
    yield "| difference | row | column | expected | actual | fed by |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        key = ", ".join(f"{column} {cell.plain}" for column, cell in row.key) or "the whole table"
        fed = row.fed_by(MESSAGES_NAMED)
        sides = [(found.column, found.expected.plain, found.actual.plain) for found in row.cells]
        if not sides:
            content = ", ".join(f"{column} {cell.plain}" for column, cell in row.content)
            sides = [("", content, "nothing") if row.difference == "missing" else ("", "nothing", content)]
        for side in sides:
            yield f"| {' | '.join(_inert(text[:LENGTH]) for text in (row.difference, key, *side, fed))} |"


def _overview(view: RunView) -> Iterator[str]:
    yield ""
    yield "<details><summary>All stages and checkpoints</summary>"
    yield ""
    yield "| stage | verdict | rows in | rows out | differences | seconds |"
    yield "|---|---|---:|---:|---:|---:|"
    for stage in view.stages:
        rows_in, rows_out = ("-" if rows is None else str(rows) for rows in (stage.rows_in, stage.rows_out))
        yield (
            f"| {_inert(stage.name)} | {stage.sign} {stage.verdict_name} | {rows_in} | {rows_out}"
            f" | {stage.differences or '-'} | {stage.seconds:.2f} |"
        )
    yield ""
    for point in view.checkpoints:
        mark, relation = ("✓", "=") if point["holds"] else ("✗", "≠")
        yield f"- {mark} {_inert(point['name'])}: {point['expected']} {relation} {counted(point)}"
    yield ""
    yield "</details>"


def lines_of(row: RowDifference) -> Iterator[str]:
    """A row that differs as plain lines of text."""
    key = ", ".join(f"{column} {cell.plain}" for column, cell in row.key)
    yield f"{row.difference} {key}".rstrip()
    for found in row.cells:
        yield f"    {found.column}: expected {found.expected.plain}, actual {found.actual.plain}"
    if row.content:
        yield "    " + ", ".join(f"{column} {cell.plain}" for column, cell in row.content)
    if fed := row.fed_by():
        yield f"    fed by {fed}"


def _inert(text: str) -> str:
    """Text on one line in which nothing is Markdown, HTML or a mention."""
    return _without_signs(" ".join(printable(text).split()))


def _without_signs(text: str) -> str:
    return _SIGNIFICANT.sub(lambda found: f"&#{ord(found[0])};", text)
