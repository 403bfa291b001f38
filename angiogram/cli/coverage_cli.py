"""The command that says what is watched: coverage."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from angiogram.author.coverage import Coverage, Watch
from angiogram.author.coverage import coverage as coverage_of
from angiogram.cli.options import AsJson, DyeTarget
from angiogram.dbt.project import Project


def coverage(
    as_json: AsJson = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 if a new model is neither watched nor left out (for CI)."),
    ] = False,
    target: DyeTarget = None,
) -> None:
    """List which models are watched, and which to watch next.

    A model is watched if it has an expected seed and a test equals_expected. The others come first, in the order of
    what they feed: exposures, published models, other models. A model is new if the accepted surface does not have it;
    without an accepted surface, every model is.

    Exit code: 0; with --strict 1 if a new model is neither watched nor left out, or if an entry of `left_out` in
    angiogram.yml names a watched model or none; 2 if the project cannot be read.
    """
    found = coverage_of(Project(target=target, dye_source="seeds"))
    if as_json:
        told = {"models": [asdict(model) for model in found.models], "mistakes": found.mistakes}
        typer.echo(json.dumps(_counts(found) | told, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if strict and (found.forgotten or found.mistakes):
        raise typer.Exit(1)


def _counts(found: Coverage) -> dict[str, int]:
    return {
        "total": len(found.models),
        "watched": found.count(Watch.WATCHED),
        "not_yet_watched": found.count(Watch.NOT_YET),
        "left_out": found.count(Watch.LEFT_OUT),
    }


def _print(found: Coverage) -> None:
    console = Console(highlight=False, markup=False)
    table = Table("model", "state", Column("feeds", overflow="fold"), Column("file", overflow="fold"), box=None)
    for model in found.models:
        exposures = [f"exposure {name}" for name in model.exposures]
        published = [name for name in model.published if name != model.name]
        others = f"{model.readers} model{'s' if model.readers > 1 else ''}" if model.readers else ""
        state = f"{model.watch}: {model.reason}" if model.reason else str(model.watch)
        feeds = ", ".join(filter(None, [*exposures, *published, others]))
        table.add_row(model.name, f"{state}, new" if model in found.forgotten else state, feeds, model.file)
    console.print(table)
    console.print()
    for mistake in found.mistakes:
        console.print(mistake, soft_wrap=True)
    left_out = found.count(Watch.LEFT_OUT)
    apart = f", {left_out} left out" if left_out else ""
    console.print(f"{found.count(Watch.WATCHED)} of {len(found.models)} models watched{apart}.", soft_wrap=True)
    if upcoming := next((model for model in found.models if model.watch is Watch.NOT_YET), None):
        console.print(
            f"Next: {upcoming.name}. `angiogram init` adds its test and an empty expected seed, which "
            f"`angiogram accept {upcoming.name}` fills; or name it under left_out in angiogram.yml, with the reason.",
            soft_wrap=True,
        )
