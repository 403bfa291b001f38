"""Survivors sorted: does any random input tell them from the original, and is it known why not?"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from angiogram.errors import SeedError
from angiogram.expectation import read_reference
from angiogram.sensitivity.bench import Bench, Outcome, Unbuilt
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.crowd import HANDFUL, HANDFULS, RIDES, SLICE, crowded_rides
from angiogram.sensitivity.crowd_rows import crowded_rows, strangeness
from angiogram.sensitivity.database import open_sessions
from angiogram.sensitivity.feed import OTHER_TIME_ZONE, dye_rides, renumbered, rides_elsewhere, rides_table
from angiogram.sensitivity.harmless import harmless
from angiogram.sensitivity.mutants import Mutant
from angiogram.sensitivity.new_keys import as_seeds_read, with_new_keys
from angiogram.sensitivity.runner import Runner, Surroundings
from angiogram.sensitivity.tables import Table

EQUIVALENT_FILE = "equivalent_mutants.yml"
"""File in the folder of the dbt project that lists the mutants known to be equivalent, with the reason."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which random input may be added to the dye.

    Attributes:
        added: items as they would be added, given those that are to be added as well.
        sound: whether those are preferred that break no check on the data which holds without them.
    """

    added: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    sound: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """Random input.

    Attributes:
        number: which it is; those with odd numbers lie in unusual surroundings.
        items: rides, or rows of input seeds.
        lay: the tables that hold some of the items.
        time_zone: of the session that reads them.
        ways: in which its items may be added to the dye, the best first.
        strange: what an item has that the dye has not, in a form that sorts; the same of all where it is not known.
    """

    number: int
    items: Sequence[Any]
    lay: Callable[[Sequence[Any]], list[Table]]
    time_zone: str | None
    ways: Sequence[Way]
    strange: Callable[[Any], Any] = lambda item: 0

    def surroundings(self) -> Surroundings:
        """The crowd as something to run mutants on."""
        return Surroundings("crowd", self.lay(self.items), self.time_zone, against_expected=False)


def crowds(project: Compiled, directory: Path) -> list[Crowd]:
    """20,000 random inputs in slices, and some handfuls, always the same: every second one in unusual surroundings."""
    slices = range(RIDES // SLICE + HANDFULS)
    zones = {number: OTHER_TIME_ZONE if number % 2 else None for number in slices}
    if not project.sources:
        strange = strangeness(project)
        ways = (Way(partial(with_new_keys, project), True), Way(partial(as_seeds_read, project), False))
        return [
            Crowd(number, *crowded_rows(project, _size(number), number), zones[number], ways, strange)
            for number in slices
        ]
    reference = read_reference(directory.parent / "seeds" / "reference")
    tables = [*project.seeds.values(), *project.dye.values()]
    way = Way(partial(renumbered, dye_rides(project, directory)), False)
    return [
        Crowd(
            number,
            crowded_rides(_size(number), reference, number),
            (lambda rides: [*tables, rides_elsewhere(rides)])
            if number % 2
            else (lambda rides: [*tables, rides_table(rides)]),
            zones[number],
            (way,),
        )
        for number in slices
    ]


def _size(number: int) -> int:
    return SLICE if number < RIDES // SLICE else HANDFUL


def read_equivalent(directory: Path) -> dict[str, str]:
    """The mutants that are known to be equivalent, and why.

    Raises:
        SeedError: the file is malformed.
    """
    path = directory / EQUIVALENT_FILE
    if not path.is_file():
        return {}
    try:
        groups = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        return {str(mutant): str(group["reason"]) for group in groups for mutant in group["mutants"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise SeedError(f"{path} is no list of groups with a reason and mutants: {error!r}") from error


def told_apart(
    project: Compiled,
    directory: Path,
    target: str,
    survivors: Sequence[Mutant],
    crowds: Sequence[Crowd],
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Crowd]:
    """Which survivors a crowd tells from the original, and the first crowd that does.

    Args:
        project, directory, target: what is mutated.
        survivors: the mutants.
        crowds: the random input.
        say: told how much of it the unmutated project cannot take.
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
        say(f"{left_out:,} of {met:,} random inputs are left out, for the unmutated models fail on them: {why}")
    return found


def _outcomes(
    project: Compiled, directory: Path, target: str, mutants: Sequence[Mutant], crowd: Crowd
) -> list[Outcome]:
    with Runner(project, directory, target, [crowd.surroundings()]) as runner:
        return runner.run(mutants)[0]


def _buildable(project: Compiled, directory: Path, target: str, crowd: Crowd) -> list[Any]:
    """The items of a crowd on which no unmutated model fails."""
    (session,) = open_sessions(directory, target, 1)
    with closing(session):

        def builds(items: Sequence[Any]) -> bool:
            try:
                Bench(session, project, crowd.lay(items), crowd.time_zone, against_expected=False)
            except Unbuilt:
                return False
            return True

        return harmless(crowd.items, crowd.strange, builds)
