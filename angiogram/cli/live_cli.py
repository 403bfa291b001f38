"""What the command `angiogram` says of the live pipeline: its checkpoints, and the hold on its marts."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from angiogram.cli.operations_cli import Reason, parsed, plain, worded
from angiogram.cli.options import AsJson
from angiogram.core.durations import duration, utc
from angiogram.operate.live import check_live
from angiogram.report import report
from angiogram.store import hold as holds
from angiogram.store import runs

hold = typer.Typer(
    name="hold",
    help="Keep the published marts as they are while the last verdict is blocked. Off until turned on.",
    no_args_is_help=True,
)
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


@hold.command("on")
def hold_on(reason: Reason) -> None:
    """From now on a blocked verdict holds the marts: target prod leaves those that are published as they are."""
    _turn(True, reason)


@hold.command("off")
def hold_off(reason: Reason) -> None:
    """From now on the marts are built whatever the verdict."""
    _turn(False, reason)


@hold.command("status")
def hold_status(as_json: AsJson = False) -> None:
    """Show the switch, and whether the marts are held now. Exit code: 0 they are not held, 1 they are, 2 error."""
    with runs.database("hold") as database:
        found = holds.state(database)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False, default=plain))
    elif found.made_at is None:
        typer.echo("The hold is switched off: no verdict holds the marts. Nobody has switched it on yet.")
    else:
        meaning = "a blocked verdict holds the marts" if found.is_on else "no verdict holds the marts"
        typer.echo(
            f"The hold is switched {'on' if found.is_on else 'off'}: {meaning}. Since {utc(found.made_at)}, by "
            f"{found.made_by}: {found.reason}"
        )
        if found.held_because:
            typer.echo(f"Now the marts are held: {found.held_because}.")
        else:
            typer.echo(f"Now the marts are not held{': the last verdict is not blocked' if found.is_on else ''}.")
    raise typer.Exit(int(found.held_because is not None))


def _turn(is_on: bool, reason: str) -> None:
    with runs.database("hold") as database:
        holds.turn(database, is_on, worded(reason))
    _talk.print(f"The hold is switched {'on' if is_on else 'off'}.")
