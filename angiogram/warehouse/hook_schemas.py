"""Schemas in which only hooks write: which are the dye's, and what others keep.

A schema whose name begins with that of one of the dye's schemas is the dye's if it is missing or holds nothing but what
the hooks write. It is marked, so that each run empties it. Any other schema may be shared with people or live builds.
"""

from collections.abc import Collection, Iterable, Mapping

from psycopg2 import sql
from psycopg2.extensions import cursor

from angiogram.dbt.hooks.hook_writes import HookWrite
from angiogram.dbt.targets import name_parts
from angiogram.warehouse import functions_and_types
from angiogram.warehouse.engines.protocol import Query

OF_HOOKS = "angiogram: written by hooks"
"""The line in a schema's comment, beside its mark, that says that no model is built there."""


def names_by_schema(found: Iterable[HookWrite], schemas: Collection[str]) -> dict[str, set[str]]:
    """Return the names of what hooks write in some schemas, by schema.

    Args:
        found: what the hooks write.
        schemas: the schemas.
    """
    names: dict[str, set[str]] = {}
    for one in found:
        if one.write.schema is not None and one.write.schema in schemas:
            names.setdefault(one.write.schema, set()).update([one.write.name] if one.write.name else ())
    return names


def claim(query: cursor, written: Mapping[str, Collection[str]], mark: str, dyes: Collection[str]) -> list[str]:
    """Mark the schemas that hold nothing but what hooks write, and make those that are missing.

    Args:
        query: a cursor of the dye target's role.
        written: the names of what hooks write, by schema.
        mark: the line that marks the dye's schemas.
        dyes: schemas that have the mark already.

    Returns:
        The schemas that are marked now.
    """
    claimed = []
    for schema, names in written.items():
        query.execute(
            "select nspname is not null, coalesce(pg_has_role(nspowner, 'usage'),"
            " has_database_privilege(current_database(), 'create')),"
            " coalesce(obj_description(pg_namespace.oid, 'pg_namespace'), '')"
            " from (select) as one left join pg_namespace on nspname = %s",
            (schema,),
        )
        ((exists, is_allowed, comment),) = query.fetchall()
        if schema not in dyes and (not is_allowed or (exists and not _contents(query, schema) <= set(names))):
            continue
        claimed.append(schema)
        lines = comment.splitlines()
        if is_allowed and not {mark, OF_HOOKS} <= set(lines):
            told = "\n".join([*lines, *(line for line in (mark, OF_HOOKS) if line not in lines)])
            name = sql.Identifier(schema)
            query.execute(sql.SQL("create schema if not exists {}").format(name))
            query.execute(sql.SQL("comment on schema {} is {}").format(name, sql.Literal(told)))
    return claimed


def of_hooks(query: cursor, schemas: Collection[str]) -> list[str]:
    """Return those of some marked schemas in which only hooks wrote."""
    query.execute(
        "select nspname::text from pg_namespace where nspname = any(%s)"
        " and %s = any(string_to_array(obj_description(oid, 'pg_namespace'), e'\\n'))",
        (list(schemas), OF_HOOKS),
    )
    return [name for (name,) in query.fetchall()]


def outside(query: Query, found: Collection[HookWrite], dyes: Collection[str]) -> dict[str, str]:
    """Return what hooks write outside of some schemas and do not drop, with the hook.

    Args:
        query: a cursor of the dye target's role.
        found: what the hooks write.
        dyes: the schemas that each run empties.
    """
    query.execute("select current_schema()::text")
    ((first,),) = query.fetchall()
    dropped = {(one.write.schema, one.write.name) for one in found if one.write.verb.startswith("drop")}
    named = {one.write.schema for one in found if one.write.name is not None}
    told: dict[str, str] = {}
    for one in found:
        schema, name = one.write.schema, one.write.name
        is_made = one.write.verb in ("create", "select")
        if one.write.is_temporary or (schema is None and not is_made) or {(schema, name), (schema, None)} & dropped:
            continue
        schema = schema or first
        if schema is None or schema in dyes or schema.startswith("pg_temp") or (name is None and schema in named):
            continue
        told.setdefault(f"{schema}.{name}" if name else f"schema {schema}", one.hook)
    return told


def _contents(query: cursor, schema: str) -> set[str]:
    """The names in a schema. What other roles own has a name that no hook writes."""
    query.execute(
        "select case when pg_has_role(relowner, 'usage') then relname::text else 'of another role' end"
        " from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = %s and relkind::text = any('{r,p,v,m,f,S}') and not relispartition"
        " and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid"
        " and (deptype = 'e' or (deptype in ('a', 'i') and relkind = 'S')))",
        (schema,),
    )
    relations = {name for (name,) in query.fetchall()}
    made = functions_and_types.made(query, [schema])
    return relations | {name_parts(identity.partition("(")[0])[-1] for _, identity in made}
