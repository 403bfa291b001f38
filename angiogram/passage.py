"""One passage of the dye in this process: the steps that Airflow runs one by one, with one parse of the dbt project."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from angiogram import runs, steps
from angiogram.errors import LeaseLost
from angiogram.project import Project
from ingestion.errors import DatabaseUnavailable

_told_to_stop = False

LEASE = 30.0
"""Seconds that the run stays in hand if this process is killed; while it lives, it renews them all the time."""


def interrupt(signal_number: int, frame: object) -> None:
    """The answer to Ctrl-C and SIGTERM: end the run, and release it.

    Raises:
        KeyboardInterrupt: always; should it be lost on its way, as in a destructor, the next step raises it again.
    """
    global _told_to_stop
    _told_to_stop = True  # no Event: the lock that it takes may be this thread's own, in the midst of another signal
    raise KeyboardInterrupt


class Passage:
    """A run from its beginning to its verdict.

    Attributes:
        run_id: None until the run is in hand.
    """

    def __init__(self, project: Project, wait: float, say: Callable[[str], None]) -> None:
        """Nothing happens yet.

        Args:
            project: the dbt project whose models are tested.
            wait: seconds to wait for another run at most.
            say: told what happens.
        """
        self.run_id: str | None = None
        self._project = project
        self._wait = wait
        self._say = say

    def run(self) -> dict[str, Any]:
        """Do all steps; the run is released whatever happens.

        Returns:
            The report, see angiogram.verdict.judge.

        Raises:
            AngiogramError, IngestionError: the pipeline could not be judged; the run records why.
            KeyboardInterrupt: the run was interrupted, and is released.
        """
        try:
            run_id = self.run_id = steps.begin(LEASE, self._wait, self._say)
            self._say(f"Run {run_id}")
            with kept_in_hand(run_id):
                report = self._steps(run_id)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self._release("interrupted")
                self._say(f"Interrupted. Run {self.run_id} is released." if self.run_id else "Interrupted.")
            else:
                self._release(f"{type(error).__name__}: {error}")
            raise
        steps.finish(run_id)
        return report

    def _steps(self, run_id: str) -> dict[str, Any]:
        steps.prepare(run_id, self._project, self._say)  # ends the run before any dye is sent
        self._tell("inject", steps.inject(run_id))
        self._tell("check topic", steps.check_topic(run_id))
        self._tell("load", steps.load(run_id))
        self._tell("check loaded", steps.check_loaded(run_id))
        for batch in (1, 2):
            self._tell(f"build batch {batch}", steps.build_batch(run_id, batch, self._project))
        return steps.verdict(run_id, self._project)

    def _tell(self, step: str, result: dict[str, Any]) -> None:
        told = [f"{name.replace('_', ' ')} {value}" for name, value in result.items() if isinstance(value, int | str)]
        if failed := result.get("failed"):
            told.append(f"failed: {', '.join(failed)}")
        self._say(f"{step:<14} {result['seconds']:6.2f} s  {', '.join(told)}".rstrip())
        if _told_to_stop:
            raise KeyboardInterrupt

    def _release(self, error: str) -> None:
        if self.run_id is None:
            return
        try:
            steps.finish(self.run_id, error)
        except DatabaseUnavailable:
            self._say(f"Run {self.run_id} could not be released; its lease runs out within {LEASE:g} s.")


@contextmanager
def kept_in_hand(run_id: str) -> Iterator[None]:
    """Renew the lease from a thread of its own, so that a long step is not taken for a dead run."""
    stop = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(run_id, stop), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _renew_until(run_id: str, stop: threading.Event) -> None:
    while not stop.wait(LEASE / 6):
        try:
            with runs.database("lease") as database:
                while not stop.wait(LEASE / 6):
                    runs.renew(database, run_id)
        except DatabaseUnavailable:  # this connection; the step under way has its own, and may go on
            continue
        except LeaseLost:
            return  # the step under way meets the same and says so
