"""The command `angiogram accept`."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from angiogram.author.accept import Proposal, Proposals, propose, write
from angiogram.author.accept_surface import SurfaceProposal
from angiogram.cli.interrupted import interruptible
from angiogram.cli.options import ComparedState, DyeTarget, Exclude, Select, Selector, criteria, model_names
from angiogram.dbt.project import Project
from angiogram.report.progress import progress
from angiogram.report.report import DIFFERENCES_PRINTED, cells, console
from angiogram.store.lease import WAIT

_talk = Console(stderr=True, highlight=False, soft_wrap=True)

_NOT_CALCULATED = (
    "No independent calculation knows {models}: only you can confirm that this output is right. "
    "Work out by hand what the cells above should be before you say yes."
)
_RECORDED = (
    "Recorded from the models' own output: {seeds}. They catch later changes, not mistakes that are there already. "
    "Review their rows and correct what is wrong; each verdict says how many are recorded."
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
    all_models: Annotated[
        bool, typer.Option("--all", help="Accept all models, also those whose expected seeds have no rows yet.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask for confirmation. What is written counts as recorded.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a run or another build from the seeds to end.")
    ] = WAIT,
    target: DyeTarget = None,
    select: Select = None,
    exclude: Exclude = None,
    selector: Selector = None,
    state: ComparedState = None,
) -> None:
    """Accept an intentional model change: make the model's new output its expected seed.

    Builds the models from the input seeds and shows how they differ from their expected seeds, which messages are
    concerned, and what changes in the surface (.angiogram/surface.yml: what readers depend on, and what is compared).
    Then asks, and writes the seeds and the surface. Nothing is written if the independent calculation disagrees with
    one of the models. Needs the tables of the dye target, so it waits while a run is active. With --select only the
    selected models are built, on the expected seeds of what they read, and only their seeds are written.

    The first rows of an expected seed that `angiogram init` made are *recorded*: they repeat what the model does today,
    right or wrong. They are listed in .angiogram/recorded.jsonl, and every verdict counts them until someone has
    reviewed them. So is what --yes writes, unless an independent calculation knows the model.

    Exit code: 0 written, or no differences; 1 refused or declined, nothing written; 2 error.
    """
    if all_models and models:
        raise typer.BadParameter("Name models, or all of them by --all.", param_hint="--all")
    if (chosen := criteria(select, exclude, selector, state)) and (models or all_models):
        raise typer.BadParameter("Name models or select them, not both.", param_hint="--select")
    with interruptible("The models were not compared, and nothing is written."), progress(_talk):
        project = Project(tests=False, dye_source="seeds", target=target)
        proposals = propose(project, models or [], _say, wait, chosen)
    for proposal in proposals.models:
        if proposal.first_rows is None or not proposal.acceptable:
            _show(proposal)
    _show_first(proposals)
    if proposals.surface:
        _show_surface(proposals.surface)
    if not proposals.models and not proposals.surface:
        if proposals.unrecorded:
            _say("Nothing is written.")
            raise typer.Exit(1)
        _say("Nothing to accept: every output equals its expected seed, and the surface is the accepted one.")
        return
    if not all(proposal.acceptable for proposal in proposals.models):
        if disagreeing := [proposal.model for proposal in proposals.models if proposal.objection]:
            _say(_DISAGREES.format(models=", ".join(disagreeing), calculation=project.settings.calculation))
        raise typer.Exit(1)
    unknown = [one.model for one in proposals.models if not one.calculated and one.first_rows is None]
    if unknown:
        _say(_NOT_CALCULATED.format(models=", ".join(unknown)))
    files = [_count(len(proposals.models), "expected seed")] if proposals.models else []
    files += ["the surface"] if proposals.surface else []
    if not yes and not typer.confirm(f"Write {' and '.join(files)}?", err=True):
        _say("Nothing is written.")
        raise typer.Exit(1)
    for file in write(project, proposals, is_confirmed=not yes):
        typer.echo(file)
    if recorded := sum(one.first_rows is not None and not one.calculated for one in proposals.models):
        _say(_RECORDED.format(seeds=_count(recorded, "expected seed")))


def _show(proposal: Proposal) -> None:
    out = console()
    count, first = proposal.differences["count"], proposal.differences["first"][:DIFFERENCES_PRINTED]
    some = f"; the first {DIFFERENCES_PRINTED}" if len(first) < count else ""
    found = f"{_count(count, 'difference')}{some}" if count else "not compared"
    if proposal.first_rows is not None:
        found = f"first {_count(proposal.first_rows, 'row')}"
    out.print(Text(f"{proposal.model}: ", style="bold").append(found, style="not bold"))
    for line in cells(first):
        out.print(line)
    for column, values in proposal.new_columns.items():
        some = f"; the first {DIFFERENCES_PRINTED}" if len(values) > DIFFERENCES_PRINTED else ""
        out.print(Text(f"  new column {column}, {_count(len(values), 'row')}{some}:"))
        for value in values[:DIFFERENCES_PRINTED]:
            out.print(Text(f"    {value}"))
    _show_untyped(proposal)
    if messages := sorted({name for found in proposal.differences["first"] for name in found["messages"]}):
        out.print(Text(f"  dye messages concerned: {', '.join(messages)}"))
    if proposal.objection:
        out.print(Text("  the independent calculation expects something else:", style="bold red"))
        for line in cells(proposal.objection["first"][:DIFFERENCES_PRINTED]):
            out.print(line)
    if proposal.obstacle:
        out.print(Text(f"  cannot become a seed: {proposal.obstacle}", style="bold red"))
    out.print()


def _show_untyped(proposal: Proposal) -> None:
    if proposal.untyped:
        types = ", ".join(f"{column}: {kind}" for column, kind in proposal.untyped.items())
        console().print(
            Text(
                f"  add column_types for {proposal.seed.stem} to dbt_project.yml: {types}. Otherwise dbt guesses the "
                "type, and the column may differ in the next run.",
                style="yellow",
            )
        )


def _show_first(proposals: Proposals) -> None:
    """The models whose expected seeds get their first rows, and those that get none."""
    out = console()
    first = [one for one in proposals.models if one.first_rows is not None and one.acceptable]
    for one in first:
        out.print(Text(f"{one.model}: ", style="bold").append(f"first {_count(one.first_rows or 0, 'row')}"))
        _show_untyped(one)
    for model, why in proposals.unrecorded.items():
        out.print(Text(f"{model}: ", style="bold").append(f"not recorded: {why}", style="yellow"))
    if empty := sum(not one.first_rows for one in first):
        out.print(Text(f"{_count(empty, 'model')} of these without rows: the dye does not reach that far."))
    if first or proposals.unrecorded:
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
