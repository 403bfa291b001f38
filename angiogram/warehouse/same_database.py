"""Whether other targets build in the dye's database, whatever their addresses.

A pooler, a tunnel or another name of the host may lead to it, so the database itself is asked. One session locks a
random number and another tries to: advisory locks are the database's own, and need no privilege.
"""

import secrets
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection

from angiogram.core.errors import AngiogramError
from angiogram.core.short_message import in_a_line
from angiogram.dbt.project import Project
from angiogram.dbt.targets import Target, Targets
from angiogram.warehouse.relations import undone
from angiogram.warehouse.sessions import open_sessions


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Which other targets build in the dye's database.

    Attributes:
        here: targets that build in it.
        elsewhere: names of targets that build in another one.
        unknown: names of targets whose database could not be asked, with the reason.
    """

    here: list[Target]
    elsewhere: list[str]
    unknown: dict[str, str]


def locate(database: connection, project: Project, targets: Targets) -> Whereabouts:
    """Find out which other targets of a profile build in the dye's database.

    Targets at another address are contacted with their own credentials. Nothing is read or written there.

    Args:
        database: a session of the dye target, in autocommit.
        project: the parsed project.
        targets: the targets of its profile.
    """
    found = Whereabouts([], list(targets.other_engines), {})
    for target in targets.others:
        if target.has_address_of(targets.dye):
            found.here.append(target)
            continue
        try:
            (other,) = open_sessions(project.directory, target.name, 1)
            with closing(other):
                is_here = _share_a_database(database, other)
        except (AngiogramError, psycopg2.Error) as error:
            found.unknown[target.name] = in_a_line(str(error))
            continue
        if is_here is None:
            found.unknown[target.name] = "it is a standby server, which cannot take the test lock"
        elif is_here:
            found.here.append(target)
        else:
            found.elsewhere.append(target.name)
    return found


def _share_a_database(database: connection, other: connection) -> bool | None:
    """Return whether two sessions are in one database, or None if a standby cannot tell."""
    number = secrets.randbits(63)
    with database.cursor() as query, undone(query), other.cursor() as asked:
        query.execute("select pg_advisory_xact_lock(%s)", (number,))
        asked.execute("select pg_try_advisory_xact_lock(%s), pg_is_in_recovery()", (number,))
        ((is_free, is_standby),) = asked.fetchall()
        return None if is_standby else not is_free
