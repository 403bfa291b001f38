"""Runs many mutants at a time. Every worker has its own sessions."""

import os
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

from angiogram.core.errors import UnmutatedFails
from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.bench.bench import Bench, Check, MutantOutcome
from angiogram.sensitivity.choice import listed, unsteady
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.mutants import Mutant, model_mutants, seed_mutants
from angiogram.sensitivity.mutants.trees import all_of
from angiogram.warehouse.sessions import open_scratches

WORKERS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The positions of the dye's messages, and the session that reads them.

    The expected seeds hold in all surroundings.

    Attributes:
        name: their name in a verdict.
        tables: everything that models read and no model makes.
        time_zone: the session's time zone. None: the role's own.
        against_expected: whether mutants are compared with the expected seeds. False for other input than the dye:
            there they are compared with the unmutated models.
    """

    name: str
    tables: Sequence[Table]
    time_zone: str | None = None
    against_expected: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of mutants after a time.

    Attributes:
        outcomes: the result of each. None: it was not run.
        seconds: how long it took.
        interrupt: the interrupt that ended it. None: there was none.
    """

    outcomes: list[MutantOutcome | None]
    seconds: float
    interrupt: KeyboardInterrupt | None


class Runner:
    """Workers that run mutants on the dye in all of its surroundings."""

    def __init__(self, project: Compiled, directory: Path, target: str, surroundings: Sequence[Surroundings]) -> None:
        """Open every worker's sessions and build the unmutated project in them.

        Raises:
            UnmutatedFails: the unmutated project differs from its expected seeds, so mutants cannot be judged.
        """
        self.project = project
        self._stack = ExitStack()
        self._own = threading.local()
        with self._stack:
            sessions = [
                self._stack.enter_context(closing(session))
                for session in open_scratches(directory, target, WORKERS * len(surroundings))
            ]
            self._pool = self._stack.enter_context(ThreadPoolExecutor(WORKERS))
            self._benches = list(
                self._pool.map(
                    lambda session, around: (
                        around.name,
                        Bench(session, project, around.tables, around.time_zone, around.against_expected),
                    ),
                    sessions,
                    [*surroundings] * WORKERS,
                )
            )
            for name, bench in self._benches[: len(surroundings)]:
                if unequal := bench.unequal_models():
                    raise UnmutatedFails(
                        f"Unmutated models differ from their expected seeds ({name}): {', '.join(unequal)}. "
                        f"{unequal[0]}: {bench.difference(unequal[0])} "
                        "Correct them first (`dbt build --target angiogram` shows the differences)."
                        f"{_unsteady(project)}{_unheeded(project)}"
                    )
            self._sets = [
                self._benches[number : number + len(surroundings)]
                for number in range(0, len(self._benches), len(surroundings))
            ]
            self._free = self._sets[:]
            self._stack = self._stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def first_bench(self) -> Bench:
        """A bench for single questions while no mutants run."""
        return self._benches[0][1]

    def mutants(self, chosen: Collection[str] | None = None) -> list[Mutant]:
        """Return all mutants of the project's models and reference seeds, or of those chosen."""
        describe = self.first_bench.describe
        models = [model for model in self.project.models.values() if chosen is None or model.name in chosen]
        seeds = [seed for name, seed in self.project.seeds.items() if chosen is None or name in chosen]
        found = [m for model in models for m in model_mutants(self.project, model, describe)]
        return found + [m for seed in seeds for m in seed_mutants(seed)]

    def empty_models(self) -> list[str]:
        """Models without a row, in which no mistake can be seen."""
        rows = [Check(name, all_of(name), frozenset({name})) for name in self.project.models]
        return sorted(self.project.models.keys() - self.first_bench.failing_unmutated(rows))

    def run(
        self, mutants: Iterable[Mutant], noticed: Callable[[], None] = lambda: None
    ) -> tuple[list[MutantOutcome], float]:
        """Run mutants. Return their outcomes in the same order, and the seconds it took.

        Args:
            mutants: the mutants to run.
            noticed: called after each mutant.
        """
        begun = perf_counter()
        outcomes = []
        for outcome in self._pool.map(self._run_one, mutants):
            outcomes.append(outcome)
            noticed()
        return outcomes, perf_counter() - begun

    def run_within(
        self, mutants: Sequence[Mutant], noticed: Callable[[], None], limit: float | None = None
    ) -> Measured:
        """Run mutants until all are done, a time is over, or somebody interrupts.

        Args:
            mutants: the mutants to run.
            noticed: called after each mutant.
            limit: seconds after which no further mutant is begun. None: no limit.

        Raises:
            KeyboardInterrupt: a second interrupt, while the mutants under way were waited for.
        """
        begun = perf_counter()
        is_over = threading.Event()

        def unless_over(mutant: Mutant) -> MutantOutcome | None:
            if is_over.is_set() or (limit is not None and perf_counter() - begun >= limit):
                return None
            return self._run_one(mutant)

        futures = [self._pool.submit(unless_over, mutant) for mutant in mutants]
        waited_for, interrupt = iter(futures), None
        while True:
            try:
                for future in waited_for:
                    if future.result():
                        noticed()
                break
            except KeyboardInterrupt as told:
                if interrupt:
                    raise
                interrupt = told
                is_over.set()
        return Measured([future.result() for future in futures], perf_counter() - begun, interrupt)

    def seen_by_others(
        self, mutants: Sequence[Mutant], checks: Sequence[Check], noticed: Callable[[], None] = lambda: None
    ) -> dict[str, set[str]]:
        """Return the ids of the mutants that other kinds of checks see, by kind.

        The mutants are run in the usual surroundings.

        Args:
            mutants: the mutants, none of them stillborn.
            checks: the checks.
            noticed: called after each mutant.
        """
        found: dict[str, set[str]] = {check.kind: set() for check in checks}

        def failing(mutant: Mutant) -> set[str]:
            return self._own_benches()[0][1].failing(mutant, checks)

        for mutant, kinds in zip(mutants, self._pool.map(failing, mutants), strict=True):
            for kind in kinds:
                found[kind].add(mutant.id)
            noticed()
        return found

    def _own_benches(self) -> list[tuple[str, Bench]]:
        if not hasattr(self._own, "benches"):
            self._own.benches = self._free.pop()
        benches: list[tuple[str, Bench]] = self._own.benches
        return benches

    def _run_one(self, mutant: Mutant) -> MutantOutcome:
        outcome = MutantOutcome(None, "survived")
        for number, (name, bench) in enumerate(self._own_benches()):
            outcome = bench.run(mutant)
            if outcome.how != "survived":
                return MutantOutcome(outcome.seen_by, outcome.how, name if number else None)
        return outcome


def _unsteady(project: Compiled) -> str:
    """Name the models whose output is another each time, since they may differ because of it."""
    found = unsteady(project)
    return f" These read what changes from run to run: {listed(found)}." if found else ""


def _unheeded(project: Compiled) -> str:
    """Describe what dbt does but sensitivity ignores, since models may differ because of it."""
    found = [f"{m.name} ({', '.join(m.unheeded)})" for m in project.models.values() if m.unheeded]
    if not found:
        return ""
    return (
        f" If dbt shows none: sensitivity does without the settings of {', '.join(found)}. "
        "Put what they do to rows into the model's SQL."
    )
