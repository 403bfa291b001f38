"""Blind spots shown: the fewest inputs that close one when they are added to the dye.

Nothing is proposed that was not tried so: beside the present dye the unmutated models take it and come out the same in
all surroundings, and the mutant comes out otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angiogram.dye import RAW_FIELDS, DyeRide
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.harmless import fewest, harmless
from angiogram.sensitivity.mutants import Mutant
from angiogram.sensitivity.new_keys import repeated_keys
from angiogram.sensitivity.score import Spoiled
from angiogram.sensitivity.survivors import Crowd, Way
from angiogram.sensitivity.trial import Trial

CROWDS = 4
"""Random inputs that are tried for one blind spot, beginning with that which showed it."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Input that tells a mutant from the original.

    Attributes:
        mutant: the mutant.
        items: rides, or rows with the names of their seeds.
        closes: whether it does so beside the dye: added to it, it closes the blind spot. Otherwise in its place alone.
    """

    mutant: Mutant
    items: tuple[Any, ...]
    closes: bool

    def told(self, project: Compiled) -> Spoiled:
        """The items as what is read or pasted."""
        if any(isinstance(item, DyeRide) for item in self.items):
            return Spoiled("; ".join(map(_ride_in_words, self.items)), closes=self.closes)
        return Spoiled(
            rows=tuple(
                file.added(rows)
                for name, file in project.inputs.items()
                if (rows := [row for seed, row in self.items if seed == name])
            ),
            closes=self.closes,
            repeats=tuple(repeated_keys(project, self.items)) if self.closes else (),
        )


def _ride_in_words(ride: DyeRide) -> str:
    return ", ".join(f"{name} {ride.fields[name]!r}" for name in RAW_FIELDS if ride.fields[name] is not None)


def witnesses(
    project: Compiled,
    directory: Path,
    target: str,
    blind: Sequence[Mutant],
    apart: Mapping[str, Crowd],
    crowds: Sequence[Crowd],
) -> list[Witness]:
    """For each of some blind spots the fewest inputs that show it; those of an earlier one if they do.

    Args:
        project, directory, target: what is mutated.
        blind: the blind spots.
        apart: the random input that showed each, by the mutant's id.
        crowds: all random input.
    """
    if not blind:
        return []
    with Trial(project, directory, target) as trial:
        search = _Search(trial, crowds)
        return [search.witness(mutant, apart[mutant.id]) for mutant in blind]


class _Search:
    def __init__(self, trial: Trial, crowds: Sequence[Crowd]) -> None:
        self._trial = trial
        self._crowds = crowds
        self._found: list[tuple[Any, ...]] = []
        self._taken: dict[tuple[int, int], list[Any]] = {}

    def witness(self, mutant: Mutant, crowd: Crowd) -> Witness:
        earlier = next((items for items in self._found if self._trial.shows(mutant, items, sound=False)), None)
        if earlier:
            return Witness(mutant, earlier, closes=True)
        if items := next(self._beside_the_dye(mutant, crowd), None):
            self._found.append(items)
            return Witness(mutant, items, closes=True)
        alone = fewest(crowd.items, lambda some: self._trial.shows_instead(mutant, some, crowd))
        return Witness(mutant, tuple(alone), closes=False)

    def _beside_the_dye(self, mutant: Mutant, first: Crowd) -> Iterator[tuple[Any, ...]]:
        others = [crowd for crowd in self._crowds if crowd.number != first.number]
        proposed = [item for items in self._found for item in items]
        for number, way in enumerate(first.ways):
            for crowd in [first, *others][:CROWDS]:

                def shows(some: Sequence[Any], way: Way = way) -> bool:
                    return self._trial.shows(mutant, way.added(some, proposed), way.sound)

                items = self._taking(crowd, number)
                if items and shows(items):
                    yield tuple(way.added(fewest(items, shows), proposed))

    def _taking(self, crowd: Crowd, number: int) -> list[Any]:
        """The items of a crowd that the unmutated project takes beside the dye."""
        way = crowd.ways[number]

        def takes(some: Sequence[Any]) -> bool:
            return self._trial.takes(way.added(some, ()), way.sound)

        place = crowd.number, number
        if place not in self._taken:
            items = [*crowd.items]
            self._taken[place] = items if takes(items) else harmless(items, crowd.strange, takes)
        return self._taken[place]
