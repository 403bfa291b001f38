"""Checks that the latest verdict is healthy and recent (a dead man's switch).

Silence is not good news. Verdicts are healthy and blocked. If a later run could not run, whatever ended it, the verdict
can no longer be trusted; only a run that was ended with Ctrl-C does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from psycopg2.extensions import connection

from angiogram.core.durations import spoken, utc
from angiogram.core.stage_id import StageId, from_json, listed
from angiogram.core.words import BLOCKED, COULD_NOT_RUN, ENDED_EARLY, INTERRUPTED
from angiogram.dye.checkpoints import unverified_dye
from angiogram.store import mutes


class State(StrEnum):
    """The state that follows from the latest verdict and its age."""

    HEALTHY = "healthy"
    BLOCKED = "blocked"
    OVERDUE = "overdue"
    """No verdict came within the expected time."""
    COULD_NOT_RUN = "could_not_run"
    """The latest run ended without a verdict."""


EXIT_CODE_BY_STATE = {State.HEALTHY: 0, State.BLOCKED: 1, State.OVERDUE: 2, State.COULD_NOT_RUN: 2}


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that could not run.

    Attributes:
        run_id: the run.
        error: why it has no verdict.
        at: when it ended; if its process is gone, when its lease expired.
        age: since then.
    """

    run_id: str
    error: str
    at: datetime
    age: timedelta

    def sentence(self) -> str:
        """Return the failure in words."""
        when = f"{utc(self.at)}, {spoken(self.age)} ago (run {self.run_id})"
        return f"The latest run, which ended {when}, could not run: {self.error.rstrip('.')}."


@dataclass(frozen=True, slots=True)
class Status:
    """The current state of the pipeline as far as known.

    Attributes:
        pipeline: its name: that of its dbt project.
        state: see State.
        run_id: the latest run with a verdict that counts; None if there is none.
        verdict: of that run.
        blockage: of that run.
        judged_at: when that run ended.
        code_commit: of that run.
        verified_at: when a run last found the pipeline healthy.
        age: since judged_at.
        within: how old a verdict may be.
        muted: what is muted or acknowledged now, in words.
        unjudged: later runs without a verdict.
        failure: the latest run, if it could not run.
        unverified: where messages with dye headers that do not verify wait for a release, in words; None if none do.
    """

    pipeline: str
    state: State
    run_id: str | None
    verdict: str | None
    blockage: list[StageId]
    judged_at: datetime | None
    code_commit: str | None
    verified_at: datetime | None
    age: timedelta | None
    within: timedelta
    muted: list[str]
    unjudged: int
    failure: Failure | None
    unverified: str | None

    def sentence(self) -> str:
        """Return the status in words."""
        told = [self.failure.sentence(), self._of_the_verdict()] if self.failure else [self._of_the_verdict()]
        if self.unjudged:
            some = f"{self.unjudged} run{'s' if self.unjudged > 1 else ''}"
            told.append(f"Since then {some} reached no verdict: see `angiogram runs`.")
        if self.unverified:
            told.append(self.unverified)
        return " ".join(told)

    def _of_the_verdict(self) -> str:
        if self.age is None or self.judged_at is None:
            return "No run has reached a verdict yet. Start one with `angiogram run`."
        when = f"{utc(self.judged_at)}, {spoken(self.age)} ago (run {self.run_id})"
        at = f" at {listed(self.blockage)}" if self.blockage else ""
        if self.age > self.within:
            return (
                f"No verdict within {spoken(self.within)}: the latest one, {self.verdict}{at}, came {when}. "
                "Check whether the scheduler that starts `angiogram run` is working."
            )
        return f"{str(self.verdict).capitalize()}{at} by the verdict of {when}."


