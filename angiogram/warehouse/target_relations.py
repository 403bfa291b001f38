"""Checks before a build that all relations a dye target would write belong to the dye.

A schema belongs to the dye if its comment says so. The hook keep_dye_apart writes this mark at the start of a dbt
command, and so does `claim`. Schemas of dye runs from before there were marks are adopted if their names are the dye's
or their tables hold what the dye expects. Everything else stops the command: what another target builds or reads, what
the accepted surface names as live, what belongs to another project's dye, and what is unknown.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from psycopg2 import sql
from psycopg2.extensions import connection, cursor
from psycopg2.extras import RealDictCursor

from angiogram.core.errors import NotReady, NotTheDyes
from angiogram.dbt.hooks.hook_writes import hook_writes
from angiogram.dbt.manifest.long_names import cut_name
from angiogram.dbt.manifest.lookup import all_nodes, is_called_by_hook
from angiogram.dbt.package.rendering import macro
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import results_relation
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX
from angiogram.dbt.targets import Targets, name_parts, read_targets
from angiogram.warehouse import expected_rows, functions_and_types, hook_schemas, hook_targets
from angiogram.warehouse.duckdb import schemas as duckdb_schemas
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.live_relations import KnownLive, all_live, noted_live

ABSENT, EMPTY, OURS, MAYBE_LIVE, FOREIGN = "absent", "empty", "ours", "maybe_live", "foreign"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that the dye target would write.

    Attributes:
        schema_name: its name.
        state: absent, empty, adopted (from a dye run before there were marks), ours (marked), live (another target's),
            maybe_live (the accepted surface names it, and nothing shows whether in this database), other_project (dye
            of another project) or foreign (unknown).
        is_built: whether the present command writes it. Always true here.
        owner: the role that owns it. None if it is absent.
        is_owner: whether the session's role owns it.
        may_create: whether that role may make tables in it, or make the schema.
        marked_for: the project whose dye it holds, by its mark.
        marked_comment: its comment with the mark.
        told: what the dye would overwrite there, if that must be refused.
        owned_by_others: relations that would be replaced and that belong to other roles.
    """

    schema_name: str
    state: str
    is_built: bool
    owner: str | None
    is_owner: bool
    may_create: bool
    marked_for: str | None
    marked_comment: str
    told: str | None
    owned_by_others: str | None


def claim(
    database: connection, project: Project, known_live: KnownLive | None, say: Callable[[str], None]
) -> list[str]:
    """Check that everything the dye target would write is the dye's, and mark its schemas.

    Nothing is built or dropped.

    Args:
        database: a session of the project's profile, in autocommit.
        project: the parsed project.
        known_live: what the accepted surface names as live. None if there is no accepted surface.
        say: receives messages about targets that cannot be read here.

    Returns:
        The names of the schemas, all of which exist now, and of those that the dye wrote earlier and no longer does.

    Raises:
        NotTheDyes: a relation is live, or exists and was not made by the dye.
        NotReady: the session's role may not make what must be made.
        DbtFailed: the profile cannot be read.
    """
    targets = read_targets(project)
    schemas = examine(database, project, known_live, say, targets)
    refused = [schema for schema in schemas if schema.told]
    if told := [schema.told for schema in refused if schema.told] or list(_of_people(database, schemas)):
        raise NotTheDyes(_why_refused(project, refused, told))
    of_hooks = _written_by_hooks(database, project, known_live, targets, schemas)
    with database.cursor() as query:
        query.execute("select current_user")
        ((user,),) = query.fetchall()
        _require_no_approximate_match(query, project)
        if forbidden := [why for schema in schemas for why in _forbidden(schema, user)]:
            raise NotReady(f"{' '.join(forbidden)} Nothing was built.")
        query.execute("select pg_advisory_lock(hashtext('angiogram'), hashtext('marks'))")  # the same lock as the hook
        try:
            for schema in schemas:
                _mark(query, schema)
            by_hooks = hook_schemas.claim(query, of_hooks, _mark_of(project), marked(query, project))
        finally:
            query.execute("select pg_advisory_unlock(hashtext('angiogram'), hashtext('marks'))")
        written = [*(schema.schema_name for schema in schemas), *by_hooks]
        # A marked schema may be live by now if it is no longer written and does not have the dye target's name.
        left = [name for name in marked(query, project) if name not in written]
        return written + [name for name in left if targets.is_dyes(name, known_live is not None)]


def _written_by_hooks(
    database: connection, project: Project, known_live: KnownLive | None, targets: Targets, schemas: list[Schema]
) -> dict[str, set[str]]:
    """Return what hooks write in further schemas whose names are the dye's.

    Raises:
        NotTheDyes: a hook writes elsewhere; see hook_targets.require_own.
    """
    if not (found := hook_writes(project)):
        return {}
    own = {schema.schema_name for schema in schemas}

    def is_like_own(name: str) -> bool:
        return targets.is_dyes(name, known_live is not None) or name.startswith(tuple(f"{one}_" for one in own))

    @cache
    def live() -> set[str]:
        known = all_live(database, project, targets, known_live, lambda _: None)
        return {_schema_of(one["relation"]) for one in known} | _of_other_dye(database, project)

    hook_targets.require_own(database, project.target, found, own, is_like_own, live)
    further = {one.write.schema for one in found if one.write.schema is not None and is_like_own(one.write.schema)}
    return hook_schemas.names_by_schema(found, further - own - live()) if further - own else {}


