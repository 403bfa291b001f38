"""The report for people: stages, checkpoints, differences and their origin, the verdict."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from textwrap import indent
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from angiogram.core.differences import fed_by, of_stage
from angiogram.core.findings import place
from angiogram.core.stage_id import MODEL, StageId, from_json, listed
from angiogram.core.words import BLOCKED, HEALTHY
from angiogram.store.runs import Run

DIFFERENCES_PRINTED = 20
"""How many differences of one stage are printed. The full count is always given, and --json has more."""

_COLOURS = {
    "healthy": "green",
    "blocked": "bold red",
    "affected": "yellow",
    "tolerated": "yellow",
    "not_built": "dim",
    "not_reached": "dim",
    "not_compared": "magenta",
    "not_watched": "dim",
    "could_not_run": "magenta",
}


def console() -> Console:
    """Return stdout as a console as wide as the terminal, or 120 columns without one."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=120)


def render(report: Mapping[str, Any]) -> RenderableType:
    """Return the report on a run as `angiogram run` and `angiogram show` print it."""
    parts: list[RenderableType] = []
    if stages := report.get("stages"):
        parts += [_stages(stages), Text(), *map(checkpoint_line, report["checkpoints"]), Text()]
    parts += _findings(report)
    parts += [
        Text("! ", style="yellow").append(notice["text"], style="default") for notice in report.get("notices", [])
    ]
    parts.append(verdict_line(report))
    if other := report.get("against"):
        parts += [Text(), Text(f"Target {other['target']}:", style="bold"), render(other["report"]), Text()]
        parts += _across(other)
    return Group(*parts)


