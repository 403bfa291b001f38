"""The commands for operations: status, mute, acknowledge, unmute, doctor, hold, settings."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from angiogram.cli.options import AsJson
from angiogram.core.durations import duration, moment, utc
from angiogram.core.stage_id import as_json as stages_as_json
from angiogram.core.stage_id import listed
from angiogram.dbt.package.installing import carried
from angiogram.dbt.project_file import project_directory
from angiogram.operate.doctor import Line, Mark, examine
from angiogram.operate.settings_in_force import json_schema, settings_in_force
from angiogram.operate.status import EXIT_CODE_BY_STATE, metrics
from angiogram.operate.status import status as judge_status
from angiogram.store import hold as holds
from angiogram.store import mutes, runs

_MARKS = {Mark.OK: "✓", Mark.NOTE: "•", Mark.PROBLEM: "✗"}
_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser for an option whose ValueError becomes a usage error."""

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
ReasonToMute = Annotated[str, typer.Option(help="Reason, shown to anyone who wonders why no alert came.")]


def status(
    within: Annotated[
        timedelta,
        typer.Option(parser=parsed(duration), metavar="TIME", help="Maximum age of the latest verdict: 90m, 26h, 2d."),
    ] = "26h",  # type: ignore[assignment]  # typer hands the default to the parser too
    as_json: AsJson = False,
    as_metrics: Annotated[bool, typer.Option("--metrics", help="Print metrics in Prometheus' text format.")] = False,
) -> None:
    """Report whether the latest verdict is healthy and recent.

    A monitor that calls it regularly has a dead man's switch.

    Exit code: 0 healthy; 1 blocked, or messages with dye headers that do not verify wait for a release; 2 no verdict
    within the expected time, or the database is down.
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
    raise typer.Exit(EXIT_CODE_BY_STATE[found.state])


def mute(until: _Until, reason: ReasonToMute) -> None:
    """Mute alerts until a time. Problems that persist are reported after the next run.

    Muted alerts are still recorded.
    """
    with runs.database("mute") as database:
        mutes.mute(database, until, worded(reason))
    _talk.print(f"Alerts are muted until {utc(until)}.")


def acknowledge(
    run_id: Annotated[str, typer.Argument(help="ID of a blocked run (see `angiogram runs`).")],
    until: _Until,
    reason: ReasonToMute,
) -> None:
    """Acknowledge a run's blockage: no alert on it until a time.

    If the blockage still exists then, an alert is sent again.
    """
    with runs.database("acknowledge") as database:
        blockage = mutes.acknowledge(database, run_id, until, worded(reason))
    _talk.print(f"The blockage at {listed(blockage)} is acknowledged until {utc(until)}.", markup=False)


def unmute(
    run_id: Annotated[
        str | None, typer.Argument(help="ID of an acknowledged run. Default: end every mute and acknowledgement.")
    ] = None,
) -> None:
    """End mutes and acknowledgements now.

    Problems that persist are reported after the next run.
    """
    with runs.database("unmute") as database:
        ended = mutes.unmute(database, run_id)
    for silence in ended:
        what = f"The acknowledgement of {listed(silence.blockage)}" if silence.blockage else "The mute on all alerts"
        _talk.print(f"{what} ({silence.reason}) has ended.", markup=False)
    if not ended:
        _talk.print("Nothing is muted or acknowledged.")


def doctor(as_json: AsJson = False) -> None:
    """Check that everything a run needs is in place.

    Checks versions, services, roles, keys, packages, migrations, topic and seeds, and changes nothing. Exit code: 0 no
    problem, 1 a problem would stop a run.
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
    """Return a reason without blanks around it. An empty one is a usage error."""
    if not reason.strip():
        raise typer.BadParameter("The reason is empty.", param_hint="--reason")
    return reason.strip()


def plain(value: object) -> str | float:
    """Convert times to JSON: ISO 8601, and seconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


hold = typer.Typer(
    name="hold",
    add_completion=False,
    help="Keep the published marts unchanged while the latest verdict is blocked. Off by default.",
    no_args_is_help=True,
)


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


def settings(
    as_json: AsJson = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of angiogram.yml instead, for editors.")
    ] = False,
    package: Annotated[
        bool, typer.Option("--package", help="Print the folder of the dbt package instead, for packages.yml.")
    ] = False,
) -> None:
    """Print the settings in force and where each comes from.

    That is a file and line, the environment, the contract or a default.
    Secrets are not shown, and addresses are shown without user and password.

    Exit code: 0; 2 if angiogram.yml or the contract it names cannot be used.
    """
    if as_json + schema + package > 1:
        raise typer.BadParameter("--json, --schema and --package exclude each other.")
    if package:
        typer.echo(carried())
        return
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    project = project_directory()
    found = settings_in_force(project)
    if as_json:
        told = {group: [asdict(setting) for setting in several] for group, several in found.items()}
        typer.echo(json.dumps({"project": str(project), **told}, indent=2, ensure_ascii=False, default=str))
        return
    console = Console(highlight=False, markup=False)
    console.print(f"Project: {project}\n", soft_wrap=True)
    for group, settings_of_group in found.items():
        table = Table(group, Column("value", overflow="fold"), Column("comes from", overflow="fold"), box=None)
        for setting in settings_of_group:
            table.add_row(setting.name, _shown(setting.value), setting.origin)
        console.print(table)
        console.print()


def _shown(value: Any) -> str:
    """A value as it would be written in the file."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
