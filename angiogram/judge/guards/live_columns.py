"""Compares columns of live tables, and SQL of materialized views, with what the dye built.

The same SQL may leave a live table unchanged: with on_schema_change: ignore, dbt does not add a new column to an
incremental live table, although the fingerprints of both builds agree. Every role may read a table's columns from the
catalog, whatever its rights on the table. Nor does dbt make a materialized view again when its SQL changes: it
refreshes the old one, unless the build is a full refresh.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from angiogram.core.diagnose import UNSOUND, StageHealth
from angiogram.core.findings import FindingKind
from angiogram.core.stage_id import MODEL, StageId
from angiogram.dbt.manifest.nodes import Node
from angiogram.judge.guards.changes import Change
from angiogram.judge.guards.production import Production
from angiogram.judge.guards.sql_text import RelationNames, lines_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.relations import typed_columns

_LIVE_VIEWS = (
    "select node_id, format('%%I.%%I', nspname, relname), case when relkind = 'm' then pg_get_viewdef(pg_class.oid) end"
    " from angiogram.live_nodes"
    " cross join lateral (select parse_ident(relation) as parts) as named"
    " join pg_namespace on nspname = parts[cardinality(parts) - 1]"
    " join pg_class on relnamespace = pg_namespace.oid and relname = parts[cardinality(parts)]"
    " where pipeline in ('', %s) and (cardinality(parts) < 3 or parts[1] = current_database())"
)
_DYE_VIEWS = (
    "select node_id, format('%%I.%%I', nspname, relname), case when relkind = 'm' then pg_get_viewdef(pg_class.oid) end"
    " from unnest(%s::text[], %s::text[]) as named (node_id, relation)"
    " join pg_class on pg_class.oid = to_regclass(named.relation) join pg_namespace on pg_namespace.oid = relnamespace"
)


def changes(
    database: Warehouse, nodes: Mapping[str, Node], tested: Production, health: Mapping[StageId, StageHealth]
) -> Iterator[Change]:
    """Yield missing and differing columns of live tables built from the version the dye passed.

    Args:
        database: as the role of the dye target, in autocommit.
        nodes: the nodes of the project that the dye passed.
        tested: what production runs, and what the dye tested of it.
        health: the health of each stage of the run.
    """
    agreeing = {
        node.name: node
        for node in nodes.values()
        if node.stage.kind == MODEL and node.unique_id in tested.agreeing and health.get(node.stage) not in UNSOUND
    }
    live = _live_columns(database, tested.pipeline, [node.unique_id for node in agreeing.values()])
    dye = typed_columns(database, {name: node.relation for name, node in agreeing.items()})
    for name, node in agreeing.items():
        if node.unique_id in live and name in dye:
            yield from _of_model(name, *live[node.unique_id], dye[name])
    yield from _stale_views(database, nodes, list(agreeing.values()), tested)


def _of_model(name: str, relation: str, live: Mapping[str, str], dye: Mapping[str, str]) -> Iterator[Change]:
    stage = StageId(MODEL, name)
    lacking = [column for column in dye if column not in live]
    otherwise = [f"{column} {live[column]} ({kind})" for column, kind in dye.items() if live.get(column, kind) != kind]
    if lacking or otherwise:
        parts = [f"is missing {', '.join(lacking)}"] if lacking else []
        parts += [f"has types that differ from the dye's: {', '.join(otherwise)}"] if otherwise else []
        yield Change(
            f"The live table {relation} {' and '.join(parts)}, although production last built this version of {name}.",
            stage,
            FindingKind.SURFACE,
            advice=f"Rebuild it under the live target: dbt run --full-refresh --select {name}. With on_schema_change: "
            "append_new_columns, dbt adds new columns by itself.",
        )
    if left := [column for column in live if column not in dye]:
        yield Change(
            f"The live table {relation} still has {', '.join(left)}, which {name} no longer has. New rows are null "
            "there.",
            stage,
            code="live_column_left",
        )


def _stale_views(
    database: Warehouse, nodes: Mapping[str, Node], agreeing: Sequence[Node], tested: Production
) -> Iterator[Change]:
    """Yield live materialized views with other SQL than the dye's.

    Those that read an input of the dye are left out, because their SQL names other relations in production.
    """
    known = {node.name for node in tested.live.values()}
    asked = {node.unique_id: node for node in agreeing if {above.name for above in node.reads} <= known}
    with database.cursor() as query:
        query.execute("select current_setting('search_path')")
        ((before,),) = query.fetchall()
        query.execute("select set_config('search_path', 'pg_catalog', false)")  # every relation gets its schema's name
        try:
            query.execute(_LIVE_VIEWS, (tested.pipeline,))
            live, live_names = _views(query.fetchall())
            query.execute(
                _DYE_VIEWS, ([n.unique_id for n in nodes.values()], [node.relation for node in nodes.values()])
            )
            dye, dye_names = _views(query.fetchall())
        finally:
            query.execute("select set_config('search_path', %s, false)", (before,))
    of_live, of_dye = RelationNames(live_names), RelationNames(dye_names)
    for unique_id in sorted(asked.keys() & live.keys() & dye.keys()):
        relation, text = live[unique_id]
        if lines_of(of_live.aside(text)) != lines_of(of_dye.aside(dye[unique_id][1])):
            name = asked[unique_id].name
            yield Change(
                f"The live materialized view {relation} has the SQL of an earlier version, although production last "
                f"built this version of {name}: dbt refreshes such a view, and does not make it again.",
                StageId(MODEL, name),
                FindingKind.LIVE_SQL,
                advice=f"Rebuild it under the live target: dbt run --full-refresh --select {name}.",
            )


def _views(rows: Iterable[tuple[str, str, str | None]]) -> tuple[dict[str, tuple[str, str]], list[tuple[str, str]]]:
    """Materialized views by dbt's id, and the names of all relations with their ids."""
    found = list(rows)
    return {i: (name, text) for i, name, text in found if text is not None}, [(name, i) for i, name, _ in found]


def _live_columns(database: Warehouse, pipeline: str, unique_ids: list[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Table and columns of each live model, by dbt's id.

    Models whose table is not in this database are left out.
    """
    found: dict[str, tuple[str, dict[str, str]]] = {}
    with database.cursor() as query:
        query.execute(
            "select node_id, nspname || '.' || relname, attname::text, format_type(atttypid, atttypmod)"
            " from angiogram.live_nodes"
            " cross join lateral (select parse_ident(relation) as parts) as named"
            " join pg_namespace on nspname = parts[cardinality(parts) - 1]"
            " join pg_class on relnamespace = pg_namespace.oid and relname = parts[cardinality(parts)]"
            " join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped"
            " where pipeline in ('', %s) and node_id = any(%s)"
            " and (cardinality(parts) < 3 or parts[1] = current_database())"
            " order by node_id, attnum",
            (pipeline, unique_ids),
        )
        for unique_id, relation, column, kind in query.fetchall():
            found.setdefault(unique_id, (relation, {}))[1][column] = kind
    return found
