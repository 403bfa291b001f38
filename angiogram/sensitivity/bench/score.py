"""The score: seen ÷ (all - equivalent), per model and operator."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any

from angiogram.judge.cause.seed_files import SeedRows
from angiogram.sensitivity.bench.bench import MutantOutcome
from angiogram.sensitivity.mutants.mutants import Mutant

SEEN, BLIND_SPOT, EQUIVALENT, UNDECIDED, STILLBORN = "seen", "blind_spot", "equivalent", "unknown", "stillborn"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about a mutant.

    Attributes:
        mutant: the mutant.
        state: seen, blind_spot, equivalent, unknown or stillborn.
        outcome: its result on the bench.
        reason: why it is equivalent. None otherwise.
    """

    mutant: Mutant
    state: str
    outcome: MutantOutcome
    reason: str | None = None


def verdict(mutant: Mutant, outcome: MutantOutcome, apart: Collection[str], equivalent: Mapping[str, str]) -> Verdict:
    """Return the verdict on one mutant.

    A survivor that random input tells from the original is a blind spot, even if it is listed as equivalent. Then the
    list is wrong.

    Args:
        mutant, outcome: the mutant and its result on the bench.
        apart: ids of survivors that random input tells from the original.
        equivalent: reasons by id of survivors that are known to be equivalent.
    """
    if outcome.how == "stillborn":
        return Verdict(mutant, STILLBORN, outcome)
    if outcome.how != "survived":
        return Verdict(mutant, SEEN, outcome)
    if mutant.id in apart:
        return Verdict(mutant, BLIND_SPOT, outcome)
    if mutant.id in equivalent:
        return Verdict(mutant, EQUIVALENT, outcome, equivalent[mutant.id])
    return Verdict(mutant, UNDECIDED, outcome)


@dataclass(slots=True)
class Tally:
    """Counts of mutants. Those that PostgreSQL refuses to run are counted separately."""

    mutants: int = 0
    seen: int = 0
    equivalent: int = 0
    blind_spots: int = 0
    unknown: int = 0

    @property
    def score(self) -> float | None:
        """seen ÷ (all - equivalent). None if there was nothing to see."""
        worth_seeing = self.mutants - self.equivalent
        return self.seen / worth_seeing if worth_seeing else None

    def add(self, state: str) -> None:
        """Count one mutant."""
        self.mutants += 1
        self.seen += state == SEEN
        self.equivalent += state == EQUIVALENT
        self.blind_spots += state == BLIND_SPOT
        self.unknown += state == UNDECIDED

    def as_json(self) -> dict[str, Any]:
        """Return the counts and the score."""
        return asdict(self) | {"score": self.score}


