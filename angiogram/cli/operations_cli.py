"""What operations need of the command `angiogram`: status, mute, acknowledge, doctor."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from angiogram.cli.options import AsJson
from angiogram.core.durations import duration, moment, utc
from angiogram.core.stage_id import as_json as stages_as_json
from angiogram.core.stage_id import listed
from angiogram.operate.doctor import Line, Mark, examine
from angiogram.operate.status import EXIT_CODES, metrics
from angiogram.operate.status import status as judge_status
from angiogram.store import mutes, runs

_MARKS = {Mark.OK: "✓", Mark.NOTE: "•", Mark.PROBLEM: "✗"}
_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser for an option: its ValueError becomes a usage error."""

    def parser(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parser


_Until = Annotated[
    datetime,
    typer.Option(
        parser=parsed(lambda text: moment(text, datetime.now(UTC))),
        metavar="TIME",
        help="ISO 8601 (2026-06-01T08:00Z), or from now: 4h, 2d.",
    ),
]
Reason = Annotated[str, typer.Option(help="Why, for those who wonder about the silence.")]


def status(
    within: Annotated[
        timedelta,
        typer.Option(parser=parsed(duration), metavar="TIME", help="How old the last verdict may be: 90m, 26h, 2d."),
    ] = "26h",  # type: ignore[assignment]  # typer hands the default to the parser too
    as_json: AsJson = False,
    as_metrics: Annotated[bool, typer.Option("--metrics", help="Print metrics in Prometheus' text format.")] = False,
) -> None:
    """Report whether the latest verdict is healthy, and recent: the dead man's switch for a monitor that calls it.

    Exit code: 0 healthy, 1 blocked or messages with dye headers that do not verify wait for a release, 2 no verdict
    within the expected time (or the database is away).
    """
    if as_json and as_metrics:
        raise typer.BadParameter("--json and --metrics exclude each other.")
    with runs.database("status") as database:
        found = judge_status(database, within)
    if as_metrics:
        typer.echo("\n".join(metrics(found)))
    elif as_json:
        told = asdict(found) | {"blockage": stages_as_json(found.blockage)}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False, default=plain))
    else:
        typer.echo(found.sentence())
        for silence in found.muted:
            typer.echo(f"Muted: {silence}")
    raise typer.Exit(EXIT_CODES[found.state])


def mute(until: _Until, reason: Reason) -> None:
    """Hold all alerts back until a time; they are still recorded. What is wrong then is told after the next run."""
    with runs.database("mute") as database:
        mutes.mute(database, until, worded(reason))
    _talk.print(f"Alerts are muted until {utc(until)}.")


def acknowledge(
    run_id: Annotated[str, typer.Argument(help="A blocked run, as `angiogram runs` lists it.")],
    until: _Until,
    reason: Reason,
) -> None:
    """Say that a run's blockage is known: no alert on it until a time, and one again if it is still there then."""
    with runs.database("acknowledge") as database:
        blockage = mutes.acknowledge(database, run_id, until, worded(reason))
    _talk.print(f"The blockage at {listed(blockage)} is acknowledged until {utc(until)}.", markup=False)


def unmute(
    run_id: Annotated[str | None, typer.Argument(help="A run that was acknowledged; without it all is ended.")] = None,
) -> None:
    """End mutes and acknowledgements before their time; what is wrong then is told after the next run."""
    with runs.database("unmute") as database:
        ended = mutes.unmute(database, run_id)
    for silence in ended:
        what = f"The acknowledgement of {listed(silence.blockage)}" if silence.blockage else "The mute of all alerts"
        _talk.print(f"{what} ({silence.reason}) is ended.", markup=False)
    if not ended:
        _talk.print("Nothing is muted or acknowledged.")


def doctor(as_json: AsJson = False) -> None:
    """Look whether all is there that a run needs: versions, services, roles, keys, packages, migrations, topic, seeds.

    Changes nothing. Exit code: 0 nothing stands in the way, 1 something does.
    """
    lines: list[Line] = []
    for line in examine():
        lines.append(line)
        if not as_json:
            typer.echo(f"{_MARKS[line.mark]} {line.topic}: {line.text}")
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2, ensure_ascii=False))
    raise typer.Exit(int(any(line.mark is Mark.PROBLEM for line in lines)))


def worded(reason: str) -> str:
    """A reason without blanks around it; an empty one is a usage error."""
    if not reason.strip():
        raise typer.BadParameter("The reason is empty.", param_hint="--reason")
    return reason.strip()


def plain(value: object) -> str | float:
    """Times as JSON has them: ISO 8601, and seconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} is not told as JSON")
