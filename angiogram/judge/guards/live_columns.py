"""Compares columns of live tables with those that the dye built.

The same SQL may leave a live table unchanged: with on_schema_change: ignore, dbt does not add a new column to an
incremental live table, although the fingerprints of both builds agree. Every role may read a table's columns from the
catalog, whatever its rights on the table.
"""

from collections.abc import Iterator, Mapping

from angiogram.core.diagnose import UNSOUND, StageHealth
from angiogram.core.findings import FindingKind
from angiogram.core.stage_id import MODEL, StageId
from angiogram.dbt.manifest.nodes import Node
from angiogram.judge.guards.changes import Change
from angiogram.judge.guards.production import Production
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.relations import typed_columns


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
