"""Options that several commands share, each declared once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from angiogram.dbt.selection.criteria import Criteria
from ingestion.settings.pipeline import project_folder
from ingestion.settings.project_file import read_project_file

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputFile = Annotated[Path | None, typer.Option(help="File to write. Default: standard output.", dir_okay=False)]
DyeTarget = Annotated[
    str | None,
    typer.Option("--target", help="Dye target of the dbt profile. Default: the first of the variable dye_targets."),
]
RunId = Annotated[str | None, typer.Argument(help="Run ID (see `angiogram runs`). Default: latest.")]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select", "-s", help="Only these models, in dbt's grammar: `orders+`, `tag:nightly`, `state:modified+`."
    ),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="Not these models, in dbt's grammar.")]
Selector = Annotated[str | None, typer.Option("--selector", help="Only what this selector of selectors.yml means.")]
ComparedState = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="DIR", help="Folder with the manifest.json that `state:` compares with.", file_okay=False
    ),
]


def criteria(select: list[str] | None, exclude: list[str] | None, selector: str | None, state: Path | None) -> Criteria:
    """Return what a person selected.

    As on dbt's command line, one value may hold several words.

    Raises:
        typer.BadParameter: the options do not go together.
    """
    chosen, without = ([word for value in values or () for word in value.split()] for values in (select, exclude))
    if selector and chosen:
        raise typer.BadParameter("dbt takes either --select or --selector.", param_hint="--selector")
    if state and not (chosen or without or selector):
        raise typer.BadParameter("Name what to compare with it: add --select state:modified+.", param_hint="--state")
    return Criteria(tuple(chosen), tuple(without), selector, state)


def model_names(incomplete: str) -> Iterator[str]:
    """Return the models whose names begin so, for the shell: files, since dbt takes seconds."""
    folder = project_folder()
    places = read_project_file(folder).get("model-paths") or ["models"]
    names = {file.stem for place in places for file in (folder / place).rglob("*.sql")}
    return iter(sorted(name for name in names if name.startswith(incomplete)))
