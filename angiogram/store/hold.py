"""The switch that keeps the published marts unchanged while the latest verdict is blocked.

It is off by default. dbt reads it under target prod (dbt_package/macros/held_because.sql), so that it applies to the
live DAG and to a plain `dbt build` alike.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection

from angiogram.store.mutes import who


@dataclass(frozen=True, slots=True)
class Hold:
    """The state of the switch.

    Attributes:
        is_on: whether a blocked verdict holds the marts.
        reason: why it was last changed, in words; None if it never was.
        made_by: who changed it.
        made_at: when.
        held_because: why the marts are held now; None if they are not.
    """

    is_on: bool
    reason: str | None
    made_by: str | None
    made_at: datetime | None
    held_because: str | None


def turn(database: connection, is_on: bool, reason: str) -> None:
    """Turn the switch on or off. This affects dbt commands that start from now on.

    Args:
        database: as role angiogram, in autocommit.
        is_on: whether a blocked verdict should hold the marts.
        reason: why, in words.
    """
    with database.cursor() as query:
        query.execute(
            "insert into angiogram.holds (is_on, reason, made_by) values (%s, %s, %s)", (is_on, reason, who())
        )


def state(database: connection) -> Hold:
    """Return the state of the switch, and whether the marts are held now."""
    with database.cursor() as query:
        query.execute(
            "select is_on, reason, made_by, made_at, angiogram.held_because(clock_timestamp(), nullif(current_setting("
            "'angiogram.pipeline', true), '')) from angiogram.holds"
            " order by hold_id desc limit 1"
        )
        found = query.fetchone()
    return Hold(*found) if found else Hold(False, None, None, None, None)
