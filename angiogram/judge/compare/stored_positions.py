"""Compares run-dependent columns of models with what the loader stored.

No expected seed has these columns, but their values are known for each message: a model with message_id and one of
these columns says for each row where its message was stored.
"""

from collections.abc import Mapping
from dataclasses import replace

from psycopg2 import sql

from angiogram.core.diagnose import UNSOUND, StageHealth, in_order
from angiogram.core.differences import Difference, Differences
from angiogram.core.findings import Finding, FindingKind
from angiogram.core.stage import Stage, all_above
from angiogram.core.stage_id import StageId
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.store.kept_differences import Kept
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.relations import MESSAGE_ID, columns
from ingestion.settings.pipeline import contract

STORED = {
    "source_topic_id": "topic_id",
    "source_partition": "partition",
    "source_offset": "offset",
    "loaded_at": "loaded_at",
}
"""Columns of models, and the loader's columns that fill them."""


def check(
    database: Warehouse,
    project: Project,
    stages: Mapping[StageId, Stage],
    health: Mapping[StageId, StageHealth],
    kept: Kept,
) -> tuple[dict[StageId, Stage], list[Finding]]:
    """Compare the models that are right otherwise and read nothing wrong.

    Args:
        database: as the role of the dye target, in autocommit.
        project: the project whose models were built.
        stages: the stages of the run.
        health: the health of each stage.
        kept: where all differences of the run are kept.

    Returns:
        The stages with the cells that differ, and for each column a finding for the first stage in which it differs.
    """
    judged, findings = dict(stages), []
    wrong: dict[StageId, set[str]] = {}
    for stage in in_order({name: found.reads for name, found in stages.items()}):
        node = project.nodes.get(stage.name)
        above = all_above(stage, stages)
        if node is None or node.stage != stage or any(health[one] in UNSOUND for one in (stage, *above)):
            continue
        inherited = set().union(*(wrong.get(one, set()) for one in above))
        found = [one for one in _misplaced(database, node, kept.run_id) if one.column not in inherited]
        if found:
            kept.put(stage, found)
            judged[stage] = replace(stages[stage], differences=Differences.of(found))
            findings.append(Finding(FindingKind.OUTPUT, stage, _told(found)))
        wrong[stage] = {one.column for one in found if one.column}
    return judged, findings


def _told(found: list[Difference]) -> str:
    names = list(dict.fromkeys(one.column for one in found if one.column))
    rows = len({str(one.row_key) for one in found})
    return f"{', '.join(names)} {'differ' if len(names) > 1 else 'differs'} from what the loader stored, in {rows} rows"


def _misplaced(database: Warehouse, node: Node, run_id: str) -> list[Difference]:
    """Cells of a model that differ from what the loader stored for their message."""
    with database.cursor() as query:
        present = columns(query, node.relation)
        compared = [name for name in STORED if name in present and name in node.excluded]
        if MESSAGE_ID not in present or not compared:
            return []
        query.execute(_statement(node, compared), (run_id,))
        return [
            Difference("changed", {MESSAGE_ID: message_id}, column, stored, made)
            for message_id, column, stored, made in query.fetchall()
        ]


def _statement(node: Node, compared: list[str]) -> sql.Composed:
    """Statement for the cells that match no position at which the row's message was stored.

    If there are several positions, the nearest one is shown.
    """
    made, stored = sql.Identifier("made"), sql.Identifier("stored")
    pairs = [
        (sql.SQL(".").join((made, sql.Identifier(name))), sql.SQL(".").join((stored, sql.Identifier(of))))
        for name, of in STORED.items()
        if name in compared
    ]
    same = sql.SQL(" + ").join(
        sql.SQL("(to_jsonb({}) is not distinct from to_jsonb({}))::int").format(*pair) for pair in pairs
    )
    cells = sql.SQL(", ").join(
        sql.SQL("({}, to_jsonb({}), to_jsonb({}))").format(sql.Literal(name), of, cell)
        for name, (cell, of) in zip(compared, pairs, strict=True)
    )
    promised = contract()
    return sql.SQL(
        "select made.message_id::text, cells.name, cells.stored::text, cells.made::text from {relation} as made"
        " cross join lateral (select * from {table} as stored where stored.run_id = %s"
        " and stored.{number}::text = made.message_id::text order by {same} desc limit 1) as stored"
        " cross join lateral (values {cells}) as cells (name, stored, made)"
        " where cells.stored is distinct from cells.made order by length(made.message_id::text), 1, 2"
    ).format(
        relation=sql.SQL(node.relation),
        table=sql.Identifier("angiogram_raw", promised.table),
        number=sql.Identifier(promised.number_column),
        same=same,
        cells=cells,
    )
