"""Traces a row that differs back to the dye messages that feed it.

A row is traced through the nearest table that has its key columns and message_id: the model's own table, or one above
it. Both actual and expected tables count, so that a missing row has its messages too. If the expected seed itself is
wrong, only actual tables count: a row that only such a seed has is fed by no message.
"""

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, LiteralString

from psycopg2 import sql
from psycopg2.extras import Json

from angiogram.core.differences import KEPT, Differences
from angiogram.core.stage_id import EXPECTED, MODEL, StageId
from angiogram.dbt.manifest.nodes import Node
from angiogram.store.local import LocalKept, SomeKept
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.relations import MESSAGE_ID, beside_values, typed_columns

_MOST_PAIRS = 50
"""Names and values that one call of jsonb_build_object takes: PostgreSQL passes no more than 100 arguments."""

_MESSAGES = sql.SQL(
    "with names as (select * from unnest(%s::text[], %s::text[]) as named (message_id, name)),"
    " wanted as (select %s::jsonb as row_key), fed as ({fed})"
    " select array_agg(coalesce(names.name, 'message ' || fed.message_id)"
    " order by length(fed.message_id), fed.message_id)"
    " from wanted join fed using (row_key) left join names using (message_id)"
)

_NAME_MESSAGES = sql.SQL(
    "with names as (select * from unnest(%s::text[], %s::text[]) as named (message_id, name)),"
    " wanted as (select distinct run_id, stage_kind, stage_name, row_key from angiogram.differences"
    " where run_id = %s and stage_kind = %s and stage_name = %s and row_key is not null),"
    " fed as ({fed}),"
    " named as (select wanted.run_id, wanted.stage_kind, wanted.stage_name, wanted.row_key, array_agg("
    "coalesce(names.name, 'message ' || fed.message_id) order by length(fed.message_id), fed.message_id) as messages"
    " from wanted join fed using (row_key) left join names using (message_id)"
    " group by wanted.run_id, wanted.stage_kind, wanted.stage_name, wanted.row_key)"
    " update angiogram.differences as found set messages = named.messages from named"
    " where found.run_id = named.run_id and found.stage_kind = named.stage_kind"
    " and found.stage_name = named.stage_name and found.row_key = named.row_key"
)
"""All rows of a stage at once. Row by row, a model with multiplied rows would take minutes."""

_ALSO_LOST: LiteralString = (
    "update angiogram.differences as found set messages = own.messages from angiogram.differences as own"
    " where found.run_id = %(run_id)s and found.stage_kind = 'expected' and found.stage_name = %(name)s"
    " and found.messages = '{}' and own.run_id = found.run_id and own.stage_kind = 'model'"
    " and own.stage_name = found.stage_name and own.row_key = found.row_key"
)
"""For a row of a wrong expected seed that the model lost: the messages that feed it by the calculation."""

_UNFED: LiteralString = (
    "update angiogram.differences set unfed = true where run_id = %(run_id)s"
    " and stage_kind = 'expected' and stage_name = %(name)s"
    " and difference = 'missing' and row_key is not null and messages = '{}'"
)


