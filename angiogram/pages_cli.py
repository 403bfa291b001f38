"""What the command `angiogram` makes of runs for people and for CI: report, history."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from angiogram import runs
from angiogram.dye import has_dye, read_dye, read_malformed
from angiogram.pages.history import history as history_page
from angiogram.pages.junit import junit
from angiogram.pages.markdown import markdown
from angiogram.pages.page import Docs, page
from angiogram.pages.write import write
from angiogram.project_file import project_directory
from angiogram.stage_id import as_json as stages_as_json
from ingestion.addresses import without_user_info

DOCS_URL = "ANGIOGRAM_DOCS_URL"
"""Variable with the address of the dbt docs; without it a page links to site/dye.html beside it, if it is there."""

_DOCS_PAGE = "site/dye.html"


class Format(StrEnum):
    """What a report may be written as."""

    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    JSON = "json"


_Output = Annotated[Path | None, typer.Option(help="File to write; stdout by default.", dir_okay=False)]


def report(
    run_id: Annotated[str | None, typer.Argument(help="As `angiogram runs` lists it; without it the last.")] = None,
    written_as: Annotated[
        Format, typer.Option("--format", help="html: one page without network; junit: for CI; markdown: for a PR.")
    ] = Format.HTML,
    output: _Output = None,
) -> None:
    """Write the report on a run as a page for people, or for a CI or a pull request.

    Exit code: 0 written, whatever the verdict; 2 could not.
    """
    with runs.database("report") as database:
        run = runs.read_or_last(database, run_id)
    match written_as:
        case Format.HTML:
            text = run_page(run, output.parent if output else Path())
        case Format.MARKDOWN:
            text = markdown(run)
        case Format.JUNIT:
            text = junit(run)
        case Format.JSON:
            text = json.dumps(as_json(run), indent=2, ensure_ascii=False) + "\n"
    write(text, output)


def history(
    limit: Annotated[int, typer.Option(min=1, help="How many runs.")] = 100,
    output: _Output = None,
) -> None:
    """Write a page on the last runs: verdicts, seconds and rows over time.

    It links to the pages of runs that lie beside it as RUN_ID.html.
    """
    with runs.database("history") as database:
        found = runs.last(database, limit)
    folder = output.parent if output else Path()
    files = {run.run_id: f"{run.run_id}.html" for run in found}
    write(history_page(found, {i: file for i, file in files.items() if (folder / file).is_file()}), output)


def run_page(run: runs.Run, folder: Path | None, history: str | None = None) -> str:
    """A run's page.

    Args:
        run: with its report.
        folder: where the page will lie, for its link to the dbt docs; None if it is no file.
        history: address of the page on all runs, if there is one.
    """
    return page(run, whys(), _docs(folder), history)


def whys() -> dict[str, str]:
    """Of each dye message why it is there, by its name; nothing of a project that has other input seeds."""
    if not has_dye():
        return {}
    return {ride.ride_name: ride.why for ride in read_dye()} | {m.name: m.why for m in read_malformed()}


def as_json(run: runs.Run) -> dict[str, Any]:
    """The report as `angiogram run --json` gives it, and what the run was made with."""
    return {"run_id": run.run_id, "verdict": run.verdict, "blockage": stages_as_json(run.blockage or [])} | run.outcome


def _docs(folder: Path | None) -> Docs | None:
    beside = _DOCS_PAGE if folder and (folder / _DOCS_PAGE).is_file() else None
    address = without_user_info(os.environ.get(DOCS_URL, "")) or beside
    if address is None:
        return None
    settings = yaml.safe_load((project_directory() / "dbt_project.yml").read_text(encoding="utf-8"))
    return Docs(address, settings["name"])
