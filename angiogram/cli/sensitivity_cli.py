"""The command `angiogram sensitivity`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from angiogram.cli.interrupted import interruptible
from angiogram.cli.options import AsJson, DyeTarget
from angiogram.dbt.project_file import dye_target, project_directory
from angiogram.report.pages.write import write
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.bench.score import BLIND_SPOT, SEEN, Score, Spoiled, verdict
from angiogram.sensitivity.bench.side_by_side import as_markdown, side_by_side
from angiogram.sensitivity.compiled import Compiled, compile_project
from angiogram.sensitivity.mutants.trees import REFERENCE
from angiogram.sensitivity.page import badge as badge_of
from angiogram.sensitivity.page import sensitivity_page
from angiogram.sensitivity.routing.mutants import ROUTING_OF_LOADER
from angiogram.sensitivity.routing.routing import measure_routing
from angiogram.sensitivity.terminal import print_score
from angiogram.sensitivity.witnesses.crowd import INPUTS
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.sensitivity.witnesses.suggest import add_to_dye, require_calculation
from angiogram.sensitivity.witnesses.survivors import EQUIVALENT_FILE, crowds, read_equivalent, told_apart
from angiogram.sensitivity.witnesses.witness import witnesses

UNIT_TEST_TARGET = None  # the profile's own, where people run them


@interruptible("The measurement is stopped, without a score.")
def sensitivity(
    as_json: AsJson = False,
    floor: Annotated[float, typer.Option(min=0, max=1, help="Exit 1 if the score is below this.")] = 0.0,
    shown: Annotated[
        int, typer.Option(min=0, help="Number of surviving mutants to list, each with an input that would reveal it.")
    ] = 10,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Add those messages to the dye, and write the expected seeds anew.")
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write a page with the score to this file.", dir_okay=False)] = None,
    badge: Annotated[Path | None, typer.Option(help="Write a badge (SVG) to this file.", dir_okay=False)] = None,
    compare_checks: Annotated[
        bool, typer.Option("--compare-checks", help="Print what other checks see of the same mutants, as Markdown.")
    ] = False,
    target: DyeTarget = None,
) -> None:
    """Measure how many possible mistakes in the models the dye would detect.

    Changes the compiled SQL of every model, the reference seeds and the loader's routing in one place at a time. Runs
    each such mutant and everything downstream of it on the dye, in temporary tables that are rolled back. A mutant
    counts as seen if a model then differs from its expected seed, or a loaded row from its input seed. Kafka is not
    needed, and live tables are not touched.

    Exit code: 0 the score is at or above the floor, 1 below, 2 could not run. DBT_PROJECT_DIR chooses another dbt
    project.
    """
    if compare_checks and (as_json or floor or page or badge or suggest):
        raise typer.BadParameter("--compare-checks prints its own table: leave out the other options")
    begun = time.perf_counter()
    directory = project_directory()
    talk = Console(stderr=True, highlight=False)
    target = dye_target(directory, target)
    talk.print(f"Compiling {directory} with dbt")
    project = compile_project(directory, target)
    if bare := [model.name for model in project.models.values() if model.expected is None]:
        talk.print(f"Not compared, because the expected seed is missing: {', '.join(bare)}.")
    calculation = require_calculation(directory) if suggest else None
    around = surroundings(project, directory)
    with Runner(project, directory, target, around) as runner:
        talk.print("Making mutants")
        mutants = runner.mutants()
        with _progress(talk, "mutants", len(mutants)) as advance:
            outcomes, seconds = runner.run(mutants, advance)
        survivors = [m for m, o in zip(mutants, outcomes, strict=True) if o.how == "survived"]
        talk.print(f"{len(survivors)} survivors: checking them with {INPUTS:,} random inputs")
        inputs = crowds(project, directory)
        apart = told_apart(project, directory, target, survivors, inputs, lambda text: talk.print(text, markup=False))
        equivalent = read_equivalent(directory, project.engine)
        verdicts = [verdict(m, o, apart.keys(), equivalent) for m, o in zip(mutants, outcomes, strict=True)]
        if compare_checks:
            score = Score(verdicts, seconds, {})
            with _progress(talk, "mutants before other checks", score.total.mutants) as advance:
                rivals = side_by_side(runner, directory, target, UNIT_TEST_TARGET, around[0].tables, score, advance)
            print(as_markdown(rivals))
            raise typer.Exit(0)
    blind = [v.mutant for v in verdicts if v.state == BLIND_SPOT]
    seen = [v.mutant for v in verdicts if v.state == SEEN]
    if not (as_json or page or suggest):
        blind = blind[:shown]  # the others are not shown, and each takes time
    found = witnesses(project, directory, target, blind, apart, inputs, seen)
    spoiled = {witness.mutant.id: witness.told(project) for witness in found}
    if has_loader(project):
        talk.print("Making mutants of the loader's routing")
        routed = measure_routing(directory, target, equivalent)
        verdicts += routed.verdicts
        seconds += routed.seconds
        spoiled |= {mutant: Spoiled(words) for mutant, words in routed.spoiled.items()}
    stale_ids = equivalent.keys() - {v.mutant.id for v in verdicts if v.outcome.how == "survived"}
    if project.engine != REFERENCE:  # the list has mutants of the other engine's SQL, too
        stale_ids &= {v.mutant.id for v in verdicts}
    for stale in sorted(stale_ids):
        talk.print(f"{EQUIVALENT_FILE} lists {stale}, which did not survive: delete the entry.")
    score = Score(verdicts, seconds, spoiled)
    if as_json:
        print(json.dumps(score.as_json(), indent=2, ensure_ascii=False))
    else:
        print_score(Console(highlight=False), score, shown)
    if page:
        write(sensitivity_page(score, lineage_of(project), project.manifest.metadata.project_name), page)
    if badge:
        write(badge_of(score.total), badge)
    if calculation:
        for witness in found:
            if not witness.closes:
                talk.print(
                    f"{witness.mutant.id}: no message was found that exposes it beside the dye. Add one by hand."
                )
        for name in add_to_dye(calculation, directory, found):
            talk.print(f"new message of the dye: {name}")
    talk.print(f"{time.perf_counter() - begun:.0f} seconds in all")
    raise typer.Exit(0 if (score.total.score or 0.0) >= floor else 1)


def has_loader(project: Compiled) -> bool:
    """Whether the loader is a part of what is measured: it writes to PostgreSQL only."""
    return bool(project.sources) and project.engine == "postgres"


def lineage_of(project: Compiled) -> dict[str, list[str]]:
    """Return what each model, reference seed and the loader reads, in order of reading."""
    found: dict[str, list[str]] = {ROUTING_OF_LOADER: []} if has_loader(project) else {}
    found |= {name: [] for name in project.seeds}
    for model in project.models.values():
        found[model.name] = [
            ROUTING_OF_LOADER if name in project.sources else name
            for name in model.reads
            if has_loader(project) or name not in project.sources
        ]
    return found


@contextmanager
def _progress(talk: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr that advances with each call."""
    with Progress(console=talk, transient=True) as progress:
        task = progress.add_task(f"{total} {what}", total=total)
        yield lambda: progress.advance(task)
