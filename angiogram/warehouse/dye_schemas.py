"""Empties the dye's schemas before a run, so that nothing of an earlier run remains."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import connection, cursor

from angiogram.core.errors import NotReady, TablesInUse
from angiogram.warehouse import functions_and_types

TABLES_WITHIN = 60.0
"""Seconds that other sessions have to release the last run's tables."""

_HALF_BUILT = re.compile(r"__dbt_(?:tmp|backup)[0-9_]*$")

_KINDS = {"r": "table", "p": "table", "f": "foreign table", "m": "materialized view", "v": "view", "S": "sequence"}
"""What is dropped. Tables come first, because most views are dropped with them."""


def empty(
    database: connection,
    schemas: Sequence[str],
    say: Callable[[str], None],
    alive: Callable[[], None] = lambda: None,
    also: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> None:
    """Drop all relations, functions and types in the dye's schemas, or none of them.

    The schemas stay, with their marks and grants. So does what extensions own, and functions and types of other roles.

    Args:
        database: a session of the project's profile, in autocommit.
        schemas: the schemas, from target_relations.claim.
        say: receives messages about who holds tables.
        alive: called every 2 s while waiting for them.
        also: relations to drop in schemas that otherwise stay as they are.

    Raises:
        TablesInUse: another session held one of them for too long.
        NotReady: the session's role may not drop one of them.
        UnsupportedProject: something elsewhere uses one of their functions or types.
    """
    deadline = time.monotonic() + TABLES_WITHIN
    told = None
    with database.cursor() as query:
        query.execute("set lock_timeout = '2s'")  # shorter than any lease
        try:
            while True:
                try:
                    if statement := _drops(query, schemas, also):
                        query.execute(statement)
                    return
                except InsufficientPrivilege as error:
                    raise NotReady(
                        f"The dye's schemas ({', '.join(schemas)}) cannot be emptied: {str(error).strip()}. Make the "
                        "role of the dye target their owner."
                    ) from error
                except LockNotAvailable:
                    holders = _holders(query, [*schemas, *also])
                    if time.monotonic() > deadline:
                        raise TablesInUse(
                            f"The previous run's tables were still locked after {TABLES_WITHIN:g} s: {holders}. "
                            "Close those sessions and retry."
                        ) from None
                if holders != told:
                    say(f"Waiting for the previous run's tables: {holders}.")
                    told = holders
                alive()
        finally:
            query.execute("reset lock_timeout")


def strangers(query: cursor, schemas: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence on what falls with the last run's relations and is not the dye's.

    Args:
        query: a cursor of the dye target's role.
        schemas: the schemas that are to be emptied.
        known: names of what the dye builds or built there. Relations that dbt left half built are known too.
    """
    query.execute(
        "with recursive falling as ("
        " select pg_class.oid, 0 as depth from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = any(%(schemas)s) and relkind::text = any('{r,p,f,m,v}') and not relispartition"
        " union select ev_class, depth + 1 from falling"
        " join pg_depend on refclassid = 'pg_class'::regclass and refobjid = falling.oid"
        " and classid = 'pg_rewrite'::regclass join pg_rewrite on pg_rewrite.oid = objid where ev_class <> falling.oid"
        " and depth < 100)"
        " select distinct nspname::text, relname::text from falling join pg_class using (oid)"
        " join pg_namespace on pg_namespace.oid = relnamespace order by 1, 2",
        {"schemas": list(schemas)},
    )
    found = query.fetchall()
    own = [f"{schema}.{name}" for schema, name in found if schema in schemas and not _is_known(name, known)]
    views = [f"{schema}.{name}" for schema, name in found if schema not in schemas]
    if own:
        yield f"Dropping {', '.join(own)}: nothing in this project builds that, and each run empties the dye's schemas."
    if views:
        yield f"Dropping {', '.join(views)} as well, which read relations in the dye's schemas."


def _is_known(name: str, known: Collection[str]) -> bool:
    half_built = _HALF_BUILT.search(name)
    return name in known or (
        half_built is not None and any(one.startswith(name[: half_built.start()]) for one in known)
    )


def _drops(query: cursor, schemas: Sequence[str], also: Mapping[str, Collection[str]]) -> sql.Composed | None:
    """All drops as one list of statements, so that it is one transaction. None if all is empty.

    Relations that belong to extensions are kept.
    """
    query.execute(
        "select relkind::text, nspname::text, relname::text from pg_class join pg_namespace on"
        " pg_namespace.oid = relnamespace where nspname = any(%s) and relkind::text = any(%s) and not relispartition"
        " and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid"
        " and (deptype = 'e' or (deptype in ('a', 'i') and relkind = 'S')))",
        ([*schemas, *also], list(_KINDS)),
    )
    found = [row for row in query.fetchall() if row[1] in schemas or row[2] in also[row[1]]]
    statements: list[sql.Composable] = [
        sql.SQL("drop {} if exists {} cascade").format(sql.SQL(word), sql.SQL(", ").join(names))
        for kind, word in _KINDS.items()
        if (names := [sql.Identifier(schema, name) for its_kind, schema, name in found if its_kind == kind])
    ] + functions_and_types.drops(query, schemas)
    return sql.SQL("; ").join(statements) if statements else None


def _holders(query: cursor, schemas: Sequence[str]) -> str:
    """Describe the sessions that hold tables in these schemas."""
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
    return str(holders or "by a session that has ended since")
