"""Fills the tables of models that are not built with what their expected seeds say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.runner.results import NodeResult
from angiogram.judge.cause.right_tables import DYE_TABLE, RightTables
from angiogram.judge.selected.plan import known_columns, supposed
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query
from angiogram.warehouse.relations import ordered_columns, temporary

_CONTENT = "content to feed"


@dataclass(frozen=True, slots=True)
class Feeding:
    """Fills tables under the names of models, in the dye's own schemas.

    Attributes:
        project: the project, whose part is planned.
        query: a query of the session that made them empty. The seeds are loaded.
        tables: knows what each model should hold.
    """

    project: Project
    query: Query
    tables: RightTables

    def begin(self) -> None:
        """Make what the batches are taken from."""
        self.tables.lay_out_dye()

    def fill(self, batch: int) -> Iterator[NodeResult]:
        """Fill the tables with what the models should hold after a batch, and yield results.

        Args:
            batch: the batch.
        """
        for unique_id in sorted(self.project.part.fed if self.project.part else ()):
            if (node := self.project.node_of(unique_id)) is not None:
                self._fill(node, batch)
                yield NodeResult(unique_id, node.name, node.stage.kind, "success", None, 0.0)

    def end(self) -> None:
        """Drop what the batches were taken from."""
        self.query.execute(sql.SQL("drop table {}").format(temporary(self.query, DYE_TABLE)))

    def _fill(self, node: Node, batch: int) -> None:
        parsed = node_with_id(self.project.manifest, node.unique_id)
        content = self.tables.content(supposed(node, parsed), node.excluded, batch)
        engine = engine_of(self.query)
        table, held = sql.SQL(node.table), temporary(self.query, _CONTENT)
        self.query.execute(sql.SQL("create temporary table {} as {}").format(sql.Identifier(_CONTENT), content))
        present = ordered_columns(self.query, f'"{engine.temporary_schema}"."{_CONTENT}"')
        chosen = _typed(known_columns(self.project, node.name), present)
        wanted = sql.SQL("select {} from {}").format(chosen, held)
        if engine.exists(self.query, node.table):
            # A view may read it already, so it stays.
            self.query.execute(sql.SQL("delete from {}").format(table))
            self.query.execute(sql.SQL("insert into {} {}").format(table, wanted))
        else:
            if engine.name != "postgres":  # there all schemas of the dye are made at the start
                _make_schema(self.query, parsed.database, parsed.schema)
            self.query.execute(sql.SQL("create table {} as {}").format(table, wanted))
        self.query.execute(sql.SQL("drop table {}").format(held))


def _typed(known: Mapping[str, str], present: Sequence[str]) -> sql.Composable:
    """The columns as the model has them, in its order and with its types where they are known."""
    in_order = [*(name for name in known if name in present), *(name for name in present if name not in known)]
    # type names come from the accepted surface, which the database wrote
    return sql.SQL(", ").join(
        sql.SQL("cast({0} as {1}) as {0}").format(sql.Identifier(name), sql.SQL(known[name]))
        if name in known
        else sql.Identifier(name)
        for name in in_order
    )


def _make_schema(query: Query, database: str, schema: str) -> None:
    """Make a schema that dbt has not made yet, because it builds nothing there."""
    query.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(database, schema)))
