"""Makes the dye's schemas in a DuckDB file empty, once it is sure that they are the dye's.

DuckDB has no comments on schemas, so the schemas of the dye are noted in a table of the file. A schema counts as the
dye's if it is noted, or if it holds nothing but what dbt builds under the dye target, in a file that holds expected
seeds. All else stops the command.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg2 import sql

from angiogram.core.errors import DbtFailed, NotReady, NotTheDyes
from angiogram.core.short_message import in_a_line
from angiogram.dbt.hooks.hook_writes import hook_writes
from angiogram.dbt.manifest.lookup import all_nodes, is_called_by_hook, sources_by_id
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import results_relation
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX
from angiogram.dbt.targets import credentials_of_others, name_parts
from angiogram.warehouse import hook_targets
from angiogram.warehouse.engines.protocol import Query, StatementFailed, Warehouse
from angiogram.warehouse.live_relations import KnownLive

_MARKS = sql.Identifier("angiogram_marks", "dye_schemas")
SchemaPlace = tuple[str, str]
"""A database and a schema, in lower case, since DuckDB's names know no other."""


@dataclass(slots=True)
class _Schema:
    """A schema that the dye target would write, and what is there now."""

    written: dict[str, bool] = field(default_factory=dict)
    """Names, and whether only dye builds make a relation of that name: an expected seed, or dbt's results."""
    found: list[str] = field(default_factory=list)
    marked_for: str | None = None


def make_afresh(
    database: Warehouse, project: Project, known_live: KnownLive | None, say: Callable[[str], None]
) -> None:
    """Check that all that the dye target would write is the dye's, and drop what is there.

    Args:
        database: a session of the dye target.
        project: the parsed project.
        known_live: what the accepted surface names as live. None if there is no accepted surface.
        say: receives messages about targets that cannot be read.

    Raises:
        NotTheDyes: a relation is live, or was not made by the dye. Nothing was dropped.
    """
    with database.cursor() as query:
        live = dict(_live(project, known_live, say))
        marks = _marks(query)
        schemas = _schemas(query, project, marks)
        if told := list(_all_refused(schemas, project, live)):
            raise NotTheDyes(
                f"Target {project.target} would overwrite what the dye did not create: {'; '.join(told)}. Nothing was "
                "built. Give the dye a file or schemas of its own: a `path` in profiles.yml that no other target "
                "writes, or a generate_schema_name that prefixes schemas with the dye target's name "
                "(docs/your-project.md, step 1)."
            )
        of_hooks = _written_by_hooks(database, project, schemas, live)
        own = dict.fromkeys([*schemas, *(one for one in of_hooks if one in marks or not _relations(query, one))])
        own |= {place: None for place, mark in marks.items() if mark == _mark(project) and place not in live}
        _mark_all(query, project, own)
        others = _others(query)
        for place in own:
            _empty(query, place, others.get(place, []))


def not_the_dyes(database: Warehouse, project: Project, known_live: KnownLive | None) -> list[str]:
    """Return what the dye target would overwrite although it is not the dye's, in words.

    Args:
        database: a session of the dye target.
        project: the parsed project.
        known_live: what the accepted surface names as live. None if there is no accepted surface.
    """
    with database.cursor() as query:
        live = dict(_live(project, known_live, lambda _: None))
        return list(_all_refused(_schemas(query, project, _marks(query)), project, live))


def _all_refused(
    schemas: Mapping[SchemaPlace, _Schema], project: Project, live: dict[SchemaPlace, str]
) -> Iterator[str]:
    is_of_a_dye = any(one.written.get(name) for one in schemas.values() for name in one.found)
    return (why for place, one in schemas.items() if (why := _refused(place, one, project, live, is_of_a_dye)))


