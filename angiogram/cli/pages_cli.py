"""The commands that write runs as pages, for people and for CI: report and history."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from angiogram.cli.options import OutputFile, RunId
from angiogram.core.stage_id import as_json as stages_as_json
from angiogram.report.pages.history import history as history_page
from angiogram.report.pages.junit import junit
from angiogram.report.pages.markdown import markdown
from angiogram.report.pages.run_page import run_page
from angiogram.report.pages.write import write
from angiogram.store import records, runs


class ReportFormat(StrEnum):
    """The formats of a report."""

    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    JSON = "json"


def report(
    run_id: RunId = None,
    written_as: Annotated[
        ReportFormat,
        typer.Option("--format", help="html: a self-contained page. junit: for CI. markdown: for a pull request."),
    ] = ReportFormat.HTML,
    output: OutputFile = None,
) -> None:
    """Write the report on a run as a page for people, or for a CI or a pull request.

    Exit code: 0 written, whatever the verdict; 2 error.
    """
    run = records.read_or_last("report", run_id)
    match written_as:
        case ReportFormat.HTML:
            text = run_page(run, output.parent if output else Path())
        case ReportFormat.MARKDOWN:
            text = markdown(run)
        case ReportFormat.JUNIT:
            text = junit(run)
        case ReportFormat.JSON:
            text = json.dumps(as_json(run), indent=2, ensure_ascii=False) + "\n"
    write(text, output)


def history(
    limit: Annotated[int, typer.Option(min=1, help="Number of runs.")] = 100,
    output: OutputFile = None,
) -> None:
    """Write a page on the latest runs: verdicts, seconds and rows over time.

    It links to the pages of runs that are beside it as RUN_ID.html.
    """
    found = records.last("history", limit)
    folder = output.parent if output else Path()
    files = {run.run_id: f"{run.run_id}.html" for run in found}
    write(history_page(found, {i: file for i, file in files.items() if (folder / file).is_file()}), output)


def as_json(run: runs.Run) -> dict[str, Any]:
    """Return the report as `angiogram run --json` prints it, with the versions of the run."""
    return {"run_id": run.run_id, "verdict": run.verdict, "blockage": stages_as_json(run.blockage or [])} | run.report
