"""The command `ingestion offsets repair`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ingestion.upkeep import offsets

app = typer.Typer(no_args_is_help=True, help="The offsets up to which each partition is loaded.")


@app.callback()
def group() -> None:
    """Keep `repair` a command of its own; typer would merge a single one with its group."""


@app.command()
def repair(
    accept_loss: Annotated[
        bool, typer.Option(help="Report messages that were loaded and are not stored no more.")
    ] = False,
) -> None:
    """Set the offsets to what is stored, after they were truncated, set back or restored from another time.

    Counts all that was ever loaded. Prints one line of JSON for each partition: the offset as it was, the next one, and
    how many messages that were loaded are missing. Exit code: 0 nothing is missing, 1 something is, 2 could not.
    """
    found = offsets.repair(accept_loss)
    for partition in found:
        typer.echo(json.dumps(asdict(partition), default=str))
    raise typer.Exit(int(any(partition.missing for partition in found)))
