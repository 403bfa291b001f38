"""The runs of the dye in angiogram.runs, at most one of them active.

A run is active (in hand) for as long as it renews its lease. Its row also carries what one step leaves to the next, so
that each step may run in a process of its own. Each pipeline has its own lease and its own runs: a session declares
which pipeline it works for (migration 0022). `angiogram.store.lease` starts runs.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import Json, RealDictCursor

from angiogram.core.errors import LeaseLost, UnknownRun
from angiogram.core.stage_id import StageId, as_json, from_json
from angiogram.store.old_reports import as_current
from ingestion.database.errors import sentence
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable

RUNS_ROLE = "angiogram"

CHANNEL: LiteralString = "angiogram_runs"
"""Where PostgreSQL notifies whoever waits that a run has ended."""


@dataclass(frozen=True, slots=True)
class Run:
    """One row of angiogram.runs.

    Attributes:
        run_id: the start time and a random suffix, such as `20261121T074500Z-ab12cd`.
        in_hand: whether this is the active run, whose messages the models see.
        pipeline: name of the dbt project that is tested.
        batch: highest batch that the models may see; 0 before the first.
        lease_until: when it stops being active unless the lease is renewed.
        owner: host and process that started it.
        verdict: healthy, blocked or could_not_run; None while it is running.
        blockage: the blocked stages.
        report: what is known so far, and at the end the whole report.
        steps: what each step left to later ones, by step name.
        batches_taken_at: when each batch became visible to the models, by its number.
        failed_with: the error that ended a step; None if none did.
    """

    run_id: str
    in_hand: bool
    batch: int
    lease_until: datetime | None
    owner: str | None
    started_at: datetime
    finished_at: datetime | None
    verdict: str | None
    blockage: list[StageId] | None
    report: dict[str, Any]
    pipeline: str = ""
    steps: dict[str, Any] = field(default_factory=dict)
    batches_taken_at: dict[str, str] = field(default_factory=dict)
    failed_with: str | None = None

    def step(self, name: str) -> dict[str, Any]:
        """Return the result that a step left behind, or an empty one if it has not run."""
        result: dict[str, Any] = self.steps.get(name, {})
        return result

    @property
    def is_selected(self) -> bool:
        """Return whether it tested selected models only, not the whole project."""
        return "selection" in self.report

    @property
    def seconds(self) -> float | None:
        """Return the time to its verdict, or to its end without one.

        It is the same wherever it is shown.
        """
        told: float | None = self.report.get("seconds")
        if told is None and self.finished_at is not None:
            return (self.finished_at - self.started_at).total_seconds()
        return told


_SELECT: LiteralString = (
    "select run_id, in_hand, batch, lease_until, owner, started_at, finished_at, verdict, blockage,"
    " coalesce(report, '{}') as report, pipeline, steps, batches_taken_at, failed_with from angiogram.runs"
)


def say_on_stderr(text: str) -> None:
    """Print on stderr what is waited for. stdout is for the report."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def database(purpose: str) -> Iterator[connection]:
    """Open a connection as role angiogram in autocommit, and close it at the end.

    Raises:
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached, or the connection was lost.
    """
    opened = connect(RUNS_ROLE, f"angiogram {purpose}")
    try:
        opened.autocommit = True
        yield opened
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise DatabaseUnavailable(f"During {purpose}: {sentence(error) or str(error).strip()}") from error
    finally:
        opened.close()


def work_for(database: connection, pipeline: str) -> None:
    """Restrict a session to the rows of one pipeline, both for reading and for writing."""
    with database.cursor() as query:
        query.execute("select set_config('angiogram.pipeline', %s, false)", (pipeline,))


def renew(database: connection, run_id: str) -> None:
    """Renew the lease.

    Raises:
        LeaseLost: the run is no longer active.
    """
    _update_in_hand(database, run_id, "", ())


def save_step(database: connection, run_id: str, step: str, result: dict[str, Any]) -> None:
    """Store a step's result in the run's row, and renew the lease.

    Raises:
        LeaseLost: the run is no longer active.
    """
    _update_in_hand(
        database,
        run_id,
        ", steps = steps || jsonb_build_object(%s::text, %s::jsonb)",
        (step, Json(result)),
    )


def take_batch(database: connection, run_id: str, batch: int, batch_1_last_message: int) -> None:
    """Make the messages of a batch, and of those before it, visible to the models.

    Raises:
        LeaseLost: the run is no longer active.
    """
    _update_in_hand(
        database,
        run_id,
        ", batch = %s, batch_1_last_message = %s,"
        " batches_taken_at = batches_taken_at || jsonb_build_object(%s::text, clock_timestamp())",
        (batch, batch_1_last_message, batch),
    )


def _update_in_hand(database: connection, run_id: str, assignments: LiteralString, values: tuple[Any, ...]) -> None:
    with database.cursor() as query:
        query.execute(
            "update angiogram.runs set"
            " lease_until = clock_timestamp() + make_interval(secs => lease_seconds)"
            + assignments
            + " where run_id = %s and in_hand",
            (*values, run_id),
        )
        if query.rowcount == 0:
            raise LeaseLost(f"Run {run_id} is no longer in hand: its lease expired or it has ended. Start a new run.")


def record(database: connection, run_id: str, verdict: str, blockage: list[StageId], report: dict[str, Any]) -> bool:
    """Record a run's verdict, and return whether it had none before.

    The first verdict is kept: a late clean-up does not overwrite it.
    """
    with database.cursor() as query:
        query.execute(
            "update angiogram.runs set verdict = %s, blockage = %s, report = coalesce(report, '{}') || %s,"
            " finished_at = clock_timestamp() where run_id = %s and verdict is null",
            (verdict, Json(as_json(blockage)), Json(report), run_id),
        )
        return query.rowcount > 0


def release(database: connection, run_id: str) -> None:
    """Release a run's lease so that the next run can start. Does nothing if it is not active."""
    with database.cursor() as query:
        query.execute("update angiogram.runs set in_hand = false where run_id = %s and in_hand", (run_id,))
        query.execute("select pg_notify(%s, %s)", (CHANNEL, run_id))


def read(database: connection, run_id: str) -> Run:
    """Return one run.

    Raises:
        UnknownRun: there is no run with this ID.
    """
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(_SELECT + " where run_id = %s", (run_id,))
        row = query.fetchone()
    if row is None:
        raise UnknownRun(f"No run has the id {run_id}. `angiogram runs` lists the latest.")
    return _run(row)


def last(database: connection, limit: int) -> list[Run]:
    """Return the runs that started last, newest first."""
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(_SELECT + " order by started_at desc limit %s", (limit,))
        return [_run(row) for row in query.fetchall()]


def _run(row: Mapping[str, Any]) -> Run:
    """Build a run from its row, with times in UTC whatever the session's time zone."""
    cells: dict[str, Any] = {
        name: cell.astimezone(UTC) if isinstance(cell, datetime) else cell for name, cell in row.items()
    }
    blockage = cells.pop("blockage")
    report = as_current(cells.pop("report"))
    return Run(blockage=None if blockage is None else from_json(blockage), report=report, **cells)
