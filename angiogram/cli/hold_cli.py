"""Keep the published marts unchanged while the latest verdict is blocked. Off by default."""

import json
from dataclasses import asdict

import typer
from rich.console import Console

from angiogram.cli.operations_cli import ReasonToMute, plain, worded
from angiogram.cli.options import AsJson
from angiogram.core.durations import utc
from angiogram.store import hold as holds
from angiogram.store import runs

hold = typer.Typer(
    name="hold",
    add_completion=False,
    help=__doc__,
    no_args_is_help=True,
)
_talk = Console(stderr=True, highlight=False, soft_wrap=True)


@hold.command("on")
def hold_on(reason: ReasonToMute) -> None:
    """Turn the hold on: a blocked verdict holds the marts.

    While the latest verdict is blocked, target prod leaves the published marts unchanged.
    """
    _turn(True, reason)


@hold.command("off")
def hold_off(reason: ReasonToMute) -> None:
    """Turn the hold off: the marts are built whatever the verdict."""
    _turn(False, reason)


@hold.command("status")
def hold_status(as_json: AsJson = False) -> None:
    """Show whether the hold is on, and whether the marts are held now.

    Exit code: 0 not held, 1 held, 2 error.
    """
    with runs.database("hold") as database:
        found = holds.state(database)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False, default=plain))
    elif found.made_at is None:
        typer.echo("The hold is off: no verdict holds the marts. It was never switched on.")
    else:
        meaning = "a blocked verdict holds the marts" if found.is_on else "no verdict holds the marts"
        typer.echo(
            f"The hold is switched {'on' if found.is_on else 'off'}: {meaning}. Since {utc(found.made_at)}, by "
            f"{found.made_by}: {found.reason}"
        )
        if found.held_because:
            typer.echo(f"The marts are held now: {found.held_because}.")
        else:
            typer.echo(f"The marts are not held now{': the latest verdict is not blocked' if found.is_on else ''}.")
    raise typer.Exit(int(found.held_because is not None))


def _turn(is_on: bool, reason: str) -> None:
    with runs.database("hold") as database:
        holds.turn(database, is_on, worded(reason))
    _talk.print(f"The hold is switched {'on' if is_on else 'off'}.")
