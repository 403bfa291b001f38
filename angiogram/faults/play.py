"""Plays faults: each in one real run, from the front door to the verdict."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angiogram.core.errors import AngiogramError, NotTheDyes, UnsupportedProject
from angiogram.core.stage_id import from_json
from angiogram.core.words import BLOCKED, COULD_NOT_RUN, HEALTHY
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import ProjectPaths, dye_target
from angiogram.dbt.targets import read_targets
from angiogram.dye.messages import read_whole_dye
from angiogram.faults.door import tampering_door
from angiogram.faults.fault import Fault, Ground, as_owner
from angiogram.faults.place import WorkingCopy, own_place
from angiogram.run import steps
from angiogram.run.passage import LEASE_OF_PROCESS, kept_in_hand
from angiogram.run.walk import Walk, through
from ingestion.errors import IngestionError
from ingestion.settings import DatabaseSettings


@dataclass(frozen=True, slots=True)
class Played:
    """The result of a fault.

    Attributes:
        fault: which one.
        verdict: of the run.
        named: the blockage that the verdict named.
        seconds: duration of the run, including the planting.
        error: why the fault could not be played; None if it was.
    """

    fault: Fault
    verdict: str
    named: tuple[str, ...]
    seconds: float
    error: str | None = None

    @property
    def as_expected(self) -> bool:
        """Return whether the verdict named exactly the planted stages.

        For a fault that a correct pipeline absorbs: none, and the verdict is healthy.
        """
        expected = BLOCKED if self.fault.planted else HEALTHY
        return self.verdict == expected and set(self.named) == set(self.fault.planted)

    def as_json(self) -> dict[str, Any]:
        """Return the result as `angiogram faults --json` prints it. No stage is null."""
        return {
            "name": self.fault.name,
            "planted_stage": ", ".join(self.fault.planted) or None,
            "named_stage": ", ".join(self.named) or None,
            "detected": self.verdict == BLOCKED,
            "expected_verdict": BLOCKED if self.fault.planted else HEALTHY,
            "verdict": self.verdict,
            "as_expected": self.as_expected,
            "seconds": round(self.seconds, 2),
            "error": self.error,
        }


class Player:
    """Plays faults one after the other. Use `player` to create one."""

    def __init__(self, copy: WorkingCopy, front_door: str, target: str | None) -> None:
        """Store the arguments. Nothing else happens yet.

        Args:
            copy: of the dbt project.
            front_door: URL of the real front door.
            target: a dye target of the project; the first by default.
        """
        self._target = target
        self._copy = copy
        self._front_door = front_door

    def play(self, fault: Fault) -> Played:
        """Plant a fault, send the dye, and return the verdict.

        A fault that finds nothing to change, or a run that cannot be judged, is reported as could_not_run: the other
        faults are still played.

        Raises:
            NotTheDyes: dbt would write relations that the dye did not create.
        """
        started = time.perf_counter()
        try:
            report = self._report(fault)
        except NotTheDyes:
            raise  # this applies to every fault
        except (AngiogramError, IngestionError) as error:
            told = f"{type(error).__name__}: {error}"
            return Played(fault, COULD_NOT_RUN, (), time.perf_counter() - started, told)
        return Played(
            fault, report["verdict"], tuple(map(str, from_json(report["blockage"]))), time.perf_counter() - started
        )

    def _report(self, fault: Fault) -> dict[str, Any]:
        paths = self._copy.renew()
        ground = Ground(paths.folder)
        fault.plant(ground)
        project = Project(paths, tests=False, target=self._target)
        run_id = steps.begin(LEASE_OF_PROCESS, say=_quiet, alerts=False)  # a planted fault must alert nobody
        try:
            with kept_in_hand(run_id):
                return self._passage(run_id, ground, project)
        finally:
            ground.clean_up()
            as_owner(lambda query: query.execute("delete from raw.unverified_dye"))  # must not block the next run
            steps.finish(run_id, alerts=False)

    def _passage(self, run_id: str, ground: Ground, project: Project) -> dict[str, Any]:
        @contextmanager
        def around(step: str) -> Iterator[None]:
            ground.reach(step, run_id)
            yield

        real = self._front_door
        with tampering_door(real, ground.tamper) if ground.tamper else nullcontext(real) as door:
            walk = Walk(
                run_id=run_id,
                project=project,
                dye=ground.order(read_whole_dye(project.directory)) if ground.order else None,
                door_url=door,
                alerts=False,
                say=_quiet,
            )
            return dict(through(walk, around=around))["verdict"]


@contextmanager
def player(original: Path, target: str | None = None) -> Iterator[Player]:
    """Yield a player with its own database, topic and front door, deleted at the end.

    Args:
        original: the dbt project.
        target: a dye target of it; the first by default.

    Raises:
        SettingsError, DatabaseUnavailable, KafkaUnavailable: a server is down, or its address is not set.
        UnsupportedProject: the target is not a dye target, or the project's profile names another database.
    """
    from ingestion.front_door.server import serving  # imports a web server

    target = dye_target(original, target)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, own_place(), serving() as front_door:
        copy = WorkingCopy(ProjectPaths.of(original), Path(folder))
        _require_own_database(Project(copy.renew(), target=target))
        yield Player(copy, front_door, target)


def _require_own_database(project: Project) -> None:
    _ = project.manifest  # dbt keeps the previous environment until it reads a project
    found, own = read_targets(project).dye.database, DatabaseSettings.from_environment().name
    if found != own:
        raise UnsupportedProject(
            f"The profile of {project.directory} leads to the database {found}, and not to that of the faults: let its "
            "dbname be env_var('PGDATABASE'). Nothing was built."
        )


def play_all(played_by: Player, faults: Sequence[Fault], tell: Callable[[Played], None]) -> list[Played]:
    """Play faults one after the other, and report each as it ends."""
    results = []
    for fault in faults:
        results.append(played_by.play(fault))
        tell(results[-1])
    return results


def _quiet(_: str) -> None:
    """Say nothing: nobody else uses this database, so no run waits."""
