"""The command `ingestion offsets repair`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ingestion.upkeep import offsets

app = typer.Typer(no_args_is_help=True, help="The offset up to which each partition is loaded.")


@app.callback()
def group() -> None:
    """Keep `repair` a command of its own; typer would merge a single command with its group."""


@app.command()
def repair(
    accept_loss: Annotated[
        bool, typer.Option(help="Stop reporting messages that were loaded but are no longer stored.")
    ] = False,
) -> None:
    """Set the stored offsets to what is stored.

    Use it after the offsets were truncated, set back or restored from another time. It counts everything that was ever
    loaded. Prints one line of JSON for each partition: the old offset, the new one, and the number of loaded messages
    that are missing. Exit code: 0 nothing is missing, 1 something is missing, 2 could not run.
    """
    found = offsets.repair(accept_loss)
    for partition in found:
        typer.echo(json.dumps(asdict(partition), default=str))
    raise typer.Exit(int(any(partition.missing for partition in found)))
