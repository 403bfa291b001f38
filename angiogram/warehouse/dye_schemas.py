"""The dye's schemas, made empty before a run, so that nothing of an earlier one can answer for it."""

import time
from collections.abc import Callable, Sequence

from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import connection, cursor

from angiogram.core.errors import NotReady, TablesInUse

TABLES_WITHIN = 60.0
"""Seconds that others have to let go of the last run's tables."""

_KINDS = {"r": "table", "p": "table", "f": "foreign table", "m": "materialized view", "v": "view", "S": "sequence"}
"""What is dropped, tables first: most views fall with them."""


def empty(
    database: connection,
    schemas: Sequence[str],
    say: Callable[[str], None],
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Drop all that lies in the dye's schemas, all or nothing.

    The schemas stay, with their marks and grants. So do functions and types, which a project's hooks may have made.

    Args:
        database: a session of the project's profile, in autocommit.
        schemas: as target_relations.claim has them.
        say: told who holds tables.
        alive: called every 2 s while they are waited for.

    Raises:
        TablesInUse: somebody held one of them for too long.
        NotReady: the session's role may not drop one of them.
    """
    deadline = time.monotonic() + TABLES_WITHIN
    told = None
    with database.cursor() as query:
        query.execute("set lock_timeout = '2s'")  # shorter than any lease
        try:
            while True:
                try:
                    if statement := _drops(query, schemas):
                        query.execute(statement)
                    return
                except InsufficientPrivilege as error:
                    raise NotReady(
                        f"The dye's schemas ({', '.join(schemas)}) cannot be emptied: {str(error).strip()}. Make the "
                        "role of the dye target their owner."
                    ) from error
                except LockNotAvailable:
                    holders = _holders(query, schemas)
                    if time.monotonic() > deadline:
                        raise TablesInUse(
                            f"The last run's tables were still held after {TABLES_WITHIN:g} s: {holders}. "
                            "Close those sessions and retry."
                        ) from None
                if holders != told:
                    say(f"Waiting for the last run's tables: {holders}.")
                    told = holders
                alive()
        finally:
            query.execute("reset lock_timeout")


def _drops(query: cursor, schemas: Sequence[str]) -> sql.Composed | None:
    """One statement list, so that it is one transaction; None if nothing is there. Extensions keep what is theirs."""
    query.execute(
        "select relkind::text, nspname::text, relname::text from pg_class join pg_namespace on"
        " pg_namespace.oid = relnamespace where nspname = any(%s) and relkind::text = any(%s) and not relispartition"
        " and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid"
        " and (deptype = 'e' or (deptype in ('a', 'i') and relkind = 'S')))",
        (list(schemas), list(_KINDS)),
    )
    found = query.fetchall()
    statements = [
        sql.SQL("drop {} if exists {} cascade").format(sql.SQL(word), sql.SQL(", ").join(names))
        for kind, word in _KINDS.items()
        if (names := [sql.Identifier(schema, name) for its_kind, schema, name in found if its_kind == kind])
    ]
    return sql.SQL("; ").join(statements) if statements else None


def _holders(query: cursor, schemas: Sequence[str]) -> str:
    """Who holds tables in some schemas, in words."""
    query.execute(
        "select string_agg(distinct format('%%s by session %%s (%%s, %%s)',"
        " held.oid::regclass, activity.pid, activity.usename, activity.application_name), '; ')"
        " from pg_locks join pg_class as held on held.oid = pg_locks.relation and held.relkind <> 'i'"
        " join pg_namespace on pg_namespace.oid = held.relnamespace and nspname = any(%s)"
        " join pg_stat_activity as activity on activity.pid = pg_locks.pid and activity.pid <> pg_backend_pid()"
        " where pg_locks.granted and activity.datname = current_database()",
        (list(schemas),),
    )
    ((holders,),) = query.fetchall()
    return str(holders or "by a session that has ended meanwhile")
