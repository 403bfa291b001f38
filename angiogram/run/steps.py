"""The steps of a run.

`angiogram run` does them in one process, and Airflow in one task each. `angiogram.run.walk` lists them in order;
`begin` comes before them, and `finish` after them whatever happened. Those between `prepare` and the builds are in
`angiogram.run.before_dbt`.

Each step takes and returns plain JSON values; what one step leaves to another is stored in the run's row in
angiogram.runs. Each renews the run's lease at its start and end.

What needs a client of Kafka is imported by the step that uses it: without the extra `kafka` a run fails in `begin`,
which records why, and the commands on other runs work.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Literal

from angiogram.core.errors import NeverBegan
from angiogram.core.stage_id import from_json
from angiogram.dbt.project import Project
from angiogram.dbt.runner.results import SKIPPED, Outcome
from angiogram.dye.key_check import check_key
from angiogram.judge.build.run_builds import heard
from angiogram.judge.from_seeds import opened
from angiogram.judge.guards.surface import Surface
from angiogram.judge.live_run import judge_run
from angiogram.operate import alert
from angiogram.run import endings
from angiogram.run.step import dye_of, recorded, without
from angiogram.store import run_ids, runs, versions
from angiogram.store.lease import WAIT, take
from angiogram.warehouse.afresh import make_afresh
from ingestion.contract import LOADER
from ingestion.database.sessions import connect
from ingestion.loader.store import follower_alive
from ingestion.migrations import require_current
from ingestion.settings import FrontDoorSettings, KafkaSettings

LEASE_BETWEEN_STEPS = 900.0
"""Seconds that a lease lasts after each renewal if the run's steps are separate processes."""

BatchNumber = Literal[1, 2]


def begin(
    lease: float = LEASE_BETWEEN_STEPS,
    wait: float = WAIT,
    say: Callable[[str], None] = runs.say_on_stderr,
    run_id: str | None = None,
    alerts: bool = True,
) -> str:
    """Check that everything a run needs is in place, and take the lease.

    A run that fails here is recorded, and an alert is sent.

    Args:
        lease: seconds that the run stays active after each renewal.
        wait: maximum number of seconds to wait for another run.
        say: called with what is waited for.
        run_id: the run's ID; None: a new one.
        alerts: whether to send an alert if the run ends here.

    Returns:
        The run ID.

    Raises:
        ExtraMissing, SettingsError, DatabaseUnavailable, SchemaOutdated, KafkaUnavailable, InputError: something is
            missing.
        RunInHand: another run outlasted the wait.
    """
    run_id = run_id or run_ids.new()
    with endings.ended_if_it_fails(run_id, alerts):
        from ingestion.loader.reading.source import Source

        kafka = KafkaSettings.from_environment()
        FrontDoorSettings.from_environment()  # missing settings are reported now, not when the dye is sent
        with closing(Source.open(kafka)) as source, runs.database("begin") as database:
            _, partitions = source.topic()
            require_current(database)
            check_key(database)
            if not follower_alive(database):
                connect(LOADER, "angiogram begin").close()  # this run will load its dye itself after it is sent
            take(database, lease, wait, say, run_id)
            started = time.perf_counter()
            if alerts:
                endings.alert_taken_over(database, run_id)
            for tried in endings.take_over_local(database):
                say(f"Run {tried} could not run while PostgreSQL was away. It is recorded now.")
            versions.record(database, run_id)
            # Messages before these offsets do not belong to this run.
            starts = {str(p): bounds.readable for p, bounds in source.bounds(partitions).items()}
            seconds = round(time.perf_counter() - started, 2)
            runs.save_step(database, run_id, "begin", {"starts": starts, "seconds": seconds})
    return run_id


def require_begun(run_id: str | None, why: str | None) -> str:
    """Require that there is a run to judge.

    `begin` may be a process of its own that failed.

    Args:
        run_id: what `begin` returned; None if it returned nothing.
        why: the error that ended it, if known.

    Raises:
        NeverBegan: `begin` returned nothing.
    """
    if run_id is None:
        told = why or "see the log of the step `begin`"
        raise NeverBegan(f"The run never began, so nothing was sent and nothing is judged: {told}")
    return run_id


