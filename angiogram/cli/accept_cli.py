"""The command `angiogram accept`."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from angiogram.author.accept import Proposal, propose, write
from angiogram.author.accept_surface import SurfaceProposal
from angiogram.cli.interrupted import interruptible
from angiogram.cli.options import DyeTarget, model_names
from angiogram.dbt.project import Project
from angiogram.report.report import DIFFERENCES_PRINTED, cells, console
from angiogram.store.lease import WAIT

_talk = Console(stderr=True, highlight=False, soft_wrap=True)

_NOT_CALCULATED = (
    "No independent calculation knows {models}: only you can confirm that this output is right. "
    "Work out by hand what the cells above should be before you say yes."
)
_DISAGREES = (
    "The independent calculation disagrees with {models}: nothing is written. If the model is right, change the "
    "calculation first ({calculation}), without looking at the SQL; if the calculation is right, change the model. "
    "Then accept again."
)


def accept(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Models to accept. Default: all.", autocompletion=model_names),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a run or another build from the seeds to end.")
    ] = WAIT,
    target: DyeTarget = None,
) -> None:
    """Accept an intentional model change: make the model's new output its expected seed.

    Builds the models from the input seeds and shows how they differ from their expected seeds, which messages are
    concerned, and what changes in the surface (.angiogram/surface.yml: what readers depend on, and what is compared).
    Then asks, and writes the seeds and the surface. Nothing is written if the independent calculation disagrees with
    one of the models. Needs the tables of the dye target, so it waits while a run is active.

    Exit code: 0 written, or no differences; 1 refused or declined, nothing written; 2 error.
    """
    with interruptible("The models were not compared, and nothing is written."):
        project = Project(tests=False, dye_source="seeds", target=target)
        proposals = propose(project, models or [], _say, wait)
    for proposal in proposals.models:
        _show(proposal)
    if proposals.surface:
        _show_surface(proposals.surface)
    if not proposals.models and not proposals.surface:
        _say("Nothing to accept: every output equals its expected seed, and the surface is the accepted one.")
        return
    if not all(proposal.acceptable for proposal in proposals.models):
        if disagreeing := [proposal.model for proposal in proposals.models if proposal.objection]:
            _say(_DISAGREES.format(models=", ".join(disagreeing), calculation=project.settings.calculation))
        raise typer.Exit(1)
    if unknown := [proposal.model for proposal in proposals.models if not proposal.calculated]:
        _say(_NOT_CALCULATED.format(models=", ".join(unknown)))
    files = [_count(len(proposals.models), "expected seed")] if proposals.models else []
    files += ["the surface"] if proposals.surface else []
    if not yes and not typer.confirm(f"Write {' and '.join(files)}?", err=True):
        _say("Nothing is written.")
        raise typer.Exit(1)
    for file in write(project, proposals):
        typer.echo(file)


def _show(proposal: Proposal) -> None:
    out = console()
    count, first = proposal.differences["count"], proposal.differences["first"][:DIFFERENCES_PRINTED]
    some = f"; the first {DIFFERENCES_PRINTED}" if len(first) < count else ""
    found = f"{_count(count, 'difference')}{some}" if count else "not compared"
    out.print(Text(f"{proposal.model}: ", style="bold").append(found, style="not bold"))
    for line in cells(first):
        out.print(line)
    for column, values in proposal.new_columns.items():
        some = f"; the first {DIFFERENCES_PRINTED}" if len(values) > DIFFERENCES_PRINTED else ""
        out.print(Text(f"  new column {column}, {_count(len(values), 'row')}{some}:"))
        for value in values[:DIFFERENCES_PRINTED]:
            out.print(Text(f"    {value}"))
    if proposal.untyped:
        types = ", ".join(f"{column}: {kind}" for column, kind in proposal.untyped.items())
        out.print(
            Text(
                f"  add column_types for {proposal.seed.stem} to dbt_project.yml: {types}. Otherwise dbt guesses the "
                "type, and the column may differ in the next run.",
                style="yellow",
            )
        )
    if messages := sorted({name for found in proposal.differences["first"] for name in found["messages"]}):
        out.print(Text(f"  dye messages concerned: {', '.join(messages)}"))
    if proposal.objection:
        out.print(Text("  the independent calculation expects something else:", style="bold red"))
        for line in cells(proposal.objection["first"][:DIFFERENCES_PRINTED]):
            out.print(line)
    if proposal.obstacle:
        out.print(Text(f"  cannot become a seed: {proposal.obstacle}", style="bold red"))
    out.print()


def _show_surface(proposal: SurfaceProposal) -> None:
    out = console()
    out.print(Text("surface: ", style="bold").append(_count(len(proposal.changes), "change"), style="not bold"))
    for change in proposal.changes:
        out.print(Text(f"  {change}"))
    out.print()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"


def _say(text: str) -> None:
    _talk.print(text, markup=False)
