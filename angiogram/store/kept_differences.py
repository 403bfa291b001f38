"""Keeps every difference of a run in angiogram.differences.

A report shows only the first ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import Json, RealDictCursor, execute_values

from angiogram.core.differences import KEPT, Difference
from angiogram.core.stage_id import StageId, as_json

_AT_A_TIME = 1_000
"""How many rows are held in memory at a time."""

_COLUMNS = sql.SQL("difference, row_key, column_name, expected, actual")


@dataclass(frozen=True, slots=True)
class Kept:
    """The differences of one run.

    Attributes:
        database: as role angiogram, in autocommit.
        run_id: the run.
    """

    database: connection
    run_id: str

    def put(self, stage: StageId, found: Sequence[Difference]) -> None:
        """Store the differences of a stage, replacing those of an earlier try."""
        self.forget(stage)
        rows = [
            (self.run_id, *stage, number, kind, None if key is None else Json(key), *cell)
            for number, (kind, key, *cell) in enumerate(map(astuple, found), start=1)
        ]
        with self.database.cursor() as query:
            execute_values(
                query,
                "insert into angiogram.differences"
                " (run_id, stage_kind, stage_name, number, difference, row_key, column_name, expected, actual)"
                " values %s",
                rows,
            )

    def forget(self, stage: StageId) -> None:
        """Delete the differences of a stage."""
        with self.database.cursor() as query:
            query.execute(
                "delete from angiogram.differences where run_id = %s and stage_kind = %s and stage_name = %s",
                (self.run_id, *stage),
            )

    def inserting(self, stage: StageId) -> sql.Composed:
        """Return the statement that stores the differences in the relation `d`.

        `d` has the columns of the macro differences.
        """
        return sql.SQL(
            "insert into angiogram.differences (run_id, stage_kind, stage_name, number, {columns})"
            " select {run_id}, {kind}, {name},"
            " row_number() over (order by row_key nulls first, column_name, difference, expected, actual),"
            " difference, row_key::jsonb, column_name, expected, actual from d"
        ).format(
            columns=_COLUMNS,
            run_id=sql.Literal(self.run_id),
            kind=sql.Literal(stage.kind),
            name=sql.Literal(stage.name),
        )

    def rename(self, stage: StageId, other: StageId) -> None:
        """Move the differences of a stage to another one that is to blame."""
        self.forget(other)
        with self.database.cursor() as query:
            query.execute(
                "update angiogram.differences set stage_kind = %s, stage_name = %s"
                " where run_id = %s and stage_kind = %s and stage_name = %s",
                (*other, self.run_id, *stage),
            )

    def first(self, stage: StageId) -> list[dict[str, Any]]:
        """Return as many differences of a stage as a report shows, with their messages."""
        with self.database.cursor(cursor_factory=RealDictCursor) as query:
            query.execute(
                'select difference, row_key, column_name as "column", expected, actual, messages, unfed'
                " from angiogram.differences where run_id = %s and stage_kind = %s and stage_name = %s"
                " order by number limit %s",
                (self.run_id, *stage, KEPT),
            )
            return [dict(row) for row in query.fetchall()]


def read_all(
    database: connection, run_id: str, order: Sequence[StageId], stage: StageId | None = None
) -> Iterator[dict[str, Any]]:
    """Yield all differences of a run, a limited number at a time.

    Args:
        database: as a role that may read them, in autocommit.
        run_id: the run.
        order: the stages in order; others follow.
        stage: only this stage; None: all.
    """
    # With hold, since in autocommit no transaction keeps the cursor open.
    with database.cursor("differences", cursor_factory=RealDictCursor, withhold=True) as query:
        query.itersize = _AT_A_TIME
        query.execute(
            "select jsonb_build_object('kind', stage_kind, 'name', stage_name) as stage, difference, row_key,"
            ' column_name as "column", expected, actual, messages, unfed from angiogram.differences'
            " left join jsonb_array_elements(%s) with ordinality as known (stage, place)"
            " on known.stage = jsonb_build_object('kind', stage_kind, 'name', stage_name)"
            " where run_id = %s and (%s::text is null or (stage_kind, stage_name) = (%s, %s))"
            " order by known.place, stage_kind, stage_name, number",
            (Json(as_json(order)), run_id, stage and stage.kind, *(stage or (None, None))),
        )
        yield from map(dict, query)
