"""Sorts survivors: does random input tell them from the original, or is it known why not?"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from angiogram.core.errors import SeedError, UnsupportedProject
from angiogram.dye.calculation import calculation_of
from angiogram.sensitivity.bench.bench import Bench, MutantOutcome, Unbuilt
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.harmless import harmless
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.sensitivity.witnesses.crowd import HANDFUL, HANDFULS, INPUTS, SLICE, Crowd, WayToAdd
from angiogram.sensitivity.witnesses.crowd_rows import crowded_rows, strangeness
from angiogram.sensitivity.witnesses.feed import OTHER_TIME_ZONE, Feed, renumbered
from angiogram.sensitivity.witnesses.new_keys import as_seeds_read, with_new_keys
from angiogram.warehouse.sessions import open_scratches

EQUIVALENT_FILE = "equivalent_mutants.yml"
"""File with the mutants known to be equivalent and the reasons, in the project's folder."""

NO_CALCULATION = (
    "Models of {project} read the dye from the topic, and the project declares no calculation that could make random "
    "messages for them. Declare one in angiogram.yml, or let the models read an input seed under the dye target."
)


def crowds(project: Compiled, directory: Path) -> list[Crowd]:
    """Make 20,000 random inputs in slices, and some small crowds, always the same ones.

    Every second crowd has unusual surroundings.

    Raises:
        UnsupportedProject: the models read messages, but the project does not declare a calculation to make them.
        InvalidSettings: the project declares a calculation that cannot be used.
        SeedError: the dye or the reference data cannot be read.
    """
    slices = range(INPUTS // SLICE + HANDFULS)
    zones = {number: OTHER_TIME_ZONE if number % 2 else None for number in slices}
    if not project.sources:
        strange = strangeness(project)
        ways = (WayToAdd(partial(with_new_keys, project), True), WayToAdd(partial(as_seeds_read, project), False))
        return [
            Crowd(number, *crowded_rows(project, _size(number), number), zones[number], ways, strange)
            for number in slices
        ]
    if (calculation := calculation_of(directory)) is None:
        raise UnsupportedProject(NO_CALCULATION.format(project=directory))
    tables = [*project.seeds.values(), *project.dye.values()]
    feed = Feed(project, directory)
    way = WayToAdd(partial(renumbered, feed.dye), False)
    return [
        Crowd(
            number,
            calculation.random_messages(_size(number), directory, number),
            (lambda messages: [*tables, feed.elsewhere(messages)])
            if number % 2
            else (lambda messages: [*tables, feed.usual(messages)]),
            zones[number],
            (way,),
        )
        for number in slices
    ]


def _size(number: int) -> int:
    return SLICE if number < INPUTS // SLICE else HANDFUL


def read_equivalent(directory: Path, engine: str) -> dict[str, str]:
    """Read the mutants that are known to be equivalent on an engine, with the reasons.

    A group without `engine` counts on each.

    Raises:
        SeedError: the file is malformed.
    """
    path = directory / EQUIVALENT_FILE
    if not path.is_file():
        return {}
    try:
        groups = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        return {
            str(mutant): str(group["reason"])
            for group in groups
            if group.get("engine", engine) == engine
            for mutant in group["mutants"]
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise SeedError(f"{path} is not a list of groups with a reason and mutants: {error!r}") from error


def told_apart(
    project: Compiled,
    directory: Path,
    target: str,
    survivors: Sequence[Mutant],
    crowds: Sequence[Crowd],
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Crowd]:
    """Return the survivors that a crowd tells from the original, with the first such crowd.

    Args:
        project, directory, target: what is mutated.
        survivors: the mutants.
        crowds: the random input.
        say: receives messages about how much of the input the unmutated project rejects.
    """
    found: dict[str, Crowd] = {}
    left = list(survivors)
    met, left_out, why = 0, 0, ""
    for crowd in crowds:
        if not left:
            break
        met += len(crowd.items)
        try:
            outcomes = _outcomes(project, directory, target, left, crowd)
        except Unbuilt as error:
            why = why or str(error)
            left_out += len(crowd.items)
            crowd = replace(crowd, items=_buildable(project, directory, target, crowd))
            left_out -= len(crowd.items)
            if not crowd.items:
                continue
            outcomes = _outcomes(project, directory, target, left, crowd)
        found |= {m.id: crowd for m, outcome in zip(left, outcomes, strict=True) if outcome.how != "survived"}
        left = [mutant for mutant in left if mutant.id not in found]
    if why:
        say(f"{left_out:,} of {met:,} random inputs are left out, because the unmutated models fail on them: {why}")
    return found


def _outcomes(
    project: Compiled, directory: Path, target: str, mutants: Sequence[Mutant], crowd: Crowd
) -> list[MutantOutcome]:
    with Runner(project, directory, target, [crowd.surroundings()]) as runner:
        return runner.run(mutants)[0]


def _buildable(project: Compiled, directory: Path, target: str, crowd: Crowd) -> list[Any]:
    """The items of a crowd on which no unmutated model fails."""
    (session,) = open_scratches(directory, target, 1)
    with closing(session):

        def builds(items: Sequence[Any]) -> bool:
            try:
                Bench(session, project, crowd.lay(items), crowd.time_zone, against_expected=False)
            except Unbuilt:
                return False
            return True

        return harmless(crowd.items, crowd.strange, builds)