def _across(other: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What two targets made of the same input, where it differs."""
    for one in other["not_compared"]:
        yield Text(f"{StageId.of(one['stage'])} was not compared with target {other['target']}: {one['reason']}.")
    for found in other["differences"]:
        shown = found["first"][:DIFFERENCES_PRINTED]
        some = f", the first {len(shown)}" if len(shown) < found["count"] else ""
        yield Text(f"{StageId.of(found['stage'])}: {found['count']} cells or rows differ{some}:", style="bold")
        yield from cells(shown)
    count = sum(found["count"] for found in other["differences"])
    yield (
        Text(f"The two targets differ in {count} cells or rows.", style="bold red")
        if count
        else Text("All cells that both targets built are equal.", style="green")
    )


def all_differences(report: Mapping[str, Any], stage: StageId) -> str | None:
    """Return the command that prints all differences of a stage.

    None for a run that is kept nowhere.
    """
    return f"angiogram differences {report['run_id']} --stage {stage}" if report.get("kept", True) else None


def verdict_line(report: Mapping[str, Any]) -> Text:
    """Return the verdict in one line."""
    verdict = report.get("verdict") or "in hand"
    line = Text(verdict.replace("_", " ").upper(), style=_COLOURS.get(verdict, ""))
    if verdict == HEALTHY:
        line.append(f"  {healthy(report)}", style="default not bold")
    elif verdict == BLOCKED:
        line.append(f" at {listed(from_json(report['blockage']))}", style="default not bold")
    elif "error" in report:
        line.append(f": {report['error']}", style="default not bold")
    if verdict != HEALTHY and (chosen := selection(report)):
        line.append(f" · {chosen}", style="default not bold")
    line.append(f"  (run {report['run_id']}", style="dim not bold")
    if "seconds" in report:
        line.append(f", {report['seconds']:.1f} s", style="dim not bold")
    return line.append(")", style="dim not bold")


def healthy(report: Mapping[str, Any]) -> str:
    """Return what a healthy verdict is based on, in a line without empty parts."""
    compared = sum(
        StageId.of(stage).kind == MODEL and stage["verdict"] == "healthy" for stage in report.get("stages", [])
    )
    held = len(report.get("checkpoints", []))
    notices = len(report.get("notices", []))
    models = report.get("models", {})
    some = models.get("watched") != models.get("total")
    chosen = selection(report)
    apart = f", {models['left_out']} left out" if "left_out" in models else ""
    parts = [
        "1 model equals its expected seed" if compared == 1 else f"{compared} models equal their expected seeds",
        chosen,
        f"{models['watched']} of {models['total']} watched{apart}" if some else "",
        f"{models['worked_out']} worked out, {models['recorded']} recorded" if "recorded" in models else "",
        f"{held} checkpoint{'s hold' if held > 1 else ' holds'}" if held else "",
        f"{notices} notice{'s' if notices > 1 else ''}" if notices else "",
    ]
    return " · ".join(filter(None, parts))


def selection(report: Mapping[str, Any]) -> str:
    """Return what was selected, such as `2 of 6 models, selected by --select orders+`.

    Empty if nothing was, so that the run tested the whole project.
    """
    if (chosen := report.get("selection")) is None:
        return ""
    also = len(chosen["also_built"])
    more = f", {also} more built for {'them' if chosen['selected'] > 1 else 'it'}" if also else ""
    return f"{chosen['selected']} of {chosen['total']} models, selected by {chosen['by']}{more}"


def runs_table(found: list[Run]) -> Table:
    """Return a table of the latest runs, one per row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "started", "verdict", "blockage", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for run in found:
        verdict = run.verdict or ("in hand" if run.in_hand else "abandoned")
        took = "-" if run.seconds is None else f"{run.seconds:.1f}"
        table.add_row(
            run.run_id,
            f"{run.started_at:%Y-%m-%d %H:%M:%S%z}",
            Text(in_short(verdict.replace("_", " "), run.report), style=_COLOURS.get(verdict, "")),
            listed(run.blockage or []) or "-",
            took,
        )
    return table


def in_short(verdict: str, report: Mapping[str, Any]) -> str:
    """Return a verdict with how many models it covers, if they were selected."""
    chosen = report.get("selection")
    some = f" ({chosen['selected']} of {chosen['total']} models)" if chosen else ""
    return f"{verdict}{some}"


def _stages(stages: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stage", "rows in", "rows out", "verdict", "differences", "seconds"):
        table.add_column(name, justify="left" if name in ("stage", "verdict") else "right")
    for stage in stages:
        verdict = stage["verdict"]
        table.add_row(
            str(StageId.of(stage)),
            _count(stage["rows_in"]),
            _count(stage["rows_out"]),
            Text(verdict.replace("_", " "), style=_COLOURS[verdict]),
            str(stage["differences"] or "-"),
            f"{stage['seconds']:.2f}",
        )
    return table


def _count(rows: int | None) -> str:
    return "-" if rows is None else str(rows)


def counted(point: Mapping[str, Any]) -> str:
    """Return what a checkpoint counted, part by part, with "-" for what was not counted."""
    return " + ".join(f"{_count(rows)} {name.replace('_', ' ')}" for name, rows in point["counts"].items())


def checkpoint_line(point: Mapping[str, Any]) -> Text:
    """Return one checkpoint, and whether it holds."""
    mark, relation = ("✓", "=") if point["holds"] else ("✗", "≠")
    style = "green" if point["holds"] else "bold red"
    return Text(f"{mark} ", style=style).append(
        f"{point['name']}: {point['expected']} {relation} {counted(point)}", style="default not bold"
    )


def _findings(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield everything that is red or could not be compared.

    Each has its reason, the cells that differ, and the messages that feed them.
    """
    stages = {StageId.of(stage): stage for stage in report.get("stages", [])}
    told: set[StageId] = set()
    for finding in report.get("findings", []):
        name = StageId.of(finding["stage"])
        title = Text(f"{name}: ", style=_COLOURS["blocked"])
        title.append(finding["text"].strip(), style="default not bold")
        title.append(f"  [{finding['kind']}]", style="dim not bold")
        yield title
        if found_at := place(finding):
            yield Text(f"  {found_at}", style="dim")
        if name not in told and name in stages:
            yield from _evidence(stages[name], of_stage(report, name), all_differences(report, name))
        told.add(name)
        yield Text()
    for name, stage in stages.items():
        if name not in told and stage["verdict"] == "not_compared":
            title = Text(f"{name}: ", style=_COLOURS["not_compared"])
            yield title.append((stage["reason"] or "").strip(), style="default not bold")
            yield from _evidence(stage, of_stage(report, name), all_differences(report, name))
            yield Text()


def _evidence(
    stage: Mapping[str, Any], differences: Mapping[str, Any], command: str | None
) -> Iterator[RenderableType]:
    """Yield the whole message of a stage that failed, and its differences."""
    if details := stage.get("details"):
        yield Text(indent(details, "    "), style="dim")
    if differences["count"]:
        first, count = differences["first"][:DIFFERENCES_PRINTED], differences["count"]
        some = f"; the first {DIFFERENCES_PRINTED}:" if len(first) < count else ":"
        yield Text(f"  {count} difference{'s' if count > 1 else ''}{some}")
        yield from cells(first)
        if command and len(first) < count:
            yield Text(f"  all {count}: {command}", style="dim")


def cells(found: list[dict[str, Any]]) -> list[RenderableType]:
    """Return differences row by row, with the messages that feed them."""
    rows = groupby(found, key=lambda one: (one["difference"], str(one["row_key"])))
    return [line for _, of_row in rows for line in _row(list(of_row))]


def _row(cells: list[dict[str, Any]]) -> list[RenderableType]:
    first = cells[0]
    key = ", ".join(f"{column} {visible(json.dumps(cell))}" for column, cell in (first["row_key"] or {}).items())
    lines: list[RenderableType] = [
        Text(f"  {first['difference']}  ", style="bold").append(key, style="default not bold")
    ]
    for cell in cells:
        line = Text("      ")
        if cell["column"]:
            line.append(f"{cell['column']}: ")
        line.append("expected ").append(visible(cell["expected"]), style="green")
        line.append(" → actual ").append(visible(cell["actual"]), style="red")
        lines.append(line)
    if fed := fed_by(first):
        lines.append(Text(f"      fed by {fed}", style="dim"))
    return lines


def visible(cell: str | None) -> str:
    """Return a cell as JSON text, so that different values never look alike.

    Blanks at its ends and invisible characters are marked. "" is an empty string, null a null, 5 a number and "5" a
    text.
    """
    if cell is None:
        return "nothing"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cell)
