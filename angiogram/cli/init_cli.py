"""The command that puts a dbt project under the dye: init."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from angiogram.author.adoption.files import PlannedFile, listed
from angiogram.author.adoption.init import Adoption, Expectations, expectations, plan
from angiogram.author.adoption.init import write as write_all
from angiogram.store.lease import WAIT

_talk = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def init(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    live_target: Annotated[
        str | None,
        typer.Option(help="dbt target whose tables people read. Default: the default target of the profile."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Name of the dbt target for the dye. Default: the first of dye_targets.")
    ] = None,
) -> None:
    """Put this dbt project under the dye: add what it needs, without a change to a model.

    Shows the files first and asks: a dye target with schemas of its own, the dbt package, the switch between sources
    and dye, and an empty input seed for each source that models read. A seed of the project that has a source's name
    stands in for it. Then builds the models from the dye, and gives each one that builds an expected seed and a test.

    Running it again adds what is new and leaves everything else as it is.

    Exit code: 0 written, or nothing to add; 1 declined; 2 error.
    """
    _talk.print("Reading the project")
    adoption = plan(live_target, target)
    folder = adoption.paths.folder
    _show(adoption)
    if dry_run:
        _talk.print("Nothing is written. The expected seeds and tests of the models follow the first build.")
        return
    if adoption.changes and not yes and not typer.confirm("Write these files?", err=True):
        _talk.print("Nothing is written.")
        raise typer.Exit(1)
    written = write_all(folder, adoption.changes)
    found = expectations(adoption, _talk.print, WAIT)
    for file, what in listed(found.changes, folder):
        typer.echo(f"{file}  {what}")
    written += write_all(folder, found.changes)
    _close(adoption, found, written)


def _show(adoption: Adoption) -> None:
    for file, what in listed(adoption.changes, adoption.paths.folder):
        typer.echo(f"{file}  {what}")
    for table in adoption.tables:
        if table.is_own_seed:
            typer.echo(f"source {table.name} is read from the project's seed {table.seed} under the dye target")
    for model in adoption.clock.by_dbt if not adoption.is_frozen else ():
        typer.echo(f"model {model} reads the clock (dbt.current_timestamp): what it returns may change from day to day")
    for model, word in adoption.clock.otherwise.items():
        typer.echo(
            f"model {model} reads the clock ({word}): what it returns may change from day to day, until it asks "
            "data_angiogram.frozen_clock"
        )
    for refused in adoption.refused:
        typer.echo(f"left out: {refused}")


def _close(adoption: Adoption, found: Expectations, written: list[Path]) -> None:
    for refused in found.refused:
        typer.echo(f"not watched: {refused}")
    total = len(found.watched) + len(found.refused)
    typer.echo(f"{len(found.watched)} of {total} models watched.")
    changes = [*adoption.changes, *found.changes]
    if not written:
        typer.echo("Nothing to add: the project has all that the dye needs.")
        return
    if rows := [table.seed for table in adoption.tables if not table.is_own_seed]:
        typer.echo(f"Next: write rows with known results into {', '.join(rows)}.")
    typer.echo("Then `angiogram accept --all` fills the expected seeds, and `angiogram run --from-seeds` judges.")
    typer.echo(f"To undo it all: {_undo(adoption, changes)}")


def _undo(adoption: Adoption, changes: list[PlannedFile]) -> str:
    """The commands that take everything back, in a checkout."""
    folder = adoption.paths.folder
    made = {change.stored.path for change in changes if change.is_new}
    new = sorted({_top(change, folder) for change in changes if change.is_new})
    kept = [change for change in changes if change.stored.path not in made]
    old = sorted({file for file, _ in listed(kept, folder)})
    commands = [f"git checkout -- {' '.join(old)}"] if old else []
    return " && ".join([*commands, *([f"git clean -fd {' '.join(new)}"] if new else [])])


def _top(change: PlannedFile, folder: Path) -> str:
    """The folder of its own that a new file is in, or the file."""
    (file, _), *_ = listed([change], folder)
    parts = Path(file).parts
    return "/".join(parts[:2]) if "angiogram" in parts[:2] and len(parts) > 2 else file
