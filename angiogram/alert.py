"""Alerts: on blockage and on recovery, once per change, to every address in ANGIOGRAM_ALERT_URLS.

The addresses are apprise's, separated by blanks: `slack://...`, `mmost://host/token` (any Slack-compatible webhook of
one's own), `mailto://...`, `json://host/path`. They hold secrets, so errors name them by their number and service.

Told is what at least one address took: a verdict that was muted, acknowledged or failed to be sent is told after the
next run if it still stands. A run that could not run changes nothing here; `angiogram status` tells that no verdict
came.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import Json
from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from angiogram import headline, mutes, runs
from angiogram.durations import utc
from angiogram.stage_id import as_json, from_json
from angiogram.verdict import BLOCKED, HEALTHY
from ingestion.addresses import without_user_info

URLS = "ANGIOGRAM_ALERT_URLS"
"""Variable with the addresses to alert."""

REPORT_URL = "ANGIOGRAM_REPORT_URL"
"""Variable with the address under which the pages are served; a run's is RUN_ID.html in it."""

ATTEMPTS = 3
"""How often each address is tried."""

FIRST_PAUSE = 1.0
"""Seconds before the second try; twice as long before each further one."""

_TALKATIVE = ("apprise", "requests", "urllib3")
"""Loggers that would write addresses, and the secrets in them."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What became of an alert.

    Attributes:
        state: sent (at least one address took it), failed, muted, acknowledged, or nobody (no address is set).
        message: the words.
        detail: which addresses did not take it, or why it was not sent.
    """

    state: str
    message: str
    detail: str | None = None


def after_verdict(database: connection, run_id: str, pause: float = FIRST_PAUSE) -> Alert | None:
    """Tell of a run's verdict if it is not what was told last, and record what became of it.

    Addresses that do not answer are no error: they are recorded and said on stderr.

    Args:
        database: as role angiogram, in autocommit.
        run_id: a run with its verdict recorded.
        pause: seconds before the second try of an address.

    Returns:
        None if there was nothing to tell.

    Raises:
        UnknownRun: there is no such run.
    """
    run = runs.read(database, run_id)
    if run.verdict not in (HEALTHY, BLOCKED) or not _is_news(database, run):
        return None
    alert = _alert(database, run, pause)
    _record(database, run, alert)
    if alert.detail and alert.state != "nobody":
        print(f"The alert on run {run_id}: {alert.detail}", file=sys.stderr, flush=True)
    return alert


def _is_news(database: connection, run: runs.Run) -> bool:
    """Whether the verdict is not what was told last, or is no longer acknowledged."""
    with database.cursor() as query:
        query.execute(
            "select run_id, blockage, decided_at from angiogram.alerts where state = 'sent'"
            " order by decided_at desc limit 1"
        )
        told: tuple[str, list[dict[str, str]], datetime] | None = query.fetchone()
    if told is None:
        return run.verdict == BLOCKED
    told_run, told_blockage, told_at = told
    if told_run == run.run_id:
        return False
    blockage = run.blockage or []
    if set(blockage) != set(from_json(told_blockage)):
        return True
    ended = mutes.ended_since(database, told_at)
    return run.verdict == BLOCKED and any(over.run_id is not None and over.covers(blockage) for over in ended)


def _alert(database: connection, run: runs.Run, pause: float) -> Alert:
    title, body = message(run)
    words = f"{title}\n{body}"
    for quiet in mutes.in_force(database):
        if quiet.covers(run.blockage or []):
            state = "muted" if quiet.run_id is None else "acknowledged"
            return Alert(state, words, f"{state} until {utc(quiet.muted_until)} by {quiet.made_by}: {quiet.reason}")
    urls = os.environ.get(URLS, "").split()
    if not urls:
        return Alert("nobody", words, f"{URLS} names no address")
    failures = [
        failure
        for number, url in enumerate(urls, 1)
        if (failure := _send(number, url, title, body, run.verdict == HEALTHY, pause))
    ]
    state = "failed" if len(failures) == len(urls) else "sent"
    return Alert(state, words, "; ".join(failures) or None)


def message(run: runs.Run) -> tuple[str, str]:
    """The alert's title and text: the blockage, one example and the link.

    Args:
        run: with its verdict.
    """
    report: dict[str, Any] = run.report | {"verdict": run.verdict, "blockage": as_json(run.blockage or [])}
    title = f"Angiogram: {headline.title(report).lower()}"
    if run.verdict == HEALTHY:
        title = "Angiogram: recovered"
    lines = [headline.explanation(report)]
    if found := headline.example(report):
        lines.append(found)
    if count := headline.differences_in_all(report):
        lines.append(f"{count} difference{'s' if count > 1 else ''} in all.")
    return title, "\n".join([*lines, link(run.run_id)])


def link(run_id: str) -> str:
    """Where the run's page is, or how to make it."""
    base = without_user_info(os.environ.get(REPORT_URL, ""))
    return f"{base.rstrip('/')}/{run_id}.html" if base else f"Page: angiogram report {run_id} --output report.html"


def _send(number: int, url: str, title: str, body: str, is_good: bool, pause: float) -> str | None:
    """Send to one address; tells what failed."""
    import apprise  # 0.2 s, only when there is something to tell

    with _hushed(_TALKATIVE):
        target = apprise.Apprise.instantiate(url)
        if not isinstance(target, apprise.NotifyBase):
            return f"address {number} in {URLS} is none that apprise knows"
        place = f"address {number} ({target.service_name})"
        notify: Callable[[], Any] = lambda: target.notify(  # noqa: E731
            title=title,
            body=body,
            notify_type=apprise.NotifyType.SUCCESS if is_good else apprise.NotifyType.FAILURE,
            body_format=apprise.NotifyFormat.TEXT,
        )
        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=pause),
            retry=retry_if_result(lambda taken: not taken),
        )
        try:
            attempts(notify)
        except RetryError:
            return f"{place} did not take it in {ATTEMPTS} tries"
    return None


@contextmanager
def _hushed(names: tuple[str, ...]) -> Iterator[None]:
    """Keep loggers, and those below them, from writing anything."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _record(database: connection, run: runs.Run, alert: Alert) -> None:
    with database.cursor() as query:
        query.execute(
            "insert into angiogram.alerts (run_id, verdict, blockage, state, message, detail)"
            " values (%s, %s, %s, %s, %s, %s) on conflict (run_id) do update set state = excluded.state,"
            " message = excluded.message, detail = excluded.detail, decided_at = clock_timestamp()",
            (run.run_id, run.verdict, Json(as_json(run.blockage or [])), alert.state, alert.message, alert.detail),
        )
