"""Makes the dye's schemas empty, including those that only an earlier run wrote.

Before each build the names of the relations that the dye will write are noted in their schema's comment, beside its
mark. Where the name of such a schema does not show that it is the dye's, it may be live by now: only what is noted is
dropped there once the dye writes elsewhere.
"""

import json
from collections.abc import Callable, Iterable
from typing import cast

from psycopg2 import sql
from psycopg2.extensions import connection, cursor

from angiogram.dbt.hooks.hook_writes import hook_writes
from angiogram.dbt.project import Project
from angiogram.warehouse import dye_schemas, hook_schemas
from angiogram.warehouse.duckdb import schemas as duckdb_schemas
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.live_relations import KnownLive
from angiogram.warehouse.target_relations import built_before, claim, live_schemas, marked, written

_NOTE = "angiogram: built "
_NOTED = f"(?n)^{_NOTE}(.+)$"
"""The regular expression, in PostgreSQL's form, that finds the note in a comment."""


def make_afresh(
    database: Warehouse,
    project: Project,
    known_live: KnownLive | None,
    say: Callable[[str], None],
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Claim the dye's schemas, drop all that is in them, and note what will be built there.

    Args:
        database: a session of the project's profile, in autocommit.
        project: the parsed project.
        known_live: what the accepted surface names as live. None if there is no accepted surface.
        say: receives messages about what is waited for or left alone.
        alive: called every 2 s while waiting.

    Raises:
        NotTheDyes, DbtFailed: see target_relations.claim.
        NotReady, UnsupportedProject: see target_relations.claim and dye_schemas.empty.
        TablesInUse: another session held one of the tables for too long.
    """
    if engine_of(database).name == "duckdb":
        duckdb_schemas.make_afresh(database, project, known_live, say)
    else:
        _make_afresh(cast("connection", database), project, known_live, say, alive)


def _make_afresh(
    database: connection,
    project: Project,
    known_live: KnownLive | None,
    say: Callable[[str], None],
    alive: Callable[[], None],
) -> None:
    schemas = claim(database, project, known_live, say)
    with database.cursor() as query:
        no_longer = [name for name in marked(query, project) if name not in schemas]
        of_hooks = hook_schemas.of_hooks(query, no_longer)
        left = _noted(query, no_longer)
        if left or of_hooks:
            users = dict(live_schemas(database, project, known_live, say))
            for schema in sorted({*left, *of_hooks} & users.keys()):
                wrote = ", ".join(left[schema]) if schema in left else "by hooks"
                say(
                    f"An earlier dye run wrote {wrote} in schema {schema}. It is left there, because that schema may "
                    f"be live ({users[schema]})."
                )
            schemas += [schema for schema in of_hooks if schema not in users]
            left = {schema: names for schema, names in left.items() if schema not in [*users, *schemas]}
        for told in dye_schemas.strangers(query, schemas, _known(query, project, schemas)):
            say(told)
        dye_schemas.empty(database, schemas, say, alive, also=left)
        for schema, names in written(project).items():
            _note(query, schema, names)


def _known(query: cursor, project: Project, schemas: list[str]) -> set[str]:
    """Names of what dbt builds for the dye, built for it before, or hooks write."""
    names = {name for names in written(project).values() for name in names}
    names |= {name for names in _noted(query, schemas).values() for name in names}
    return names | built_before(query, project) | {one.write.name for one in hook_writes(project) if one.write.name}


def _note(query: cursor, schema: str, relations: Iterable[str]) -> None:
    """Note what the dye is about to write in a schema, if the session's role owns it."""
    query.execute(
        "select coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace"
        " where nspname = %s and pg_has_role(nspowner, 'usage')",
        (schema,),
    )
    for (comment,) in query.fetchall():
        lines = [line for line in comment.splitlines() if not line.startswith(_NOTE)]
        told = "\n".join([*lines, f"{_NOTE}{json.dumps(sorted(relations))}"])
        if told != comment:
            query.execute(sql.SQL("comment on schema {} is {}").format(sql.Identifier(schema), sql.Literal(told)))


def _noted(query: cursor, schemas: Iterable[str]) -> dict[str, list[str]]:
    """Return the relations that are noted in these schemas and exist, by schema."""
    found: dict[str, list[str]] = {}
    query.execute(
        "select nspname::text, relname::text from pg_namespace cross join lateral jsonb_array_elements_text("
        "substring(obj_description(pg_namespace.oid, 'pg_namespace') from %s)::jsonb) as noted (name)"
        " join pg_class on relnamespace = pg_namespace.oid and relname = noted.name"
        " where nspname = any(%s) and pg_has_role(relowner, 'usage') order by 1, 2",
        (_NOTED, list(schemas)),
    )
    for schema, relation in query.fetchall():
        found.setdefault(schema, []).append(relation)
    return found
