"""A step of a run: what it has in hand, and how its result or its error is recorded."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg2.extensions import connection

from angiogram.dbt.project import Project
from angiogram.dye.messages import OutgoingMessage, read_whole_dye
from angiogram.run import endings
from angiogram.store import runs


@dataclass(slots=True)
class CurrentStep:
    """The current step: the database, the run, and what the step leaves to others."""

    database: connection
    run: runs.Run
    result: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded(run_id: str, name: str) -> Iterator[CurrentStep]:
    """Open a step of the active run, and store its result or its error at the end.

    The lease is renewed at both ends.

    Args:
        run_id: the active run.
        name: of the step.

    Raises:
        LeaseLost: the run is no longer active.
        UnknownRun: there is no such run.
    """
    started = time.perf_counter()
    with runs.database(name) as database:
        runs.renew(database, run_id)
        step = CurrentStep(database, runs.read(database, run_id))
        try:
            yield step
        except Exception as error:
            endings.note_failure(database, run_id, error)
            raise
        step.result["seconds"] = round(time.perf_counter() - started, 2)
        runs.save_step(database, run_id, name, step.result)


def dye_of(project: Project | None) -> list[OutgoingMessage]:
    """Return the dye of a project, by default of the one that the environment names."""
    return read_whole_dye(project.directory if project else None)


def without(result: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a step's result without one value, which only later steps need."""
    return {key: value for key, value in result.items() if key != name}
