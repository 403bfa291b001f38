"""Tries out input, either added to the dye or in place of it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.bench.bench import Bench, Unbuilt
from angiogram.sensitivity.bench.checks import checks_of_data
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.mutants import Mutant, original
from angiogram.sensitivity.witnesses.crowd import Crowd
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.warehouse.engines.scratch import Scratch
from angiogram.warehouse.sessions import open_scratches


class Trial:
    """Sessions for trials. Threads must not share them."""

    def __init__(self, project: Compiled, directory: Path, target: str) -> None:
        """Open the sessions and note which checks on the data hold for the present dye."""
        self._project = project
        self._directory = directory
        self._originals = {model.name: original(project, model) for model in project.models.values()}
        with ExitStack() as stack:
            number = len(surroundings(project, directory))
            self._sessions = [
                stack.enter_context(closing(session)) for session in open_scratches(directory, target, number)
            ]
            checks = checks_of_data(project)
            failing = self._taking((), sound=False)[0].failing_unmutated(checks)
            self._checks = [check for check in checks if check.kind not in failing]
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def takes(self, added: Sequence[Any], sound: bool) -> bool:
        """Whether the unmutated project builds on the dye with additions, alike everywhere.

        The result must be the same in all surroundings.

        Args:
            added: messages, or rows with the names of their seeds.
            sound: whether checks on the data that hold without the additions must hold with them.
        """
        return bool(self._taking(added, sound))

    def shows(self, mutant: Mutant, added: Sequence[Any], sound: bool) -> bool:
        """Whether a mutant is seen on the dye with additions, in any surroundings."""
        return any(bench.run(mutant).how != "survived" for bench in self._taking(added, sound))

    def hides(self, mutants: Iterable[Mutant], added: Sequence[Any]) -> list[str]:
        """Ids of the mutants that are not seen on the dye with additions.

        An added row may hide what another row showed.
        """
        benches = self._taking(added, sound=False)
        return [m.id for m in mutants if all(bench.run(m).how == "survived" for bench in benches)]

    def shows_instead(self, mutant: Mutant, items: Sequence[Any], crowd: Crowd) -> bool:
        """Whether some items of a crowd, in place of the dye, tell the mutant from the original."""
        try:
            bench = self._bench(self._sessions[0], crowd.lay(items), crowd.time_zone)
        except Unbuilt:
            return False
        return bench.run(mutant).how != "survived"

    def _taking(self, added: Sequence[Any], sound: bool) -> list[Bench]:
        """Benches on the dye with additions, one for each of the surroundings.

        Empty if the project does not build on them, if its output depends on the surroundings, or if a required check
        fails.
        """
        benches: list[Bench] = []
        try:
            for session, around in zip(
                self._sessions, surroundings(self._project, self._directory, added), strict=True
            ):
                bench = self._bench(session, around.tables, around.time_zone)
                if benches and bench.made() != benches[0].made():
                    return []
                if not benches and sound and bench.failing_unmutated(self._checks):
                    return []
                benches.append(bench)
        except Unbuilt:
            return []
        return benches

    def _bench(self, session: Scratch, tables: Sequence[Table], time_zone: str | None) -> Bench:
        return Bench(session, self._project, tables, time_zone, against_expected=False, originals=self._originals)
