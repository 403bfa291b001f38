"""Fills the tables of models that are not built with what their expected seeds say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from angiogram.core.short_message import in_a_line
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.runner.results import NodeResult
from angiogram.judge.cause.right_tables import DYE_TABLE, Parent, RightTables
from angiogram.judge.guards.surface import Surface
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query
from angiogram.warehouse.relations import SQL_FAILED, attempted, columns, ordered_columns, temporary

_CONTENT = "content to feed"
_TRIAL = "trial of a feed"

ColumnsByModel = Mapping[str, Mapping[str, str]]
"""Types of columns by name, by the model's name."""


def accepted_columns(project: Project) -> ColumnsByModel:
    """Return the columns of each model with their types, as far as a surface is accepted.

    Raises:
        InvalidSurface: the accepted surface cannot be read.
    """
    surface = Surface.accepted(project.directory)
    if surface is None or surface.engine != project.adapter:
        return {}
    return {name: model.columns for name, model in surface.models.items() if model.columns}


@dataclass(frozen=True, slots=True)
class Feeding:
    """Fills tables under the names of models, in the dye's own schemas.

    Attributes:
        project: the project, whose seeds are loaded.
        query: a query of the session that made the schemas empty.
        tables: knows what each model should hold.
        accepted: the columns of each model, as accepted.
    """

    project: Project
    query: Query
    tables: RightTables
    accepted: ColumnsByModel

    def begin(self) -> None:
        """Make what the batches are taken from."""
        self.tables.lay_out_dye()

    def why_not(self, node: Node) -> str | None:
        """Return why an expected seed cannot stand for its model, in words. None: it can.

        Args:
            node: the model.
        """
        if not columns(self.query, node.expected_relation or ""):
            return "its expected seed could not be loaded"
        # Without an accepted surface, what the model has besides is unknown.
        real = set(self.accepted.get(node.name) or node.excluded)
        if absent := real - self.tables.known(self._supposed(node)):
            return f"its expected seed does not have the columns {', '.join(sorted(absent))}"
        try:
            with attempted(self.query):
                self._make_content(node, self.tables.last_batch())
                made = sql.SQL("create temporary table {} as {}").format(sql.Identifier(_TRIAL), self._typed(node))
                self.query.execute(made)
        except SQL_FAILED as error:
            return f"its expected seed cannot be read with the model's types: {in_a_line(str(error))}"
        finally:
            self._drop(_TRIAL, _CONTENT)
        return None

    def knows_batches(self, node: Node) -> bool:
        """Return whether it is known what a model should hold after each batch.

        Args:
            node: the model.
        """
        return self.tables.last_batch() == 1 or self.tables.batches_are_known(self._supposed(node))

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
        self._drop(DYE_TABLE)

    def _fill(self, node: Node, batch: int) -> None:
        engine, table = engine_of(self.query), sql.SQL(node.table)
        self._make_content(node, batch)
        if engine.exists(self.query, node.table):
            # A view may read it already, so it stays.
            self.query.execute(sql.SQL("delete from {}").format(table))
            self.query.execute(sql.SQL("insert into {} {}").format(table, self._typed(node)))
        else:
            if engine.name != "postgres":  # there all schemas of the dye are made at the start
                parsed = node_with_id(self.project.manifest, node.unique_id)
                schema = sql.Identifier(parsed.database, parsed.schema)
                self.query.execute(sql.SQL("create schema if not exists {}").format(schema))
            self.query.execute(sql.SQL("create table {} as {}").format(table, self._typed(node)))
        self._drop(_CONTENT)

    def _make_content(self, node: Node, batch: int) -> None:
        content = self.tables.content(self._supposed(node), node.excluded, batch)
        self.query.execute(sql.SQL("create temporary table {} as {}").format(sql.Identifier(_CONTENT), content))

    def _typed(self, node: Node) -> sql.Composable:
        """The query for the content, with the columns and types of the model, if known."""
        present = ordered_columns(self.query, f'"{engine_of(self.query).temporary_schema}"."{_CONTENT}"')
        chosen = _cast(self.accepted.get(node.name, {}), present)
        return sql.SQL("select {} from {}").format(chosen, temporary(self.query, _CONTENT))

    def _supposed(self, node: Node) -> Parent:
        """A model as the parent that holds what its expected seed says."""
        alias = node_with_id(self.project.manifest, node.unique_id).alias
        return Parent(node.read_as, alias, node.expected_relation, node)

    def _drop(self, *names: str) -> None:
        for name in names:
            self.query.execute(sql.SQL("drop table if exists {}").format(temporary(self.query, name)))


def _cast(known: Mapping[str, str], present: Sequence[str]) -> sql.Composable:
    in_order = [*(name for name in known if name in present), *(name for name in present if name not in known)]
    # type names come from the accepted surface, which the database wrote
    return sql.SQL(", ").join(
        sql.SQL("cast({0} as {1}) as {0}").format(sql.Identifier(name), sql.SQL(known[name]))
        if name in known
        else sql.Identifier(name)
        for name in in_order
    )
