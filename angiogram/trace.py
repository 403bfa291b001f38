"""From a row that differs back to the dye rides that feed it.

A row is traced through the nearest table that has its key columns and message_id: the model's own, or one above it.
Both sides count, what was made and what was expected, so that a missing row has its rides too.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.compare import Differences
from angiogram.project import Node

MESSAGE_ID = "message_id"
"""The column that holds a dye ride's number, in every model with one row per message or per ride."""


class Tracer:
    """Finds the dye rides of rows by their keys."""

    def __init__(self, database: connection, nodes: Mapping[str, Node], names: Mapping[str, str]) -> None:
        """Look up which columns the tables have.

        Args:
            database: as role angiogram, in autocommit.
            nodes: of the dbt project.
            names: name of each dye ride by message_id.
        """
        self._database = database
        self._nodes = nodes
        self._names = names
        relations = [n.relation for n in nodes.values()] + [n.expected_relation or "" for n in nodes.values()]
        self._columns = _columns(database, [relation for relation in relations if relation])

    def rides(self, stage: str, row_key: Mapping[str, Any] | None) -> list[str]:
        """Names of the dye rides that feed a row; empty if none do, or if the difference is no row's.

        Args:
            stage: name of the model.
            row_key: the row's key, as in Difference.
        """
        if not row_key:
            return []
        if MESSAGE_ID in row_key:
            return self._named([str(row_key[MESSAGE_ID])])
        for relations in self._nearest(stage):
            usable = [r for r in relations if {MESSAGE_ID, *row_key} <= self._columns.get(r, set())]
            if usable:
                return self._named(self._message_ids(usable, row_key))
        return []

    def told(self, stage: str, differences: Differences) -> dict[str, Any]:
        """The differences of a stage as a report keeps them: count and the first ones, each with its rides."""
        return {
            "count": differences.count,
            "first": [asdict(found) | {"rides": self.rides(stage, found.row_key)} for found in differences.first],
        }

    def _named(self, message_ids: Sequence[str]) -> list[str]:
        return [self._names.get(i, f"message {i}") for i in sorted(message_ids, key=lambda i: (len(i), i))]

    def _nearest(self, stage: str) -> list[list[str]]:
        """Tables of the model and of those above it, with their expected ones, nearest first."""
        queue, seen, tables = deque([stage]), {stage}, []
        while queue:
            node = self._nodes.get(queue.popleft())
            if node is None:
                continue
            tables.append([r for r in (node.relation, node.expected_relation) if r])
            above = [name for name in node.reads if name not in seen]
            seen.update(above)
            queue.extend(above)
        return tables

    def _message_ids(self, relations: Sequence[str], row_key: Mapping[str, Any]) -> list[str]:
        condition = sql.SQL(" and ").join(
            sql.SQL("coalesce(to_jsonb({}), 'null'::jsonb) = %s::jsonb").format(sql.Identifier(column))
            for column in row_key
        )
        statement = sql.SQL(" union ").join(
            # dbt names its relations quoted already.
            sql.SQL("select {}::text from {} where {}").format(
                sql.Identifier(MESSAGE_ID),
                sql.SQL(relation),
                condition,
            )
            for relation in relations
        )
        cells = [json.dumps(cell) for cell in row_key.values()]
        with self._database.cursor() as query:
            query.execute(statement, cells * len(relations))
            return [message_id for (message_id,) in query.fetchall()]


def _columns(database: connection, relations: Sequence[str]) -> dict[str, set[str]]:
    with database.cursor() as query:
        query.execute(
            "select relation, array_agg(attname::text) from unnest(%s::text[]) as relation"
            " join pg_attribute on attrelid = to_regclass(relation) and attnum > 0 and not attisdropped"
            " group by relation",
            (list(relations),),
        )
        return {relation: set(columns) for relation, columns in query.fetchall()}
