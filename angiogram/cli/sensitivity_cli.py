"""The command `angiogram sensitivity`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from angiogram.cli.interrupted import interruptible
from angiogram.cli.operations_cli import parsed
from angiogram.cli.options import AsJson, DyeTarget, Select, criteria, model_names
from angiogram.core.durations import duration
from angiogram.core.errors import UnknownModel
from angiogram.dbt.project_file import dye_target, project_directory
from angiogram.report.pages.write import write
from angiogram.sensitivity.bench.bench import Bench
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.bench.score import BLIND_SPOT, SEEN, Score, Spoiled, verdict
from angiogram.sensitivity.bench.side_by_side import as_markdown, side_by_side
from angiogram.sensitivity.choice import chosen, from_packages, listed, unsteady
from angiogram.sensitivity.compiled import Compiled, compile_project
from angiogram.sensitivity.conditions.count import counted
from angiogram.sensitivity.conditions.show import print_conditions
from angiogram.sensitivity.mutants.trees import REFERENCE
from angiogram.sensitivity.page import badge as badge_of
from angiogram.sensitivity.page import sensitivity_page
from angiogram.sensitivity.routing.mutants import ROUTING_OF_LOADER
from angiogram.sensitivity.routing.routing import RoutingScore, measure_routing
from angiogram.sensitivity.terminal import print_score
from angiogram.sensitivity.witnesses.crowd import INPUTS, Crowd
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.sensitivity.witnesses.suggest import add_to_dye, require_calculation
from angiogram.sensitivity.witnesses.survivors import EQUIVALENT_FILE, crowds, read_equivalent, told_apart
from angiogram.sensitivity.witnesses.witness import Witness, witnesses
from angiogram.warehouse.sessions import open_scratches

T = TypeVar("T")
UNIT_TEST_TARGET = None  # the profile's own, where people run them


@interruptible("The measurement is stopped.")
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
    select: Select = None,
    rows: Annotated[bool, typer.Option("--rows/--no-rows", help="Look for rows that close each blind spot.")] = True,
    budget: Annotated[
        timedelta | None,
        typer.Option(parser=parsed(duration), metavar="TIME", help="Measure a random sample for so long: 30s, 5m."),
    ] = None,
    target: DyeTarget = None,
) -> None:
    """Measure how many possible mistakes in the models the dye would detect.

    Changes the compiled SQL of every model, the reference seeds and the loader's routing in one place at a time. Runs
    each such mutant and everything downstream of it on the dye, in temporary tables that are rolled back. A mutant
    counts as seen if a model then differs from its expected seed, or a loaded row from its input seed. Kafka is not
    needed, and live tables are not touched. Ctrl-C ends it, and what is known by then is printed.

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
    names = chosen(project, directory, target, criteria(select, None, None, None).select)
    _say_what_counts_less(talk, project, names)
    calculation = require_calculation(directory) if suggest else None
    around = surroundings(project, directory)
    with Runner(project, directory, target, around) as runner:
        if empty := sorted(names & set(runner.empty_models())):
            talk.print(f"No row under the dye, so no mistake in them is seen: {', '.join(empty)}.")
        talk.print("Making mutants")
        mutants = runner.mutants(names)
        if budget:
            mutants.sort(key=lambda mutant: mutant.id[-8:])  # a hash: the first ones are a random sample
        with _progress(talk, "mutants", len(mutants)) as advance:
            measured = runner.run_within(mutants, advance, budget.total_seconds() if budget else None)
        steps, seconds = _Steps(measured.interrupt), measured.seconds
        run = [(m, outcome) for m, outcome in zip(mutants, measured.outcomes, strict=True) if outcome]
        survivors = [m for m, outcome in run if outcome.how == "survived"]
        inputs = crowds(project, directory)

        def apart_from_the_original() -> dict[str, Crowd]:
            talk.print(f"{len(survivors)} survivors: checking them with {INPUTS:,} random inputs")
            return told_apart(
                project, directory, target, survivors, inputs, lambda said: talk.print(said, markup=False)
            )

        apart: dict[str, Crowd] = {}
        apart = steps.do(apart_from_the_original, apart)
        equivalent = read_equivalent(directory, project.engine)
        verdicts = [verdict(m, outcome, apart.keys(), equivalent) for m, outcome in run]
        if compare_checks and not steps.interrupt:
            score = Score(verdicts, seconds, {})
            with _progress(talk, "mutants before other checks", score.total.mutants) as advance:
                rivals = side_by_side(runner, directory, target, UNIT_TEST_TARGET, around[0].tables, score, advance)
            print(as_markdown(rivals))
            raise typer.Exit(0)
    blind = [v.mutant for v in verdicts if v.state == BLIND_SPOT]
    seen = [v.mutant for v in verdicts if v.state == SEEN]
    if not (as_json or page or suggest):
        blind = blind[:shown]  # the others are not shown, and each takes time
    found: list[Witness] = []
    if rows:
        found = steps.do(lambda: witnesses(project, directory, target, blind, apart, inputs, seen), found)
    spoiled = {witness.mutant.id: witness.told(project) for witness in found}
    if has_loader(project) and not (select or budget):

        def routing() -> RoutingScore | None:
            talk.print("Making mutants of the loader's routing")
            return measure_routing(directory, target, equivalent)

        if routed := steps.do(routing, None):
            verdicts += routed.verdicts
            seconds += routed.seconds
            spoiled |= {mutant: Spoiled(words) for mutant, words in routed.spoiled.items()}
    if not (select or budget or steps.interrupt):
        stale_ids = equivalent.keys() - {v.mutant.id for v in verdicts if v.outcome.how == "survived"}
        if project.engine != REFERENCE:  # the list has mutants of the other engine's SQL, too
            stale_ids &= {v.mutant.id for v in verdicts}
        for stale in sorted(stale_ids):
            talk.print(f"{EQUIVALENT_FILE} lists {stale}, which did not survive: delete the entry.")
    unmeasured = len(mutants) - len(run)
    score = Score(verdicts, seconds, spoiled, unmeasured, is_sample=budget is not None and not measured.interrupt)
    if as_json:
        print(json.dumps(score.as_json(), indent=2, ensure_ascii=False))
    else:
        print_score(Console(highlight=False), score, shown)
    if page:
        write(sensitivity_page(score, lineage_of(project), project.manifest.metadata.project_name), page)
    if badge:
        write(badge_of(score.total), badge)
    if calculation and not steps.interrupt:
        for witness in found:
            if not witness.closes:
                talk.print(
                    f"{witness.mutant.id}: no message was found that exposes it beside the dye. Add one by hand."
                )
        for name in add_to_dye(calculation, directory, found):
            talk.print(f"new message of the dye: {name}")
    talk.print(f"{time.perf_counter() - begun:.0f} seconds in all")
    if steps.interrupt:
        raise steps.interrupt
    raise typer.Exit(0 if (score.total.score or 0.0) >= floor else 1)