def left_by_hooks(database: Warehouse, project: Project) -> dict[str, str]:
    """Return what hooks write where no run empties it, with the hook.

    Args:
        database: a session of the dye target, in autocommit.
        project: the parsed project, whose schemas have been claimed.

    Raises:
        DbtFailed: dbt cannot compile at all.
    """
    if not (found := hook_writes(project)):
        return {}
    with database.cursor() as query:
        is_postgres = engine_of(query).name == "postgres"
        own = marked(cast("cursor", query), project) if is_postgres else duckdb_schemas.marked(query, project)
        return hook_schemas.outside(query, found, {*written(project), *own})


def _mark_of(project: Project) -> str:
    return f"angiogram: dye of {project.manifest.metadata.project_name} under target {project.target}"


def _of_other_dye(database: connection, project: Project) -> set[str]:
    """The schemas that are marked for another project or dye target."""
    with database.cursor() as query:
        query.execute(
            "select nspname::text from pg_namespace"
            " where obj_description(oid, 'pg_namespace') ~ '(?n)^angiogram: dye of '"
        )
        return {name for (name,) in query.fetchall()} - set(marked(query, project))


def examine(
    database: connection,
    project: Project,
    known_live: KnownLive | None,
    say: Callable[[str], None],
    targets: Targets | None = None,
) -> list[Schema]:
    """Return the schemas that the dye target would write, and whose they are.

    The other targets are looked at only if names and marks do not tell, and tables only if nothing else does.

    Args:
        database, project, known_live, say: as for `claim`.
        targets: the targets of the project's profile, if they are known already.

    Raises:
        DbtFailed: the profile cannot be read.
    """
    targets = targets or read_targets(project)
    relations = list(_written(project))
    names = {_schema_of(one["relation"]) for one in relations}
    own = {name for name in names if targets.is_dyes(name, known_live is not None)}
    live = noted_live(database, known_live)
    with database.cursor() as query:
        before = built_before(query, project)
    asked = {
        "project": project.manifest.metadata.project_name,
        "target": project.target,
        "own": sorted(own),
        "own_beginnings": [],
        "is_alike": False,
        "relations": relations,
        "built_before": sorted(before),
        "live": live,
    }
    schemas = _whose(database, asked)
    states = {schema.state for schema in schemas}
    if names == own and not names & {_schema_of(one["relation"]) for one in live} and states <= {ABSENT, EMPTY, OURS}:
        return schemas
    asked["live"] = all_live(database, project, targets, known_live, say)
    schemas = _whose(database, asked)
    if {schema.state for schema in schemas} & {FOREIGN, MAYBE_LIVE} and expected_rows.are_there(database, project):
        schemas = _whose(database, asked | {"is_alike": True})
    return schemas


def written(project: Project) -> dict[str, list[str]]:
    """Return the relations that dbt would write under the dye target, by schema."""
    found: dict[str, list[str]] = {}
    for one in _written(project):
        schema, name = _names_of(one["relation"])
        found.setdefault(schema, []).append(name)
    return found


