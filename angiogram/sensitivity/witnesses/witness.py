"""Finds witnesses: the fewest inputs that close a blind spot when added to the dye.

Every proposal has been tried: on the present dye with these inputs, the unmutated models build and give the same output
in all surroundings, and the mutant gives another output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from angiogram.dye.seeds import DyeMessage
from angiogram.sensitivity.bench.score import Spoiled
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.harmless import fewest, harmless
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.sensitivity.witnesses.crowd import Crowd
from angiogram.sensitivity.witnesses.new_keys import repeated_keys
from angiogram.sensitivity.witnesses.trial import Trial

CROWDS = 4
"""Crowds tried for one blind spot, beginning with the one that showed it."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Input that tells a mutant from the original.

    Attributes:
        mutant: the mutant.
        items: messages, or rows with the names of their seeds.
        closes: whether adding the items to the dye closes the blind spot. False: they show it only in place of the dye.
        hides: ids of mutants that the dye shows now but not if the items are added.
    """

    mutant: Mutant
    items: tuple[Any, ...]
    closes: bool
    hides: tuple[str, ...] = ()

    def told(self, project: Compiled) -> Spoiled:
        """Return the items in the form in which people read or paste them."""
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
    """Find the fewest inputs that show each of some blind spots.

    If the inputs for an earlier blind spot show this one too, they are reused.

    Args:
        project, directory, target: the dbt project, its folder and target.
        blind: the blind spots.
        apart: the random input that showed each blind spot, by the mutant's id.
        crowds: all random input.
        seen: mutants that the dye shows and should still show when the inputs are added.
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
        """Find input that closes a blind spot when added to the dye.

        Preferred is input with new keys, then sound input, then input that hides nothing.
        """
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
        """The fewest items of a crowd that show a mutant when added to the dye.

        They have the form in which they would be added. Empty if no items show it.
        """
        way, proposed = crowd.ways[number], [item for earlier in self._found for item in earlier.items]

        def shows(some: Sequence[Any]) -> bool:
            return self._trial.shows(mutant, way.added(some, proposed), sound)

        items = self._taking(crowd, number, sound)
        return tuple(way.added(fewest(items, shows), proposed)) if items and shows(items) else ()

    def _taking(self, crowd: Crowd, number: int, sound: bool) -> list[Any]:
        """The items of a crowd that the unmutated project accepts in addition to the dye."""
        way, place = crowd.ways[number], (crowd.number, number, sound)

        def takes(some: Sequence[Any]) -> bool:
            return self._trial.takes(way.added(some, ()), sound)

        if place not in self._taken:
            items = [*crowd.items]
            self._taken[place] = items if takes(items) else harmless(items, crowd.strange, takes)
        return self._taken[place]