def has_loader(project: Compiled) -> bool:
    """Whether the loader is a part of what is measured: it writes to PostgreSQL only."""
    return bool(project.sources) and project.engine == "postgres"


@interruptible("Nothing was counted.")
def conditions(
    model: Annotated[
        str | None, typer.Argument(help="A model. Default: all of the project's own.", autocompletion=model_names)
    ] = None,
    as_json: AsJson = False,
    target: DyeTarget = None,
) -> None:
    """Show how often the dye makes each condition true, false and null.

    Takes the conditions of the compiled SQL one by one: where, having, filter and case; for joins, which rows of either
    side have a partner; for coalesce, rounding and trimming, which values they change. The models are built on the dye
    in temporary tables. Red: never true, or never false, so a mistake there stays unseen.

    Exit code: 0 shown, 2 could not run. DBT_PROJECT_DIR chooses another dbt project.
    """
    directory = project_directory()
    target = dye_target(directory, target)
    project = compile_project(directory, target)
    if model is not None and model not in project.models:
        raise UnknownModel(f"{model} is not a model that sensitivity runs: {', '.join(project.models)} are.")
    names = {model} if model else chosen(project, directory, target, ())
    [usual, *_] = surroundings(project, directory)
    [session] = open_scratches(directory, target, 1)
    with closing(session):
        bench = Bench(session, project, usual.tables, usual.time_zone)
        found = [one for each in project.models.values() if each.name in names for one in counted(bench, each)]
    if as_json:
        print(json.dumps([one.as_json() for one in found], indent=2, ensure_ascii=False))
    else:
        print_conditions(Console(highlight=False), found)


class _Steps:
    """Steps of the measurement.

    An interrupt ends the one under way and leaves out the rest.

    Attributes:
        interrupt: the interrupt. None: there was none.
    """

    def __init__(self, interrupt: KeyboardInterrupt | None) -> None:
        self.interrupt = interrupt

    def do(self, step: Callable[[], T], otherwise: T) -> T:
        """Return what a step returns, or something else if it is left out."""
        if self.interrupt:
            return otherwise
        try:
            return step()
        except KeyboardInterrupt as told:
            self.interrupt = told
            return otherwise


def _say_what_counts_less(talk: Console, project: Compiled, names: frozenset[str]) -> None:
    """Name the models that are left out, not compared, or not the same each time."""
    if left_out := sorted(from_packages(project) - names):
        talk.print(f"Left out, because packages brought them: {', '.join(left_out)}. --select measures them.")
    models = [model for model in project.models.values() if model.name in names]
    if bare := [model.name for model in models if model.expected is None]:
        talk.print(f"Not compared, because the expected seed is missing: {', '.join(bare)}.")
    if found := {name: read for name, read in unsteady(project).items() if name in names}:
        talk.print(f"Read what changes from run to run, so the score may change, too: {listed(found)}.", markup=False)


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