def live_schemas(
    database: connection, project: Project, known_live: KnownLive | None, say: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    """Yield each schema that may be live in this database, and why.

    Args:
        database, project, known_live, say: as for `claim`.

    Raises:
        DbtFailed: the profile cannot be read.
    """
    for one in all_live(database, project, read_targets(project), known_live, say):
        yield _schema_of(one["relation"]), one["used_by"]


def _whose(database: connection, asked: dict[str, Any]) -> list[Schema]:
    with database.cursor(cursor_factory=RealDictCursor) as query:
        query.execute(macro("dye_schemas")(asked))
        return [Schema(**row) for row in query.fetchall()]


def _why_refused(project: Project, refused: list[Schema], overwritten: list[str]) -> str:
    """Say what would be overwritten, and what to do."""
    cut = {name for one in _written(project) if cut_name(name := _whole_names_of(one["relation"])[0]) != name}
    told = [
        f"Target {project.target} would overwrite what the dye did not create: "
        f"{'; '.join(overwritten)}. Nothing was built.",
        *(f"PostgreSQL cuts the schema's name {name} to {cut_name(name)}: shorten it." for name in sorted(cut)),
        "Give the dye its own schemas: generate_schema_name should prefix the schema with the dye target's name "
        "(docs/your-project.md, step 1).",
    ]
    if unmarked := next((schema for schema in refused if schema.state in (FOREIGN, MAYBE_LIVE)), None):
        mark = unmarked.marked_comment.splitlines()[-1]
        told.append(
            "If an earlier dye run left relations there, drop them. If nobody else uses that schema, you can mark it "
            f"as the dye's instead: comment on schema {_in_sql(unmarked.schema_name)} is '{mark}'."
        )
    return " ".join(told)


def _written(project: Project) -> Iterator[dict[str, Any]]:
    """Everything that dbt would write under the dye target, quoted.

    This includes tables for test failures and for dbt's results.
    """
    manifest = project.manifest
    for node in all_nodes(manifest):
        if node.relation_name:
            is_expected = node.name.startswith(EXPECTED_PREFIX)
            yield {"relation": node.relation_name, "is_expected": is_expected, "is_built": True}
    if is_called_by_hook(manifest, "record_node_results"):
        yield {"relation": results_relation(project.target), "is_expected": False, "is_built": True}


def built_before(query: cursor, project: Project) -> set[str]:
    """Names of what dbt built under the dye target before.

    A model that has been renamed since left its table behind.
    """
    results = results_relation(project.target)
    query.execute("select coalesce(has_table_privilege(to_regclass(%s), 'select'), false)", (results,))
    if query.fetchone() != (True,):
        return set()
    query.execute(sql.SQL("select distinct name from {}").format(sql.SQL(results)))
    return {name for (name,) in query.fetchall()}


def _of_people(database: connection, schemas: Iterable[Schema]) -> Iterator[str]:
    """Yield functions and types in unmarked schemas: each run drops those in its own."""
    with database.cursor() as query:
        for schema in schemas:
            if schema.state == EMPTY and (found := functions_and_types.made(query, [schema.schema_name])):
                names = ", ".join(f"{kind} {identity}" for kind, identity in found)
                yield f"schema {schema.schema_name} (it holds {names}, which each run would drop)"


def _require_no_approximate_match(query: cursor, project: Project) -> None:
    """Require that no other schema holds the same names but for the case of letters.

    dbt would take one for the other.

    Raises:
        NotReady: one does; the message names it.
    """
    found = [(schema, name) for schema, names in written(project).items() for name in names]
    query.execute(
        "select format('%%s (%%s.%%s)', written.schema, nspname, min(relname))"
        " from unnest(%s::text[], %s::text[]) as written (schema, name)"
        " join pg_namespace on lower(nspname) = lower(written.schema) and nspname <> written.schema"
        " join pg_class on relnamespace = pg_namespace.oid and lower(relname) = lower(written.name)"
        " where relkind::text = any('{r,p,v,m,f}') and not nspname = any(%s)"
        " group by written.schema, nspname order by 1",
        ([schema for schema, _ in found], [name for _, name in found], marked(query, project)),
    )
    if alike := ", ".join(told for (told,) in query.fetchall()):
        raise NotReady(
            f"dbt finds relations without regard to the case of letters, and so takes the dye's schemas for others: "
            f"{alike}. Nothing was built. Give the dye schemas whose names differ by more than case "
            "(docs/your-project.md, step 1)."
        )


def _forbidden(schema: Schema, user: str) -> Iterator[str]:
    """Yield a sentence for each right that the session's role is missing."""
    name = schema.schema_name
    if schema.owned_by_others and not schema.is_owner:
        yield f"Role {user} may not replace {schema.owned_by_others}: make it the owner, or drop them."
    elif not schema.may_create and schema.state == ABSENT:
        yield f"Role {user} may not create schema {name}: grant it create on the database, or create {name} for it."
    elif not schema.may_create:
        yield f"Role {user} may not create tables in schema {name} of {schema.owner}: grant it usage and create there."


def marked(query: cursor, project: Project) -> list[str]:
    """Return the schemas marked for this dye and target, whether still written or not."""
    query.execute(
        "select nspname::text from pg_namespace cross join lateral obj_description(oid, 'pg_namespace') as described"
        " where pg_has_role(nspowner, 'usage') and substring(described from '(?n)^angiogram: dye of (\\S+)') = %s"
        " and coalesce(substring(described from '(?n)^angiogram: dye of \\S+ under target (.+)$') = %s, true)",
        (project.manifest.metadata.project_name, project.target),
    )
    return [name for (name,) in query.fetchall()]


def _mark(query: cursor, schema: Schema) -> None:
    if schema.state == OURS or (schema.state != ABSENT and not schema.is_owner):
        return  # the next command checks again what cannot be marked now
    name = sql.Identifier(schema.schema_name)
    query.execute(sql.SQL("create schema if not exists {}").format(name))
    query.execute(sql.SQL("comment on schema {} is {}").format(name, sql.Literal(schema.marked_comment)))


def _schema_of(relation: str) -> str:
    return _names_of(relation)[0]


def _in_sql(name: str) -> str:
    """A name as SQL needs it."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _names_of(relation: str) -> tuple[str, str]:
    """The schema and name in a relation's name, as PostgreSQL cuts them."""
    schema, name = map(cut_name, _whole_names_of(relation))
    return schema, name


def _whole_names_of(relation: str) -> tuple[str, str]:
    """The schema and name in a relation's name."""
    schema, name = name_parts(relation)[-2:]
    return schema, name