def prepare(
    run_id: str,
    project: Project | None = None,
    say: Callable[[str], None] = runs.say_on_stderr,
    alerts: bool = True,
) -> None:
    """Check that dbt can build the project and writes only the dye's relations.

    Then empty the dye's schemas.

    Args:
        run_id: the active run; it has ended if this fails.
        project: the dbt project; by default that of the environment.
        say: called with what is waited for.
        alerts: whether to send an alert if the run ends here.

    Raises:
        DbtFailed: dbt cannot build the project.
        NotTheDyes: dbt would write live relations, or relations that the dye did not create.
        NotReady: the project or its database cannot be used.
        TablesInUse: another session locked tables of the previous run for too long.
    """
    with endings.ended_if_it_fails(run_id, alerts), recorded(run_id, "prepare") as step:
        project = project or Project()
        project.parse()
        if not project.can_be_built:
            return  # the stages before dbt can still be judged
        with opened(project) as models:
            known_live = Surface.known_live(project.directory)
            make_afresh(models, project, known_live, say, lambda: runs.renew(step.database, run_id))


def take_batch(run_id: str, batch: BatchNumber, project: Project | None = None) -> None:
    """Make the messages of a batch, and of those before it, visible to the models.

    Args:
        run_id: the active run.
        batch: 1 or 2.
        project: an open project; by default that of the environment.

    Raises:
        LeaseLost: the run is no longer active.
    """
    last_of_batch_1 = max((d.number for d in dye_of(project) if d.batch == 1), default=0)
    with runs.database("take batch") as database:
        runs.take_batch(database, run_id, batch, last_of_batch_1)


def build_batch(run_id: str, batch: BatchNumber, project: Project | None = None) -> dict[str, Any]:
    """Make a batch visible and let dbt build.

    With batch 1 dbt builds seeds and incremental models, with batch 2 everything.

    Args:
        run_id: the active run.
        batch: 1 or 2.
        project: an open project, whose manifest is used again; by default that of the environment.

    Returns:
        failed (nodes that failed), seconds.

    Raises:
        DbtFailed: dbt ended before it built anything.
    """
    with recorded(run_id, f"build_batch_{batch}") as step:
        project = project or Project()
        take_batch(run_id, batch, project)
        dbt = heard(project.build_first_batch() if batch == 1 else project.build_all())
        step.result |= {"failed": [one["name"] for one in dbt["results"] if one["status"] != SKIPPED], "dbt": dbt}
    return without(step.result, "dbt")


def build_in_hand(run_id: str, project: Project, select: Sequence[str] = ()) -> Outcome:
    """Let dbt build everything from the visible second batch, or rebuild a part of it.

    Args:
        run_id: the active run.
        project: whose models are built.
        select: the part, in dbt's selector syntax; everything if empty.

    Raises:
        DbtFailed, LeaseLost: dbt ended before it built anything, or the run is no longer active.
    """
    with recorded(run_id, "build_batch_2") as step:
        outcome = project.build_with_equality(select)
        step.result["dbt"] = heard(outcome, step.run.step("build_batch_2").get("dbt") if select else None)
    return outcome


def verdict(run_id: str, project: Project | None = None, alerts: bool = True) -> dict[str, Any]:
    """Compare every model with its expected seed, find the blockage, and record the verdict.

    Args:
        run_id: the active run.
        project: an open project; by default that of the environment.
        alerts: whether to send an alert on the verdict.

    Returns:
        The report, see angiogram.judge.verdict.report.
    """
    with recorded(run_id, "verdict") as step:
        with step.database.cursor() as query:
            query.execute("select extract(epoch from clock_timestamp() - %s)::float8", (step.run.started_at,))
            ((seconds,),) = query.fetchall()
        report = judge_run(step.database, step.run, project or Project(), seconds)
    with runs.database("verdict") as database:
        runs.record(database, run_id, report["verdict"], from_json(report["blockage"]), report)
        if alerts:
            alert.after_verdict(database, run_id)
    return report


def finish(run_id: str | None, error: str | None = None, alerts: bool = True) -> None:
    """Release the run. If it has no verdict, record could_not_run and send an alert.

    Args:
        run_id: the run; one that has ended already is not changed; None: it never started, and `begin` has ended it.
        error: why there is no verdict; None: the error that ended its latest step.
        alerts: whether to send an alert if the run has no verdict.

    Raises:
        SettingsError, DatabaseUnavailable: the database is down; the alert was sent.
    """
    if run_id is not None:
        endings.end(run_id, error, alerts)