def status(database: connection, within: timedelta) -> Status:
    """Judge the latest verdict and its age by the database's clock.

    Args:
        database: as role angiogram.
        within: how old the latest verdict may be.
    """
    with database.cursor() as query:
        query.execute(
            "select last_run_id, last_verdict, last_blockage, last_judged_at, last_code_commit, verified_at,"
            " clock_timestamp() - last_judged_at from angiogram.last_verified order by last_judged_at desc limit 1"
        )
        found = query.fetchone() or (None,) * 7
        run_id, verdict, blockage, judged_at, code_commit, verified_at, age = found
        query.execute(
            "select count(*) from angiogram.runs"
            " where verdict = %s and finished_at > coalesce(%s::timestamptz, '-infinity')",
            (COULD_NOT_RUN, judged_at),
        )
        ((unjudged,),) = query.fetchall()
        query.execute("select coalesce(current_setting('angiogram.pipeline', true), '')")
        ((pipeline,),) = query.fetchall()
    claims = unverified_dye(database)
    failure = _failure(database, judged_at)
    state = State.HEALTHY
    if failure is not None:
        state = State.COULD_NOT_RUN
    elif age is None or age > within:
        state = State.OVERDUE
    elif verdict == BLOCKED or not claims.holds:
        state = State.BLOCKED
    muted = [
        f"{'alerts on ' + listed(m.blockage) if m.blockage else 'all alerts'}"
        f" until {utc(m.muted_until)} by {m.made_by}: {m.reason}"
        for m in mutes.in_force(database)
    ]
    return Status(
        pipeline=pipeline,
        state=state,
        run_id=run_id,
        verdict=verdict,
        blockage=from_json(blockage),
        judged_at=judged_at,
        code_commit=code_commit,
        verified_at=verified_at,
        age=age,
        within=within,
        muted=muted,
        unjudged=unjudged,
        failure=failure,
        unverified=claims.detail,
    )


def _failure(database: connection, judged_at: datetime | None) -> Failure | None:
    """Return the latest run since the latest verdict, if it could not run."""
    with database.cursor() as query:
        query.execute(
            "select run_id, coalesce(report ->> 'error', failed_with, %s), ended_at,"
            " clock_timestamp() - ended_at"
            " from angiogram.runs cross join lateral (select coalesce(finished_at, lease_until) as ended_at) as ended"
            " where (verdict = %s or (verdict is null and ended_at < clock_timestamp()))"
            " and coalesce(report ->> 'error', '') <> %s and ended_at > coalesce(%s::timestamptz, '-infinity')"
            " order by ended_at desc limit 1",
            (ENDED_EARLY, COULD_NOT_RUN, INTERRUPTED, judged_at),
        )
        found = query.fetchone()
    return Failure(*found) if found else None


def metrics(found: Status) -> Iterator[str]:
    """Yield the status in Prometheus' text format, line by line, for a textfile collector."""

    def measured(name: str, meaning: str, value: object) -> Iterator[str]:
        yield from _metric(name, meaning)
        yield f"{name}{_labels(pipeline=found.pipeline)} {value}"

    yield from measured(
        "angiogram_status",
        "0 healthy, 1 blocked, 2 no verdict in time, or the latest run could not run.",
        EXIT_CODE_BY_STATE[found.state],
    )
    yield from measured("angiogram_muted", "Mutes and acknowledgements in force.", len(found.muted))
    yield from measured(
        "angiogram_unverified_dye",
        "1 while messages with dye headers that do not verify are waiting.",
        int(found.unverified is not None),
    )
    if found.judged_at is not None:
        yield from measured(
            "angiogram_last_verdict_timestamp_seconds",
            "Time of the latest verdict.",
            f"{found.judged_at.timestamp():.3f}",
        )
    if found.verified_at is not None:
        yield from measured(
            "angiogram_last_verified_timestamp_seconds",
            "Time of the latest healthy verdict.",
            f"{found.verified_at.timestamp():.3f}",
        )
    if found.blockage:
        yield from _metric("angiogram_blocked_stage", "1 for each stage at which the latest verdict found a blockage.")
        for stage in found.blockage:
            yield f"angiogram_blocked_stage{_labels(pipeline=found.pipeline, stage=str(stage))} 1"


def _labels(**labels: str) -> str:
    """Return labels as Prometheus reads them."""
    escaped = {
        name: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for name, text in labels.items()
    }
    return "{" + ",".join(f'{name}="{text}"' for name, text in escaped.items()) + "}"


def _metric(name: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} gauge"