def _refused(
    place: SchemaPlace, schema: _Schema, project: Project, live: dict[SchemaPlace, str], is_of_a_dye: bool
) -> str | None:
    """Why a schema may not be written. None if it may.

    Args:
        place, schema: the schema.
        project: the parsed project.
        live: why a place is live.
        is_of_a_dye: whether the file holds what only a build of the dye makes.
    """
    name = place[1]
    if place in live:
        return f"schema {name} ({live[place]})"
    if schema.marked_for is not None:
        own = project.manifest.metadata.project_name
        return None if schema.marked_for == own else f"schema {name} (the dye of project {schema.marked_for})"
    strangers = [one for one in schema.found if one not in schema.written]
    if strangers:
        shown = ", ".join(strangers[:10]) + (f" and {len(strangers) - 10} more" if len(strangers) > 10 else "")
        return f"schema {name} (it holds {shown}, which this project does not build)"
    if schema.found and not is_of_a_dye:
        return ", ".join(f"{name}.{one}" for one in schema.found[:10])
    return None


def _schemas(query: Query, project: Project, marks: dict[SchemaPlace, tuple[str, str]]) -> dict[SchemaPlace, _Schema]:
    found: dict[SchemaPlace, _Schema] = {}
    for node in all_nodes(project.manifest):
        if node.relation_name:
            *_, name = [part.lower() for part in name_parts(node.relation_name)]
            written = found.setdefault(_place(node.relation_name), _Schema()).written
            written[name] = written.get(name, False) or node.name.startswith(EXPECTED_PREFIX)
    if found and is_called_by_hook(project.manifest, "record_node_results"):
        in_schema, results = name_parts(results_relation(project.target).lower())
        found.setdefault((next(iter(found))[0], in_schema), _Schema()).written[results] = True
    for place, schema in found.items():
        schema.found = [name for _, name in _relations(query, place)]
        schema.marked_for = marks[place][0] if place in marks else None
    return found


def _live(
    project: Project, known_live: KnownLive | None, say: Callable[[str], None]
) -> Iterator[tuple[SchemaPlace, str]]:
    """Yield the places that other targets write or read in the dye target's file."""
    dye, others = credentials_of_others(project, "duckdb")
    own = _files(dye)
    for name, credentials in others.items():
        if isinstance(credentials, str):
            say(f"Target {name} cannot be read here, so only relations that exist are known: {credentials}")
            continue
        if own.isdisjoint(_files(credentials)):
            continue
        try:
            manifest = project.manifest_under(name)
        except DbtFailed as error:
            say(f"Target {name} cannot be read here, so only relations that exist are known: {error}")
            continue
        nodes = all_nodes(manifest)
        read = {parent for node in nodes for parent in node.depends_on_nodes}
        for node in nodes:
            if node.relation_name:
                yield _place(node.relation_name), f"target {name} builds {node.alias}"
        for unique_id, source in sources_by_id(manifest).items():
            if unique_id in read:
                yield _place(source.relation_name), f"target {name} reads {source.identifier}"
        if known_live and known_live.target == name:
            for relation in known_live.relations:
                *place, _ = relation.lower().split(".")
                yield (place[0] if len(place) > 1 else str(dye.database).lower(), place[-1]), known_live.said_by


def _place(relation: str) -> SchemaPlace:
    *place, _ = [part.lower() for part in name_parts(relation)][-3:]
    return place[0], place[-1]


def _files(credentials: Any) -> set[Path]:
    """The files of a target, attached ones included."""
    attached = [str(one.path) for one in credentials.attach or ()]
    return {Path(path).resolve() for path in (str(credentials.path), *attached) if path != ":memory:"}


def _written_by_hooks(
    database: Warehouse, project: Project, schemas: Mapping[SchemaPlace, _Schema], live: Mapping[SchemaPlace, str]
) -> list[SchemaPlace]:
    """Return further schemas whose names are the dye's and in which hooks write.

    Raises:
        NotTheDyes: a hook writes elsewhere; see hook_targets.require_own.
    """
    if not (found := hook_writes(project)):
        return []
    own, known = {schema for _, schema in schemas}, {schema for _, schema in live}
    beginnings = tuple(f"{one}_" for one in own)

    def is_like_own(name: str) -> bool:
        return name.lower().startswith(beginnings)

    hook_targets.require_own(database, project.target, found, own, is_like_own, lambda: known)
    further = {one.write.schema.lower() for one in found if one.write.schema and is_like_own(one.write.schema)}
    main = next(iter(schemas))[0] if schemas else ""
    return [(main, schema) for schema in sorted(further - own - known)]


