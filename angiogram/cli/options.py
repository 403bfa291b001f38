"""Options that several commands share, each declared once."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputFile = Annotated[Path | None, typer.Option(help="File to write. Default: standard output.", dir_okay=False)]
DyeTarget = Annotated[
    str | None,
    typer.Option("--target", help="Dye target of the dbt profile. Default: the first of the variable dye_targets."),
]
RunId = Annotated[str | None, typer.Argument(help="Run ID (see `angiogram runs`). Default: latest.")]
