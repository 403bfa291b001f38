"""`angiogram sensitivity --compare-checks`: scores of other checks on the same mutants.

The result is a table in Markdown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from angiogram.core.errors import UnmutatedFails
from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.bench.bench import Bench
from angiogram.sensitivity.bench.checks import UNIT, other_checks
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.bench.score import EQUIVALENT, SEEN, STILLBORN, Score
from angiogram.sensitivity.bench.unit_tests import UnitTests
from angiogram.sensitivity.mutants.mutants import Mutant
from angiogram.warehouse.sessions import open_scratches

COMPARED = "equality with the expected seeds (ours)"
COMPARED_AS_USUAL = "the same, in the usual surroundings alone"


@dataclass(frozen=True, slots=True)
class Rival:
    """What one kind of check sees.

    Attributes:
        kind: the kind of check.
        seen: how many mutants it sees.
        worth_seeing: the number of mutants that are not equivalent.
    """

    kind: str
    seen: int
    worth_seeing: int


def side_by_side(
    runner: Runner,
    directory: Path,
    target: str,
    unit_test_target: str | None,
    tables: Sequence[Table],
    score: Score,
    noticed: Callable[[], None],
) -> list[Rival]:
    """Count how many of the mutants worth seeing each kind of check sees.

    Raises:
        UnmutatedFails: another check fails although nothing is mutated.
    """
    mutants = [v.mutant for v in score.verdicts if v.state not in (STILLBORN, EQUIVALENT)]
    checks = other_checks(runner.project, directory)
    if failing := runner.first_bench.failing_unmutated(checks):
        raise UnmutatedFails(f"Checks fail although nothing is mutated: {', '.join(failing)}. Correct them first.")
    seen = {
        COMPARED: {v.mutant.id for v in score.verdicts if v.state == SEEN},
        COMPARED_AS_USUAL: {v.mutant.id for v in score.verdicts if v.state == SEEN and not v.outcome.surroundings},
    }
    seen |= runner.seen_by_others(mutants, checks, noticed)
    seen[UNIT] = _seen_by_unit_tests(runner, directory, target, unit_test_target, tables, mutants)
    return [Rival(kind, len(ids), len(mutants)) for kind, ids in seen.items()]


def as_markdown(rivals: Sequence[Rival]) -> str:
    """Return the table for docs/."""
    lines = ["| check | mutants seen | of | score |", "|---|---:|---:|---:|"]
    for rival in rivals:
        percent = int(1000 * rival.seen / rival.worth_seeing) / 10 if rival.worth_seeing else 0.0
        lines.append(f"| {rival.kind} | {rival.seen} | {rival.worth_seeing} | {percent:.1f} % |")
    return "\n".join(lines)


def _seen_by_unit_tests(
    runner: Runner,
    directory: Path,
    target: str,
    unit_test_target: str | None,
    tables: Sequence[Table],
    mutants: Sequence[Mutant],
) -> set[str]:
    (session,) = open_scratches(directory, target, 1)
    try:
        tests = UnitTests(directory, unit_test_target, session, Bench(session, runner.project, tables))
        if failing := tests.unequal():
            raise UnmutatedFails(
                f"Unit tests fail although nothing is mutated: {', '.join(failing)}. Correct them first."
            )
        return {mutant.id for mutant in mutants if tests.see(mutant)}
    finally:
        session.close()
