"""Where a run is recorded: in PostgreSQL, or in the local file of its project.

Runs from the seeds are in the local file, whatever else there is. All other runs are in PostgreSQL. Where no settings
name a PostgreSQL server, the local file is all there is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from angiogram.core.errors import UnknownRun
from angiogram.core.stage_id import StageId
from angiogram.store import runs
from angiogram.store.kept_differences import read_all
from angiogram.store.local import LOCAL_FILE, OF_SEEDS, LocalRecord
from angiogram.store.runs import Run
from ingestion.errors import SettingsError
from ingestion.settings.pipeline import project_folder


def read_or_last(purpose: str, run_id: str | None) -> Run:
    """Return one run, or the run that started last if no ID is given.

    Args:
        purpose: what the run is read for, as PostgreSQL shows it.
        run_id: of the run.

    Raises:
        UnknownRun: there is no run with this ID, or no run at all.
        SettingsError: no settings name a server, and there is no local record either.
        DatabaseUnavailable: the server cannot be reached.
    """
    if run_id is None:
        if not (found := last(purpose, 1)):
            raise UnknownRun("There is no run yet. Start one with `angiogram run`.")
        return found[0]
    if _is_local(run_id):
        with LocalRecord.opened(_project()) as record:
            return record.read(run_id)
    with runs.database(purpose) as database:
        return runs.read(database, run_id)


def last(purpose: str, limit: int) -> list[Run]:
    """Return the runs that started last, newest first. See read_or_last for the errors."""
    try:
        with runs.database(purpose) as database:
            return runs.last(database, limit)
    except SettingsError:
        if not (_project() / LOCAL_FILE).is_file():
            raise
        with LocalRecord.opened(_project()) as record:
            return record.last(limit)


def differences(run: Run, order: Sequence[StageId], stage: StageId | None = None) -> Iterator[dict[str, Any]]:
    """Yield all differences of a run.

    Args:
        run: the run.
        order: the stages in order; others follow.
        stage: only this stage; None: all.
    """
    if _is_local(run.run_id):
        with LocalRecord.opened(_project()) as record:
            yield from record.differences(run.run_id, order, stage)
    else:
        with runs.database("differences") as database:
            yield from read_all(database, run.run_id, order, stage)


def _project() -> Path:
    return project_folder().resolve()


def _is_local(run_id: str) -> bool:
    return run_id.startswith(OF_SEEDS)
