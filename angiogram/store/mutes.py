"""Alerts held back for a time: all (mute), or those on a known blockage (acknowledge)."""

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
    """A period without alerts.

    Attributes:
        run_id: the run that was acknowledged; None if all alerts are muted.
        blockage: the stages that were blocked in it.
        reason: why, in words.
        made_by: who muted or acknowledged.
        made_at: start of the period.
        muted_until: end of the period.
    """

    run_id: str | None
    blockage: list[StageId] | None
    reason: str
    made_by: str
    made_at: datetime
    muted_until: datetime

    def covers(self, blockage: Sequence[StageId]) -> bool:
        """Return whether an alert on this blockage is held back.

        It is not if a stage is blocked that was not acknowledged.
        """
        return self.blockage is None or (bool(blockage) and set(blockage) <= set(self.blockage))


def mute(database: connection, until: datetime, reason: str) -> None:
    """Mute all alerts until a time.

    Args:
        database: as role angiogram, in autocommit.
        until: end of the mute, with a time zone.
        reason: why, in words.
    """
    _insert(database, None, None, until, reason)


def acknowledge(database: connection, run_id: str, until: datetime, reason: str) -> list[StageId]:
    """Hold back alerts on the blockage of a run until a time.

    If the blockage still exists then, an alert is sent again.

    Returns:
        The stages.

    Raises:
        UnknownRun: there is no such run.
        NothingToAcknowledge: the run was not blocked.
    """
    found = runs.read(database, run_id)
    if found.verdict != BLOCKED or not found.blockage:
        verdict = (found.verdict or "not judged yet").replace("_", " ")
        raise NothingToAcknowledge(f"Run {run_id} is {verdict}: only a blocked run is acknowledged.")
    _insert(database, run_id, found.blockage, until, reason)
    return found.blockage


def unmute(database: connection, run_id: str | None = None) -> list[Mute]:
    """End mutes and acknowledgements now.

    Args:
        database: as role angiogram, in autocommit.
        run_id: only the acknowledgement of this run; None: all.

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
    """Return the name of the current user, as far as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user ID without a name, as in a container
        return str(os.getuid())


def in_force(database: connection) -> list[Mute]:
    """Return the current mutes and acknowledgements, the longest-lasting first."""
    return _read(database, _SELECT + " where muted_until > clock_timestamp() order by muted_until desc", ())


def ended_since(database: connection, since: datetime) -> list[Mute]:
    """Return the mutes and acknowledgements that have ended since a time."""
    return _read(database, _SELECT + " where muted_until > %s and muted_until <= clock_timestamp()", (since,))


def _read(database: connection, statement: LiteralString, values: tuple[datetime, ...]) -> list[Mute]:
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(statement, values)
        return [Mute(**{**row, "blockage": row["blockage"] and from_json(row["blockage"])}) for row in query.fetchall()]
