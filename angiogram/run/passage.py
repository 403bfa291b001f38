"""Runs all steps of a run in this process.

Airflow runs the same steps one by one. Here the dbt project is parsed only once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from angiogram.core.errors import LeaseLost
from angiogram.core.interrupts import raise_if_told
from angiogram.dbt.project import Project
from angiogram.run import endings, steps
from angiogram.run.walk import Walk, through
from angiogram.store import run_ids, runs
from ingestion.errors import DatabaseUnavailable

LEASE_OF_PROCESS = 30.0
"""Seconds that the run stays active after this process is killed. Until then the process keeps renewing the lease."""


class Passage:
    """A run from its start to its verdict.

    Attributes:
        run_id: None until `run` is called.
    """

    def __init__(self, open_project: Callable[[], Project], wait: float, say: Callable[[str], None]) -> None:
        """Store the arguments. Nothing else happens yet.

        Args:
            open_project: returns the dbt project whose models are tested.
            wait: maximum number of seconds to wait for another run.
            say: called with what happens.
        """
        self.run_id: str | None = None
        self._open_project = open_project
        self._wait = wait
        self._say = say

    def run(self) -> dict[str, Any]:
        """Do all steps, and record and release the run whatever happens.

        An alert is sent if the run could not run.

        Returns:
            The report, see angiogram.judge.verdict.report.

        Raises:
            AngiogramError, IngestionError: the pipeline could not be judged; the run records why.
            KeyboardInterrupt: the run was interrupted, and is released.
        """
        run_id = self.run_id = run_ids.new()
        with endings.ended_if_it_fails(run_id):
            project = self._open_project()
        steps.begin(LEASE_OF_PROCESS, self._wait, self._say, run_id)
        try:
            with endings.ended_if_it_fails(run_id), kept_in_hand(run_id):
                self._say(f"Run {run_id}")  # from here on Ctrl-C ends this run
                report = self._steps(run_id, project)
        except KeyboardInterrupt:
            self._say(f"Interrupted. Run {run_id} is released.")
            raise
        steps.finish(run_id)
        return report

    def _steps(self, run_id: str, project: Project) -> dict[str, Any]:
        results: dict[str, dict[str, Any]] = {}
        for name, result in through(Walk(run_id=run_id, project=project, say=self._say)):
            results[name] = result
            if name not in ("prepare", "verdict"):
                self._tell(name.replace("_", " "), result)
        return results["verdict"]

    def _tell(self, step: str, result: dict[str, Any]) -> None:
        told = [f"{name.replace('_', ' ')} {value}" for name, value in result.items() if isinstance(value, int | str)]
        if failed := result.get("failed"):
            told.append(f"failed: {', '.join(failed)}")
        self._say(f"{step:<14} {result['seconds']:6.2f} s  {', '.join(told)}".rstrip())
        raise_if_told()


@contextmanager
def kept_in_hand(run_id: str) -> Iterator[None]:
    """Renew the lease in a separate thread, so that a long step does not look like a dead run."""
    stop = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(run_id, stop), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _renew_until(run_id: str, stop: threading.Event) -> None:
    while not stop.wait(LEASE_OF_PROCESS / 6):
        try:
            with runs.database("lease") as database:
                while not stop.wait(LEASE_OF_PROCESS / 6):
                    runs.renew(database, run_id)
        except DatabaseUnavailable:  # affects only this connection; the current step has its own and may continue
            continue
        except LeaseLost:
            return  # the current step meets the same problem and reports it
