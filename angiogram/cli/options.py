"""Options that several commands share, each declared once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ingestion.settings.pipeline import project_folder
from ingestion.settings.project_file import read_project_file

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputFile = Annotated[Path | None, typer.Option(help="File to write. Default: standard output.", dir_okay=False)]
DyeTarget = Annotated[
    str | None,
    typer.Option("--target", help="Dye target of the dbt profile. Default: the first of the variable dye_targets."),
]
RunId = Annotated[str | None, typer.Argument(help="Run ID (see `angiogram runs`). Default: latest.")]


def model_names(incomplete: str) -> Iterator[str]:
    """Return the models whose names begin so, for the shell: files, since dbt takes seconds."""
    folder = project_folder()
    places = read_project_file(folder).get("model-paths") or ["models"]
    names = {file.stem for place in places for file in (folder / place).rglob("*.sql")}
    return iter(sorted(name for name in names if name.startswith(incomplete)))
