"""Blind spots shown: the fewest inputs that close one when they are added to the dye.

Nothing is proposed that was not tried so: beside the present dye the unmutated models take it and come out the same in
all surroundings, and the mutant comes out otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from angiogram.dye.seeds import DyeMessage
from angiogram.judge.cause.compiled import Compiled
from angiogram.sensitivity.bench.score import Spoiled
from angiogram.sensitivity.mutants.harmless import fewest, harmless
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.sensitivity.witnesses.crowd import Crowd
from angiogram.sensitivity.witnesses.new_keys import repeated_keys
from angiogram.sensitivity.witnesses.trial import Trial

CROWDS = 4
"""Random inputs that are tried for one blind spot, beginning with that which showed it."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Input that tells a mutant from the original.

    Attributes:
        mutant: the mutant.
        items: messages, or rows with the names of their seeds.
        closes: whether it does so beside the dye: added to it, it closes the blind spot. Otherwise in its place alone.
        hides: ids of mutants that the dye shows, and no longer if the items are added.
    """

    mutant: Mutant
    items: tuple[Any, ...]
    closes: bool
    hides: tuple[str, ...] = ()

    def told(self, project: Compiled) -> Spoiled:
        """The items as what is read or pasted."""
        if any(isinstance(item, DyeMessage) for item in self.items):
            return Spoiled("; ".join(map(_in_words, self.items)), closes=self.closes, hides=self.hides)
        return Spoiled(
            rows=tuple(
                file.added(rows)
                for name, file in project.inputs.items()
                if (rows := [row for seed, row in self.items if seed == name])
            ),
            closes=self.closes,
            repeats=tuple(repeated_keys(project, self.items)) if self.closes else (),
            hides=self.hides,
        )


def _in_words(message: DyeMessage) -> str:
    return ", ".join(f"{name} {text!r}" for name, text in message.fields.items() if text is not None)


def witnesses(
    project: Compiled,
    directory: Path,
    target: str,
    blind: Sequence[Mutant],
    apart: Mapping[str, Crowd],
    crowds: Sequence[Crowd],
    seen: Sequence[Mutant] = (),
) -> list[Witness]:
    """For each of some blind spots the fewest inputs that show it; those of an earlier one if they do.

    Args:
        project, directory, target: what is mutated.
        blind: the blind spots.
        apart: the random input that showed each, by the mutant's id.
        crowds: all random input.
        seen: mutants that the dye shows, and is to show when the inputs are added.
    """
    if not blind:
        return []
    with Trial(project, directory, target) as trial:
        search = _Search(trial, crowds, seen)
        return [search.witness(mutant, apart[mutant.id]) for mutant in blind]


class _Search:
    def __init__(self, trial: Trial, crowds: Sequence[Crowd], seen: Sequence[Mutant]) -> None:
        self._trial = trial
        self._crowds = crowds
        self._seen = seen
        self._found: list[Witness] = []
        self._taken: dict[tuple[int, int, bool], list[Any]] = {}

    def witness(self, mutant: Mutant, crowd: Crowd) -> Witness:
        for earlier in self._found:
            if self._trial.shows(mutant, earlier.items, sound=False):
                return replace(earlier, mutant=mutant)
        if found := self._beside_the_dye(mutant, crowd):
            self._found.append(found)
            return found
        alone = fewest(crowd.items, lambda some: self._trial.shows_instead(mutant, some, crowd))
        return Witness(mutant, tuple(alone), closes=False)

    def _beside_the_dye(self, mutant: Mutant, first: Crowd) -> Witness | None:
        """Input that closes a blind spot: if possible with new keys, sound, and hiding nothing, in this order."""
        others = [crowd for crowd in self._crowds if crowd.number != first.number]
        best: Witness | None = None
        for number, way in enumerate(first.ways):
            for crowd in [first, *others][:CROWDS]:
                if not (items := self._fewest(mutant, crowd, number, sound=False)):
                    continue
                if way.sound and not self._trial.takes(items, sound=True):
                    items = self._fewest(mutant, crowd, number, sound=True) or items
                found = Witness(mutant, items, closes=True, hides=tuple(self._trial.hides(self._seen, items)))
                if best is None or len(found.hides) < len(best.hides):
                    best = found
                if not best.hides:
                    return best
            if best:
                return best
        return None

    def _fewest(self, mutant: Mutant, crowd: Crowd, number: int, sound: bool) -> tuple[Any, ...]:
        """The fewest items of a crowd that show a mutant beside the dye, as they would be added; none if none do."""
        way, proposed = crowd.ways[number], [item for earlier in self._found for item in earlier.items]

        def shows(some: Sequence[Any]) -> bool:
            return self._trial.shows(mutant, way.added(some, proposed), sound)

        items = self._taking(crowd, number, sound)
        return tuple(way.added(fewest(items, shows), proposed)) if items and shows(items) else ()

    def _taking(self, crowd: Crowd, number: int, sound: bool) -> list[Any]:
        """The items of a crowd that the unmutated project takes beside the dye."""
        way, place = crowd.ways[number], (crowd.number, number, sound)

        def takes(some: Sequence[Any]) -> bool:
            return self._trial.takes(way.added(some, ()), sound)

        if place not in self._taken:
            items = [*crowd.items]
            self._taken[place] = items if takes(items) else harmless(items, crowd.strange, takes)
        return self._taken[place]
