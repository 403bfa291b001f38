"""Alerts on a blockage, on a run that could not run, and on recovery.

They go to every address in ANGIOGRAM_ALERT_URLS. The addresses are apprise's, separated by blanks: `slack://...`,
`mmost://host/token` (any Slack-compatible webhook of your own), `mailto://...`, `json://host/path`. They hold secrets,
so errors name them by their number and service.

An alert is sent once per change. It counts as sent if at least one address took it: a verdict whose alert was muted,
acknowledged or not taken is sent after the next run if it still applies. While PostgreSQL itself is down, earlier
alerts and mutes are unknown, so each try sends one.
"""

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.core.durations import utc
from angiogram.core.environment import ALERT_URLS, Environment
from angiogram.core.stage_id import StageId, as_json, from_json
from angiogram.core.words import BLOCKED, COULD_NOT_RUN, HEALTHY
from angiogram.operate.address import AlertMessage, send
from angiogram.report import headline
from angiogram.store import mutes, runs
from ingestion.addresses import without_user_info

FIRST_PAUSE = 1.0
"""Seconds before the second try; twice as long before each further one."""


@dataclass(frozen=True, slots=True)
class Alert:
    """The outcome of an alert.

    Attributes:
        state: sent (at least one address took it), failed, muted, acknowledged, or nobody (no address is set).
        message: its text.
        detail: which addresses did not take it, or why it was not sent.
    """

    state: str
    message: str
    detail: str | None = None


def after_verdict(database: connection, run_id: str, pause: float = FIRST_PAUSE) -> Alert | None:
    """Send an alert on a run's verdict unless the latest alert said the same.

    The outcome is recorded. Addresses that do not answer are not an error: they are recorded and named on stderr.

    Args:
        database: as role angiogram, in autocommit.
        run_id: a run with its verdict recorded.
        pause: seconds before the second try of an address.

    Returns:
        None if no alert was needed.

    Raises:
        UnknownRun: there is no such run.
    """
    run = runs.read(database, run_id)
    if run.verdict not in (HEALTHY, BLOCKED, COULD_NOT_RUN) or not _is_news(database, run):
        return None
    alert = _alert(database, run, pause)
    _record(database, run, alert)
    if alert.detail and alert.state != "nobody":
        print(f"The alert about run {run_id}: {alert.detail}", file=sys.stderr, flush=True)
    return alert


def unrecorded(error: str, why: str, pause: float = FIRST_PAUSE) -> Alert:
    """Send an alert on a run that could not run and that PostgreSQL cannot record.

    Failures are named on stderr.

    Args:
        error: why it could not run.
        why: why it is not recorded.
        pause: seconds before the second try of an address.
    """
    lines = [error] if error == why else [error, f"The run is not recorded: {why}"]
    alert = _sent(AlertMessage(_title({"verdict": COULD_NOT_RUN}), lines, "See: angiogram doctor"), False, pause)
    if alert.state == "failed":
        print(f"The alert about a run that could not begin: {alert.detail}", file=sys.stderr, flush=True)
    return alert


@dataclass(frozen=True, slots=True)
class _Latest:
    """The latest alert that was sent."""

    run_id: str
    verdict: str
    blockage: list[StageId]
    error: str | None
    at: datetime


def _latest(database: connection) -> _Latest | None:
    with database.cursor() as query:
        query.execute(
            "select alerts.run_id, alerts.verdict, alerts.blockage, runs.report ->> 'error', alerts.decided_at"
            " from angiogram.alerts left join angiogram.runs using (run_id) where alerts.state = 'sent'"
            " order by alerts.decided_at desc limit 1"
        )
        found = query.fetchone()
    if found is None:
        return None
    run_id, verdict, blockage, error, at = found
    return _Latest(run_id, verdict, from_json(blockage), error, at)


def _is_news(database: connection, run: runs.Run) -> bool:
    """Return whether the latest alert differs, or its blockage is no longer acknowledged."""
    latest = _latest(database)
    if latest is None:
        return run.verdict != HEALTHY
    if latest.run_id == run.run_id:
        return False
    blockage = run.blockage or []
    if run.verdict != latest.verdict or set(blockage) != set(latest.blockage):
        return True
    if run.verdict == COULD_NOT_RUN:
        return _kind(run.report.get("error")) != _kind(latest.error)
    ended = mutes.ended_since(database, latest.at)
    return run.verdict == BLOCKED and any(over.run_id is not None and over.covers(blockage) for over in ended)


def _kind(error: object) -> str:
    """Return the kind of error that ended a run.

    The message itself holds places and times that differ from run to run.
    """
    return str(error).partition(":")[0]


def _alert(database: connection, run: runs.Run, pause: float) -> Alert:
    told = message(run)
    for quiet in mutes.in_force(database):
        if quiet.covers(run.blockage or []):
            state = "muted" if quiet.run_id is None else "acknowledged"
            until = f"{state} until {utc(quiet.muted_until)} by {quiet.made_by}: {quiet.reason}"
            return Alert(state, _words(told), until)
    return _sent(told, run.verdict == HEALTHY, pause)


def _sent(told: AlertMessage, is_good: bool, pause: float) -> Alert:
    urls = Environment.from_environment().alert_urls.get_secret_value().split()
    if not urls:
        return Alert("nobody", _words(told), f"{ALERT_URLS} names no address")
    failures = [failure for number, url in enumerate(urls, 1) if (failure := send(number, url, told, is_good, pause))]
    state = "failed" if len(failures) == len(urls) else "sent"
    return Alert(state, _words(told), "; ".join(failures) or None)


def _words(told: AlertMessage) -> str:
    return f"{told.title}\n{told.body}"


def message(run: runs.Run) -> AlertMessage:
    """Return the alert on a run: its verdict, one example and the link.

    Args:
        run: with its verdict.
    """
    report: dict[str, Any] = run.report | {"verdict": run.verdict, "blockage": as_json(run.blockage or [])}
    lines = [headline.explanation(report)]
    if found := headline.example(report):
        lines.append(found)
    if count := headline.differences_in_all(report):
        lines.append(f"{count} difference{'s' if count > 1 else ''} in all.")
    return AlertMessage(_title(report), lines, link(run.run_id))


def _title(report: dict[str, Any]) -> str:
    return "Angiogram: recovered" if report["verdict"] == HEALTHY else f"Angiogram: {headline.title(report).lower()}"


def link(run_id: str) -> str:
    """Return where the run's page is, or how to make it."""
    base = without_user_info(Environment.from_environment().report_url)
    return f"{base.rstrip('/')}/{run_id}.html" if base else f"Page: angiogram report {run_id} --output report.html"


def _record(database: connection, run: runs.Run, alert: Alert) -> None:
    with database.cursor() as query:
        query.execute(
            "insert into angiogram.alerts (run_id, verdict, blockage, state, message, detail)"
            " values (%s, %s, %s, %s, %s, %s) on conflict (run_id) do update set state = excluded.state,"
            " message = excluded.message, detail = excluded.detail, decided_at = clock_timestamp()",
            (run.run_id, run.verdict, Json(as_json(run.blockage or [])), alert.state, alert.message, alert.detail),
        )
