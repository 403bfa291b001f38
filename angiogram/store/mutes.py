"""Alerts held back for a time: all of them (mute), or those on a blockage that somebody knows of (acknowledge)."""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg2.extensions import connection
from psycopg2.extras import Json, RealDictCursor

from angiogram.core.errors import NothingToAcknowledge
from angiogram.core.stage_id import StageId, as_json, from_json
from angiogram.core.words import BLOCKED
from angiogram.store import runs

_SELECT: LiteralString = "select run_id, blockage, reason, made_by, made_at, muted_until from angiogram.mutes"


@dataclass(frozen=True, slots=True)
class Mute:
    """A time in which nobody is alerted.

    Attributes:
        run_id: the run that was acknowledged; None if all alerts are muted.
        blockage: the stages that were blocked in it.
        reason: why, in words.
        made_by: who.
        made_at: since when.
        muted_until: until when.
    """

    run_id: str | None
    blockage: list[StageId] | None
    reason: str
    made_by: str
    made_at: datetime
    muted_until: datetime

    def covers(self, blockage: Sequence[StageId]) -> bool:
        """Whether an alert on this blockage is held back: a stage that was not acknowledged breaks the silence."""
        return self.blockage is None or (bool(blockage) and set(blockage) <= set(self.blockage))


def mute(database: connection, until: datetime, reason: str) -> None:
    """Hold all alerts back.

    Args:
        database: as role angiogram, in autocommit.
        until: with a zone.
        reason: why, in words.
    """
    _insert(database, None, None, until, reason)


def acknowledge(database: connection, run_id: str, until: datetime, reason: str) -> list[StageId]:
    """Hold alerts on the blockage of a run back; if it is still there at the end, it is told again.

    Returns:
        The stages.

    Raises:
        UnknownRun: there is no such run.
        NothingToAcknowledge: it was not blocked.
    """
    found = runs.read(database, run_id)
    if found.verdict != BLOCKED or not found.blockage:
        verdict = (found.verdict or "not judged yet").replace("_", " ")
        raise NothingToAcknowledge(f"Run {run_id} is {verdict}: only a blocked run is acknowledged.")
    _insert(database, run_id, found.blockage, until, reason)
    return found.blockage


def unmute(database: connection, run_id: str | None = None) -> list[Mute]:
    """End now what is muted or acknowledged.

    Args:
        database: as role angiogram, in autocommit.
        run_id: the acknowledgement of this run alone; None: all.

    Returns:
        What was ended.
    """
    ended = [mute for mute in in_force(database) if run_id in (None, mute.run_id)]
    with database.cursor() as query:
        query.execute(
            "update angiogram.mutes set muted_until = clock_timestamp()"
            " where muted_until > clock_timestamp() and (run_id = %s or %s::text is null)",
            (run_id, run_id),
        )
    return ended


def _insert(
    database: connection, run_id: str | None, blockage: list[StageId] | None, until: datetime, reason: str
) -> None:
    with database.cursor() as query:
        query.execute(
            "insert into angiogram.mutes (run_id, blockage, reason, made_by, muted_until) values (%s, %s, %s, %s, %s)",
            (run_id, None if blockage is None else Json(as_json(blockage)), reason, who(), until),
        )


def who() -> str:
    """Who is at the keyboard, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return str(os.getuid())


def in_force(database: connection) -> list[Mute]:
    """What is muted or acknowledged now, the one that lasts longest first."""
    return _read(database, _SELECT + " where muted_until > clock_timestamp() order by muted_until desc", ())


def ended_since(database: connection, since: datetime) -> list[Mute]:
    """What has come to its end since some moment."""
    return _read(database, _SELECT + " where muted_until > %s and muted_until <= clock_timestamp()", (since,))


def _read(database: connection, statement: LiteralString, values: tuple[datetime, ...]) -> list[Mute]:
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(statement, values)
        return [Mute(**{**row, "blockage": row["blockage"] and from_json(row["blockage"])}) for row in query.fetchall()]