def marked(query: Query, project: Project) -> list[str]:
    """Return the schemas that are noted for this dye and target."""
    return [schema for (_, schema), mark in _marks(query).items() if mark == _mark(project)]


def _marks(query: Query) -> dict[SchemaPlace, tuple[str, str]]:
    """Project and dye target by the places that they are noted for."""
    try:
        query.execute(sql.SQL("select database_name, schema_name, project, target from {}").format(_MARKS))
    except StatementFailed:  # nothing is noted in this file yet
        return {}
    return {(database, schema): (project, target) for database, schema, project, target in query.fetchall()}


def _mark(project: Project) -> tuple[str, str]:
    return project.manifest.metadata.project_name, project.target


def _mark_all(query: Query, project: Project, places: dict[SchemaPlace, None]) -> None:
    query.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(_MARKS.strings[0])))
    query.execute(
        sql.SQL(
            "create table if not exists {} (database_name text, schema_name text, project text, target text,"
            " primary key (database_name, schema_name))"
        ).format(_MARKS)
    )
    for place in places:
        query.execute(
            sql.SQL("insert or replace into {} values (%s, %s, %s, %s)").format(_MARKS), (*place, *_mark(project))
        )


def _relations(query: Query, place: SchemaPlace) -> list[tuple[str, str]]:
    """Kinds and names of what is in a schema that dbt can build, views first."""
    query.execute(
        "select 'view', view_name from duckdb_views() where not internal and not temporary"
        " and lower(database_name) = %s and lower(schema_name) = %s"
        " union all select 'table', table_name from duckdb_tables() where not internal and not temporary"
        " and lower(database_name) = %s and lower(schema_name) = %s order by 1 desc, 2",
        (*place, *place),
    )
    return [(kind, name.lower()) for kind, name in query.fetchall()]


def _others(query: Query) -> dict[SchemaPlace, list[tuple[str, str]]]:
    """Kinds and names of what hooks may have made besides, by schema.

    All schemas at once: DuckDB lists its own thousands of functions each time.
    """
    query.execute(
        "select lower(database_name), lower(schema_name), 'sequence', sequence_name from duckdb_sequences()"
        " union select lower(database_name), lower(schema_name),"
        " case function_type when 'macro' then 'macro' else 'macro table' end, function_name"
        " from duckdb_functions() where not internal and function_type in ('macro', 'table_macro')"
        " union select lower(database_name), lower(schema_name), 'type', type_name"
        " from duckdb_types() where not internal order by 3, 4"
    )
    found: dict[SchemaPlace, list[tuple[str, str]]] = {}
    for database, schema, kind, name in query.fetchall():
        found.setdefault((database, schema), []).append((kind, name))
    return found


def _empty(query: Query, place: SchemaPlace, others: list[tuple[str, str]]) -> None:
    """Drop all that is in a schema, and what hooks made there besides.

    A table that another one's foreign key names is dropped after that one.
    """
    left = [*_relations(query, place), *others]
    while left:
        kept: list[tuple[str, str]] = []
        for kind, name in left:
            try:
                query.execute(
                    sql.SQL("drop {} if exists {}").format(sql.SQL(kind), sql.Identifier(place[0], place[1], name))
                )
            except StatementFailed as error:
                kept.append((kind, name))
                failed = error
        if len(kept) == len(left):
            raise NotReady(
                f"Schema {place[1]} of the dye cannot be emptied: {in_a_line(str(failed))}. Drop "
                f"{', '.join(f'{kind} {name}' for kind, name in kept)} by hand."
            )
        left = kept
