"""The command `angiogram live`."""

import json
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from angiogram.cli.operations_cli import parsed
from angiogram.cli.options import AsJson
from angiogram.core.durations import duration
from angiogram.operate.live import check_live
from angiogram.report import report

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def _how_far(text: str) -> timedelta:
    """Parse how far back to count. `all` is the longest duration."""
    return timedelta.max if text.strip() == "all" else duration(text)


def live(
    since: Annotated[
        timedelta,
        typer.Option(
            parser=parsed(_how_far),
            metavar="TIME",
            help="How far back to count messages row by row: 90m, 26h, 2d, or `all`.",
        ),
    ] = "1d",  # type: ignore[assignment]  # typer hands the default to the parser too
    as_json: AsJson = False,
) -> None:
    """Check that no live message was lost between the topic and the facts.

    Checks that end offsets = loaded offsets = messages + gaps + empty offsets (those that hold no message) since the
    given time; that everything ever loaded is still there, unless a command deleted it (retention, prune); and that no
    unverified dye waits for a release. Also compares the live models with raw and with each other, so do not run it
    while they are built. Exit code: 0 all checks hold, 1 something was lost or is not loaded, 2 could not check.
    """
    found = check_live(None if since == timedelta.max else since)
    if as_json:
        typer.echo(json.dumps(found.report(), indent=2, ensure_ascii=False))
    else:
        for point in found.checkpoints:
            report.console().print(report.checkpoint_line(point.report()))
        for partition in (*found.partitions, *found.notices):
            report.console().print(Text(f"  {partition}"))
    raise typer.Exit(int(not found.holds))
