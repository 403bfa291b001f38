"""Functions and types in the dye's schemas, which hooks of an earlier run may have left.

They are dropped with everything that uses them, except where something outside these schemas does: a cascade would
take a column or a default of a table that people read.
"""

from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor

from angiogram.core.errors import UnsupportedProject

_KINDS = (
    *("function", "procedure", "aggregate", "operator", "operator class", "operator family"),
    *("type", "composite type", "collation", "conversion"),
    *("text search configuration", "text search dictionary", "text search parser", "text search template"),
)
"""What is dropped, in PostgreSQL's words. A domain is a type."""

_NAMED_BY_TABLE = ("pg_rewrite", "pg_attrdef", "pg_trigger", "pg_policy")
"""Catalogues of what belongs to a table's schema."""

_MADE = """
with recursive made as (
    select depends.classid, depends.objid, named.type, named.identity
    from pg_catalog.pg_depend as depends
    inner join pg_catalog.pg_namespace on pg_namespace.oid = depends.refobjid
    cross join lateral pg_catalog.pg_identify_object(depends.classid, depends.objid, 0) as named
    -- PostgreSQL does not record what its first superuser owns.
    left join pg_catalog.pg_shdepend as owned
        on owned.classid = depends.classid and owned.objid = depends.objid and owned.deptype = 'o'
        and owned.dbid = (select oid from pg_catalog.pg_database where datname = current_database())
    where depends.refclassid = 'pg_namespace'::regclass
        and pg_namespace.nspname = any(%(schemas)s)
        and named.type = any(%(kinds)s)
        and pg_has_role(coalesce(owned.refobjid, 10), 'usage')
        and not exists (
            select from pg_catalog.pg_depend as member
            where member.classid = depends.classid and member.objid = depends.objid and member.deptype = 'e'
        )
),
using_them as (
    select classid, objid, 0 as objsubid, true as is_inside from made
    union
    select depends.classid, depends.objid, depends.objsubid, coalesce(schema_name = any(%(quoted)s), true)
    from using_them
    inner join pg_catalog.pg_depend as depends
        on depends.refclassid = using_them.classid and depends.refobjid = using_them.objid
    left join pg_catalog.pg_constraint
        on depends.classid = 'pg_constraint'::regclass and pg_constraint.oid = depends.objid
    left join pg_catalog.pg_namespace on pg_namespace.oid = connamespace
    cross join lateral (
        select case
            when depends.classid = any(%(named_by_table)s::regclass[])
                then quote_ident((pg_identify_object_as_address(depends.classid, depends.objid, 0)).object_names[1])
            else coalesce(quote_ident(nspname), (pg_identify_object(depends.classid, depends.objid, 0)).schema)
        end as schema_name
    ) as place
    left join pg_catalog.pg_class on using_them.classid = 'pg_class'::regclass and pg_class.oid = using_them.objid
    -- What uses a table of these schemas falls with that table.
    where using_them.is_inside and coalesce(relkind = 'c', true)
)
"""

_USED_BY = """
select distinct named.type || ' ' || named.identity
from using_them
cross join lateral pg_catalog.pg_identify_object(classid, objid, objsubid) as named
where not is_inside
order by 1
"""

_EACH = "select type, identity from made order by type, identity"


def drops(query: cursor, schemas: Sequence[str]) -> list[sql.Composable]:
    """Return a drop of each function and type that the session's role may have made here.

    What extensions or other roles own is left alone.

    Raises:
        UnsupportedProject: something outside these schemas uses one of them.
    """
    query.execute(_MADE + _USED_BY, _names(query, schemas))
    if users := [user for (user,) in query.fetchall()]:
        raise UnsupportedProject(
            f"The dye's schemas ({', '.join(schemas)}) cannot be emptied: {', '.join(users)} use functions or types in "
            "them. Move those functions and types to another schema."
        )
    return [
        sql.SQL("drop {} if exists {} cascade").format(sql.SQL(kind), sql.SQL(identity))
        for kind, identity in made(query, schemas)
    ]


def made(query: cursor, schemas: Sequence[str]) -> list[tuple[str, str]]:
    """Return each function and type in these schemas that the role may have made.

    Each has its kind as `drop` names it, and its name in SQL.
    """
    query.execute(_MADE + _EACH, _names(query, schemas))
    return [(kind.removeprefix("composite "), identity) for kind, identity in query.fetchall()]


def _names(query: cursor, schemas: Sequence[str]) -> dict[str, list[str]]:
    query.execute("select array_agg(quote_ident(name)) from unnest(%s::text[]) as name", (list(schemas),))
    ((quoted,),) = query.fetchall()
    return {
        "schemas": list(schemas),
        "quoted": quoted or [],
        "kinds": list(_KINDS),
        "named_by_table": list(_NAMED_BY_TABLE),
    }
