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
    """A length of time; the longest one for all."""
    return timedelta.max if text.strip() == "all" else duration(text)


def live(
    since: Annotated[
        timedelta,
        typer.Option(
            parser=parsed(_how_far),
            metavar="TIME",
            help="How far back messages are counted row by row: 90m, 26h, 2d; `all` for everything.",
        ),
    ] = "1d",  # type: ignore[assignment]  # typer hands the default to the parser too
    as_json: AsJson = False,
) -> None:
    """Check that nothing was lost of the live messages, from the end of the topic to the facts.

    End offsets = loaded offsets = messages + gaps + empty offsets (those that hold no message) since a moment; all that
    was ever loaded is kept, unless a command took it away (retention, prune); no unverified dye waits for a release.
    Also what the live models account for, so not while they are built. Exit code: 0 all holds, 1 something was lost or
    is not loaded, 2 could not look.
    """
    found = check_live(None if since == timedelta.max else since)
    if as_json:
        typer.echo(json.dumps(found.report(), indent=2, ensure_ascii=False))
    else:
        for point in found.checkpoints:
            report.console().print(report.checkpoint_line(point.report()))
        for partition in found.partitions:
            report.console().print(Text(f"  {partition}"))
    raise typer.Exit(int(not found.holds))
