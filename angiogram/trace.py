"""From a row that differs back to the dye rides that feed it.

A row is traced through the nearest table that has its key columns and message_id: the model's own, or one above it.
Both sides count, what was made and what was expected, so that a missing row has its rides too. Where the expected seed
itself is wrong, what was made counts: a row that only such a seed has is fed by no ride.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, LiteralString

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.differences import Differences
from angiogram.kept import Kept
from angiogram.project import Node, expected_name
from angiogram.relations import beside_values, columns

MESSAGE_ID = "message_id"
"""The column that holds a dye ride's number, in every model with one row per message or per ride."""

_RIDES = sql.SQL(
    "with names as (select * from unnest(%s::text[], %s::text[]) as named (message_id, name)),"
    " wanted as (select %s::jsonb as row_key), fed as ({fed})"
    " select array_agg(coalesce(names.name, 'message ' || fed.message_id)"
    " order by length(fed.message_id), fed.message_id)"
    " from wanted join fed using (row_key) left join names using (message_id)"
)

_NAME_RIDES = sql.SQL(
    "with names as (select * from unnest(%s::text[], %s::text[]) as named (message_id, name)),"
    " wanted as (select distinct run_id, stage, row_key from angiogram.differences"
    " where run_id = %s and stage = %s and row_key is not null),"
    " fed as ({fed}),"
    " named as (select wanted.run_id, wanted.stage, wanted.row_key, array_agg("
    "coalesce(names.name, 'message ' || fed.message_id) order by length(fed.message_id), fed.message_id) as rides"
    " from wanted join fed using (row_key) left join names using (message_id)"
    " group by wanted.run_id, wanted.stage, wanted.row_key)"
    " update angiogram.differences as found set rides = named.rides from named"
    " where found.run_id = named.run_id and found.stage = named.stage and found.row_key = named.row_key"
)
"""All rows of a stage at once: what is asked for row by row takes minutes where a model's rows multiply."""

_ALSO_LOST: LiteralString = (
    "update angiogram.differences as found set rides = own.rides from angiogram.differences as own"
    " where found.run_id = %(run_id)s and found.stage = %(stage)s and found.rides = '{}'"
    " and own.run_id = found.run_id and own.stage = %(model)s and own.row_key = found.row_key"
)
"""A row of a wrong expected seed that its model lost besides has the rides which the calculation feeds it."""

_UNFED: LiteralString = (
    "update angiogram.differences set unfed = true where run_id = %(run_id)s and stage = %(stage)s"
    " and difference = 'missing' and row_key is not null and rides = '{}'"
)


class Tracer:
    """Names the dye rides that feed the rows that differ."""

    def __init__(
        self,
        database: connection,
        nodes: Mapping[str, Node],
        names: Mapping[str, str],
        failed: Collection[str] = (),
    ) -> None:
        """Look up which columns the tables have.

        Args:
            database: as role angiogram, in autocommit.
            nodes: of the dbt project.
            names: name of each dye ride by message_id.
            failed: stages whose own tables are not to be read.
        """
        self._database = database
        self._nodes = nodes
        self._names = names
        self._failed = failed
        self._models = {expected_name(name): name for name in nodes}
        relations = [n.relation for n in nodes.values()] + [n.expected_relation or "" for n in nodes.values()]
        with database.cursor() as query:
            self._columns = {relation: columns(query, relation) for relation in relations if relation}

    def name_rides(self, kept: Kept, stage: str) -> None:
        """Write the names of the dye rides to all differences kept of a stage whose rows they feed.

        Args:
            kept: the differences.
            stage: a wrong expected seed after its model.
        """
        with self._database.cursor() as query:
            query.execute(
                "select distinct array(select jsonb_object_keys(row_key) order by 1) from angiogram.differences"
                " where run_id = %s and stage = %s and row_key is not null",
                (kept.run_id, stage),
            )
            for (key,) in query.fetchall():
                if (fed := self._fed(stage, key)) is not None:
                    query.execute(
                        _NAME_RIDES.format(fed=fed),
                        (list(self._names), list(self._names.values()), kept.run_id, stage),
                    )
            if model := self._models.get(stage):
                places = {"run_id": kept.run_id, "stage": stage, "model": model}
                query.execute(_ALSO_LOST, places)
                query.execute(_UNFED, places)

    def told(self, stage: str, differences: Differences) -> dict[str, Any]:
        """The differences of a stage as a report has them: count and the first ones, each with its rides."""
        return {
            "count": differences.count,
            "first": [asdict(found) | {"rides": self._rides(stage, found.row_key)} for found in differences.first],
        }

    def _rides(self, stage: str, row_key: Mapping[str, Any] | None) -> list[str]:
        """Names of the dye rides that feed a row; empty if none do, or if the difference is no row's."""
        fed = self._fed(stage, sorted(row_key)) if row_key else None
        if fed is None:
            return []
        with self._database.cursor() as query:
            query.execute(_RIDES.format(fed=fed), (list(self._names), list(self._names.values()), Json(row_key)))
            ((rides,),) = query.fetchall()
        return list(rides or [])

    def _fed(self, stage: str, key: Sequence[str]) -> sql.Composable | None:
        """A query, to be executed with values, for pairs of row_key and message_id; None if no table tells."""
        if MESSAGE_ID in key and stage not in self._models:  # such a seed may name messages that nobody sent
            return sql.SQL("select row_key, row_key ->> {} as message_id from wanted").format(sql.Literal(MESSAGE_ID))
        for relations in self._nearest(stage):
            usable = [r for r in relations if {MESSAGE_ID, *key} <= self._columns.get(r, set())]
            if usable:
                row_key = sql.SQL(", ").join(
                    sql.SQL("{}, {}").format(sql.Literal(column), sql.Identifier(column))
                    for column in map(beside_values, key)
                )
                return sql.SQL(" union ").join(
                    # dbt names its relations quoted already.
                    sql.SQL("select jsonb_build_object({}) as row_key, {}::text as message_id from {}").format(
                        row_key, sql.Identifier(MESSAGE_ID), sql.SQL(beside_values(relation))
                    )
                    for relation in usable
                )
        return None

    def _nearest(self, stage: str) -> list[list[str]]:
        """Tables of the model and of those above it, with their expected ones unless it is these, nearest first."""
        start = self._models.get(stage, stage)
        queue, seen, tables = deque([start]), {start}, []
        while queue:
            node = self._nodes.get(queue.popleft())
            if node is None:
                continue
            made = None if node.name in self._failed else node.relation
            expected = None if stage in self._models else node.expected_relation
            tables.append([r for r in (made, expected) if r])
            above = [name for name in node.reads if name not in seen]
            seen.update(above)
            queue.extend(above)
        return tables
