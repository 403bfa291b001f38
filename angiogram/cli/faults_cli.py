"""The command `angiogram faults`."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from angiogram.cli.interrupted import interruptible
from angiogram.cli.options import AsJson, DyeTarget
from angiogram.dbt.project_file import project_directory
from angiogram.faults.catalogue import catalogue_of, chosen
from angiogram.faults.document import DOCUMENT, write_document
from angiogram.faults.play import Played, play_all, player


@interruptible("The fault that was being played is stopped, and those after it are not played.")
def faults(
    names: Annotated[list[str] | None, typer.Argument(help="Faults to play. Default: all.")] = None,
    as_json: AsJson = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the faults without playing them.")] = False,
    target: DyeTarget = None,
    write_docs: Annotated[bool, typer.Option("--write-docs", help=f"Write the table into {DOCUMENT.name}.")] = False,
) -> None:
    """Play named faults on the real pipeline, and check that each verdict names its stage.

    Each fault is one run of about 15 seconds, in a separate database and on a separate topic, with a temporary copy of
    the dbt project. Live data is not touched. The project declares its catalogue of faults in angiogram.yml.

    Exit code: 0 every verdict is as expected, 1 one is not, 2 could not run.
    """
    directory = project_directory()
    catalogue = catalogue_of(directory)
    faults = chosen(catalogue, names or [])
    if only_list:
        listed = [{"name": f.name, "planted_stage": ", ".join(f.planted) or None} for f in faults]
        typer.echo(json.dumps(listed, indent=2) if as_json else "\n".join(fault.name for fault in faults))
        return
    talk = Console(stderr=True, highlight=False)

    def tell(played: Played) -> None:
        mark = "[green]✓[/green]" if played.as_expected else "[bold red]✗[/bold red]"
        named = played.error or ", ".join(played.named) or played.verdict
        if write_docs:
            write_document([played], catalogue)
        talk.print(f"{mark} {played.fault.name}: {escape(named)}  ({played.seconds:.1f} s)", soft_wrap=True)

    with player(directory, target) as ready:
        results = play_all(ready, faults, tell)
    wrong = [played.fault.name for played in results if not played.as_expected]
    if as_json:
        typer.echo(json.dumps([played.as_json() for played in results], indent=2))
    else:
        typer.echo(f"{len(results) - len(wrong)} of {len(results)} verdicts as expected")
    raise typer.Exit(1 if wrong else 0)