class Tracer:
    """Names the dye messages that feed the rows that differ."""

    def __init__(
        self,
        database: Warehouse,
        nodes: Mapping[str, Node],
        names: Mapping[str, str],
        failed: Collection[StageId] = (),
    ) -> None:
        """Look up the columns of the tables.

        Args:
            database: as role angiogram, in autocommit.
            nodes: the nodes of the dbt project.
            names: the name of each dye message by message_id.
            failed: stages whose own tables must not be read.
        """
        self._database = database
        self._nodes = nodes
        self._names = names
        self._failed = failed
        relations = [n.relation for n in nodes.values()] + [n.expected_relation or "" for n in nodes.values()]
        self._columns = typed_columns(database, {relation: relation for relation in relations if relation})

    def name_messages(self, kept: SomeKept, stage: StageId) -> None:
        """Add the names of the dye messages to all kept differences of a stage.

        Args:
            kept: the differences.
            stage: the stage. A wrong expected seed must come after its model.
        """
        if isinstance(kept, LocalKept):
            keys = {text: json.loads(text) for text in kept.row_keys(stage)}
            kept.name_messages(stage, self._messages_of_keys(stage, keys), stage.kind == EXPECTED)
            return
        with self._database.cursor() as query:
            query.execute(
                "select distinct array(select jsonb_object_keys(row_key) order by 1) from angiogram.differences"
                " where run_id = %s and stage_kind = %s and stage_name = %s and row_key is not null",
                (kept.run_id, *stage),
            )
            for (key,) in query.fetchall():
                if (fed := self._fed(stage, key)) is not None:
                    query.execute(
                        _NAME_MESSAGES.format(fed=fed),
                        (list(self._names), list(self._names.values()), kept.run_id, *stage),
                    )
            if stage.kind == EXPECTED:
                places = {"run_id": kept.run_id, "name": stage.name}
                query.execute(_ALSO_LOST, places)
                query.execute(_UNFED, places)

    def told(self, stage: StageId, differences: Differences) -> dict[str, Any]:
        """A stage's differences for the report: the count, and the first ones with their messages."""
        return {
            "stage": stage.as_json(),
            "count": differences.count,
            "first": [
                asdict(found) | {"messages": self._messages(stage, found.row_key)} for found in differences.first
            ],
        }

    def _messages(self, stage: StageId, row_key: Mapping[str, Any] | None) -> list[str]:
        """Names of the dye messages that feed a row. Empty if there are none.

        A difference that is not about a row has no messages.
        """
        if row_key and engine_of(self._database).name != "postgres":
            return self._messages_of_row(stage, row_key)
        fed = self._fed(stage, sorted(row_key)) if row_key else None
        if fed is None:
            return []
        with self._database.cursor() as query:
            query.execute(_MESSAGES.format(fed=fed), (list(self._names), list(self._names.values()), Json(row_key)))
            ((messages,),) = query.fetchall()
        return list(messages or [])

    def _messages_of_keys(self, stage: StageId, keys: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
        """Names of the messages that feed each of many rows, by the text of its key.

        Rows without messages are left out.

        Args:
            stage: the stage.
            keys: the keys of the rows, by their text.
        """
        found: dict[str, list[str]] = {}
        if len(keys) <= KEPT:
            found = {text: self._messages(stage, key) for text, key in keys.items()}
        else:
            fed: dict[tuple[str, ...], dict[tuple[str, ...], set[str]]] = {}
            for text, key in keys.items():
                columns = tuple(sorted(key))
                if columns not in fed:
                    fed[columns] = self._fed_by_key(stage, columns)
                found[text] = self._named(fed[columns].get(_cells(key, columns), ()))
        return {text: messages for text, messages in found.items() if messages}

    def _fed_by_key(self, stage: StageId, columns: Sequence[str]) -> dict[tuple[str, ...], set[str]]:
        """The messages of all rows, by the cells of their key."""
        engine, fed = engine_of(self._database), dict[tuple[str, ...], set[str]]()
        with self._database.cursor() as query:
            for relation in self._usable(stage, columns):
                cells = [engine.as_json(name, self._columns[relation][name]) for name in columns]
                query.execute(
                    sql.SQL("select distinct cast({} as varchar), {} from {}").format(
                        sql.Identifier(MESSAGE_ID), sql.SQL(", ").join(cells), sql.SQL(beside_values(relation))
                    ),
                    (),
                )
                for message_id, *texts in query.fetchall():
                    key = {name: json.loads(text or "null") for name, text in zip(columns, texts, strict=True)}
                    fed.setdefault(_cells(key, columns), set()).update([message_id] if message_id is not None else ())
        return fed

    def _named(self, message_ids: Iterable[str]) -> list[str]:
        ids = sorted(message_ids, key=lambda one: (len(one), one))
        return [self._names.get(one, f"message {one}") for one in ids]

    def _messages_of_row(self, stage: StageId, row_key: Mapping[str, Any]) -> list[str]:
        """The same where an engine has no function that makes JSON of a row as PostgreSQL does."""
        if MESSAGE_ID in row_key and stage.kind != EXPECTED:
            found = {str(row_key[MESSAGE_ID])}
        else:
            found = set(self._message_ids(self._usable(stage, list(row_key)), row_key))
        return self._named(found)

    def _message_ids(self, relations: Sequence[str], row_key: Mapping[str, Any]) -> Iterator[str]:
        """Yield the message_id of each row of relations that has a key."""
        engine = engine_of(self._database)
        with self._database.cursor() as query:
            for relation in relations:
                cells = [engine.as_json(name, self._columns[relation][name]) for name in row_key]
                query.execute(
                    sql.SQL("select distinct cast({} as varchar) from {} where {}").format(
                        sql.Identifier(MESSAGE_ID),
                        sql.SQL(beside_values(relation)),
                        sql.SQL(" and ").join(sql.SQL("coalesce({}, 'null') = %s").format(cell) for cell in cells),
                    ),
                    [json.dumps(value, ensure_ascii=False) for value in row_key.values()],
                )
                yield from (one for (one,) in query.fetchall() if one is not None)

    def _usable(self, stage: StageId, key: Sequence[str]) -> list[str]:
        """The nearest tables that have the key and message_id."""
        for relations in self._nearest(stage):
            if usable := [r for r in relations if {MESSAGE_ID, *key} <= self._columns.get(r, {}).keys()]:
                return usable
        return []

    def _fed(self, stage: StageId, key: Sequence[str]) -> sql.Composable | None:
        """Query for pairs of row_key and message_id. None if no table links the two.

        It must be executed with values.
        """
        if MESSAGE_ID in key and stage.kind != EXPECTED:  # a wrong expected seed may name messages that were never sent
            return sql.SQL("select row_key, row_key ->> {} as message_id from wanted").format(sql.Literal(MESSAGE_ID))
        if not (usable := self._usable(stage, key)):
            return None
        pairs = [
            sql.SQL("{}, {}").format(sql.Literal(column), sql.Identifier(column)) for column in map(beside_values, key)
        ]
        row_key = sql.SQL(" || ").join(
            sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs[start : start + _MOST_PAIRS]))
            for start in range(0, len(pairs), _MOST_PAIRS)
        )
        return sql.SQL(" union ").join(
            # dbt's relation names are already quoted.
            sql.SQL("select {} as row_key, {}::text as message_id from {}").format(
                row_key, sql.Identifier(MESSAGE_ID), sql.SQL(beside_values(relation))
            )
            for relation in usable
        )

    def _nearest(self, stage: StageId) -> list[list[str]]:
        """Tables of the model and of those above it, nearest first.

        Their expected seeds are included, unless the stage is itself an expected seed.
        """
        start = StageId(MODEL, stage.name) if stage.kind == EXPECTED else stage
        queue, seen, tables = deque([start]), {start}, []
        while queue:
            place = queue.popleft()
            node = self._nodes.get(place.name)
            if node is None or node.stage != place:
                continue
            made = None if place in self._failed else node.relation
            expected = None if stage.kind == EXPECTED else node.expected_relation
            tables.append([r for r in (made, expected) if r])
            above = [other for other in node.reads if other not in seen]
            seen.update(above)
            queue.extend(above)
        return tables


def _cells(key: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    """The cells of a key as text, however an engine writes a number."""
    return tuple(json.dumps(key[name], ensure_ascii=False) for name in columns)