@dataclass(frozen=True, slots=True)
class Spoiled:
    """The smallest input that shows a blind spot.

    Attributes:
        words: the messages, in words. Empty if rows of seeds show the blind spot.
        rows: the rows of input seeds.
        closes: whether it was tried together with the dye, so that adding it closes the blind spot.
        repeats: keys of the dye that the rows repeat.
        hides: ids of mutants that the dye shows now but not if this input is added.
    """

    words: str = ""
    rows: tuple[SeedRows, ...] = ()
    closes: bool = False
    repeats: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()

    def sentence(self) -> str:
        """A sentence about the rows. Empty if there are none."""
        if not self.rows:
            return ""
        if not self.closes:
            return (
                "No rows were found that show it beside the dye and can go through a seed. In the dye's place these do:"
            )
        words = ["Seen once these rows are in the dye."]
        if self.repeats:
            words.append(f"They repeat keys of the dye, for nothing else shows it: {', '.join(self.repeats)}.")
        if self.hides:
            words.append(f"With them no longer seen: {', '.join(self.hides)}. Run again: more is proposed then.")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Score:
    """Everything that one pass found out.

    Attributes:
        verdicts: one verdict for each mutant.
        seconds: how long the mutants took on the dye.
        spoiled: the smallest input that shows a blind spot, by the mutant's id.
        unmeasured: number of mutants that were not run, because the time was over or somebody interrupted.
        is_sample: whether the others are a random sample of all.
    """

    verdicts: list[Verdict]
    seconds: float
    spoiled: Mapping[str, Spoiled]
    unmeasured: int = 0
    is_sample: bool = False
    total: Tally = field(init=False)
    by_node: dict[str, Tally] = field(init=False)
    by_operator: dict[str, Tally] = field(init=False)

    def __post_init__(self) -> None:
        """Count the verdicts."""
        counted = [v for v in self.verdicts if v.state != STILLBORN]
        object.__setattr__(self, "total", _tally((None, v.state) for v in counted).get(None, Tally()))
        object.__setattr__(self, "by_node", _tally((v.mutant.node, v.state) for v in counted))
        object.__setattr__(self, "by_operator", _tally((v.mutant.operator, v.state) for v in counted))

    @property
    def seen_elsewhere(self) -> int:
        """Number of seen mutants that are seen only in other surroundings than those of a run."""
        return sum(v.state == SEEN and v.outcome.surroundings is not None for v in self.verdicts)

    @property
    def mutants_per_second(self) -> float:
        """Number of mutants run per second, including those that PostgreSQL refused."""
        return len(self.verdicts) / self.seconds if self.seconds else 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the score of all mutants lies, with a confidence of 95 %.

        None unless it comes from a sample.
        """
        if not (self.is_sample and self.unmeasured and self.total.score is not None):
            return None
        return _wilson(self.total.score, self.total.mutants - self.total.equivalent)

    def survivors(self) -> list[Verdict]:
        """Mutants that no check saw and that are not known to be equivalent, blind spots first."""
        return sorted(
            (v for v in self.verdicts if v.state in (BLIND_SPOT, UNDECIDED)), key=lambda v: v.state != BLIND_SPOT
        )

    def as_json(self) -> dict[str, Any]:
        """Return the score in the typed shape that `--json` prints."""
        return self.total.as_json() | {
            "unmeasured": self.unmeasured,
            "interval": self.interval,
            "stillborn": sum(v.state == STILLBORN for v in self.verdicts),
            "seen_elsewhere": self.seen_elsewhere,
            "seconds": round(self.seconds, 3),
            "mutants_per_second": round(self.mutants_per_second, 1),
            "by_model": {name: tally.as_json() for name, tally in self.by_node.items()},
            "by_operator": {name: tally.as_json() for name, tally in sorted(self.by_operator.items())},
            "survivors": [self._survivor(v) for v in self.survivors()],
        }

    def _survivor(self, v: Verdict) -> dict[str, Any]:
        spoiled = self.spoiled.get(v.mutant.id, Spoiled())
        return {
            "id": v.mutant.id,
            "state": v.state,
            "model": v.mutant.node,
            "operator": v.mutant.operator,
            "place": v.mutant.place,
            "before": v.mutant.before,
            "after": v.mutant.after,
            "spoils": spoiled.words or None,
            "rows": {some.seed: some.as_json() for some in spoiled.rows},
            "closes": spoiled.closes,
            "repeats": list(spoiled.repeats),
            "hides": list(spoiled.hides),
        }


def _tally(states: Iterable[tuple[str | None, str]]) -> dict[Any, Tally]:
    tallies: dict[Any, Tally] = defaultdict(Tally)
    for name, state in states:
        tallies[name].add(state)
    return dict(tallies)


def _wilson(share: float, number: int) -> tuple[float, float]:
    """The interval of a share with a confidence of 95 %, after Wilson.

    It holds near 0 and 1, too.
    """
    z = 1.96
    middle = share + z * z / (2 * number)
    width = z * sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    whole = 1 + z * z / number
    return max(0.0, (middle - width) / whole), min(1.0, (middle + width) / whole)
