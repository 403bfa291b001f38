"""Fills temporary tables with what a model's inputs should hold after each batch.

A model or seed should hold its expected seed. The table of loaded messages should hold the dye itself, at the positions
that the front door acknowledged. No expected seed has the run-dependent columns, so they are filled from these
positions by message_id. A row with a message_id arrives in the batch of its message, a row of an input seed in its own
batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg2 import sql

from angiogram.core.stage_id import loader_stage
from angiogram.dbt.manifest.nodes import BATCH, Node
from angiogram.dbt.project import Project
from angiogram.dye.messages import Sent
from angiogram.dye.seeds import DyeMessage
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query
from angiogram.warehouse.relations import MESSAGE_ID, columns, has_batches, later_batches, temporary
from ingestion.settings.pipeline import contract

DYE_TABLE = "dye"
"""Temporary table with the whole dye, as it should be loaded."""

_PLACED_COLUMNS = ("source_topic_id", "source_partition", "source_offset", "loaded_at")
_WITH_A_MESSAGE = ("batch", "sent_at", "partition", "offset", "topic_id")
"""Columns of the dye's temporary table behind a message's fields and number."""
_TOPIC_ID = str(UUID(int=0))
_UNPLACED = 1_000_000
"""Partition of refused messages: on a real one, a high offset would hide later messages."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A relation that a model reads.

    Attributes:
        relation: its name in the compiled SQL.
        identifier: the last part of that name, which a temporary table takes over.
        holds: the relation with the rows that it should hold, quoted. None: the messages as they should be loaded.
        node: the model or seed. None for the loaded messages.
        is_own: whether `holds` is its present content, right or wrong, to which nothing is added.
    """

    relation: str
    identifier: str
    holds: str | None
    node: Node | None
    is_own: bool = False


class RightTables:
    """Fills the input tables of models, within the transaction of a cursor."""

    def __init__(self, query: Query, project: Project, messages: Sequence[DyeMessage], sent: Iterable[Sent]) -> None:
        """Remember the inputs. No table is made yet.

        Args:
            query: a cursor in a transaction that is rolled back. The seeds are loaded.
            project: the project whose models are run.
            messages: the dye, if it comes as messages.
            sent: where the broker put each dye message. Empty if the models read the input seeds.
        """
        self._query = query
        self._project = project
        self._messages = messages
        self._sent = {place.number: place for place in sent}
        self._number_column = contract(project.directory).number_column if messages else "number"
        self._number = sql.Identifier(self._number_column)
        self._dye = temporary(query, DYE_TABLE)

    def batches(self, parents: Iterable[Parent], is_incremental: bool) -> list[int] | None:
        """The batches that models take in turn. None if the content of each is not known.

        Args:
            parents: what the models read.
            is_incremental: whether one of the models is incremental.
        """
        taken = self._taken()
        last = max(taken)
        if is_incremental and self._project.dye_source == "seeds" and not self._are_loaded():
            return None
        if not is_incremental or last == 1:
            return [last]
        if all(map(self.batches_are_known, parents)):
            return sorted(taken)
        return [last] if self._project.dye_source == "topic" else None

    def last_batch(self) -> int:
        """The number of the batch that completes the input."""
        return max(self._taken())

    def _taken(self) -> set[int]:
        taken = {1} | {message.batch for message in self._messages}
        for node in self._project.nodes.values():
            if self._is_input(node):
                taken |= later_batches(self._query, sql.SQL(node.relation))
        return taken

    def batches_are_known(self, parent: Parent) -> bool:
        """Whether it is known what a parent should hold after each batch."""
        return (
            parent.node is None
            or self._has_message_id(parent.holds)
            or self._is_input(parent.node)
            or self._is_constant(parent.node)
        )

    def _are_loaded(self) -> bool:
        """Whether dbt loaded all seeds, and so shows their batches."""
        return all(columns(self._query, node.relation) for node in self._project.nodes.values() if node.is_seed)

    def are_there(self, parents: Iterable[Parent]) -> bool:
        """Whether everything that these parents should hold exists in the database.

        A seed that dbt could not load does not exist.
        """
        return all(parent.holds is None or columns(self._query, parent.holds) for parent in parents)

    def known(self, parent: Parent) -> set[str]:
        """Columns of a parent's temporary table, including those of message positions."""
        held = columns(self._query, parent.holds or "")
        return held | set(_PLACED_COLUMNS) if self._has_message_id(parent.holds) else held

    def placed(self, node: Node) -> set[str]:
        """The run-dependent columns whose values are known because the model's rows are messages."""
        return set(_PLACED_COLUMNS) if self._has_message_id(node.expected_relation) else set()

    def _has_message_id(self, relation: str | None) -> bool:
        """Whether a relation's rows are dye messages, so that their batch and position are known."""
        return bool(self._messages) and relation is not None and MESSAGE_ID in columns(self._query, relation)

    def lay_out_dye(self) -> None:
        """Make the temporary table with the whole dye, as it should be loaded."""
        messages = sorted(self._messages, key=lambda message: (message.batch, message.number))
        names = list(messages[0].fields) if messages else []
        rows = []
        for order, message in enumerate(messages):
            place = self._sent.get(message.number)
            at = (place.partition, place.offset) if place and place.offset is not None else (_UNPLACED, order)
            fields = [message.fields[name] for name in names]
            rows.append((*fields, message.number, message.batch, message.sent_at, *at, _TOPIC_ID))
        self._query.execute(
            sql.SQL(
                "create temporary table {} ({}{} int, batch int, sent_at timestamptz,"
                ' "partition" int, "offset" bigint, topic_id uuid)'
            ).format(
                sql.Identifier(DYE_TABLE),
                sql.SQL("").join(sql.SQL("{} text, ").format(sql.Identifier(name)) for name in names),
                self._number,
            )
        )
        if rows:
            engine_of(self._query).insert(self._query, self._dye, [*names, self._number_column, *_WITH_A_MESSAGE], rows)

    def lay_out(self, parent: Parent, excluded: Iterable[str], batch: int) -> None:
        """Make a parent's temporary table with what it should hold after a batch.

        Args:
            parent: the parent.
            excluded: the columns that differ from run to run.
            batch: the batch. Rows of later batches are left out.
        """
        create = sql.SQL("create temporary table {} as ").format(sql.Identifier(parent.identifier))
        self._query.execute(create + self.content(parent, excluded, batch))

    def content(self, parent: Parent, excluded: Iterable[str], batch: int) -> sql.Composable:
        """Return the query for what a parent should hold after a batch, without placeholders.

        Args:
            parent: the parent.
            excluded: the columns that differ from run to run.
            batch: the batch. Rows of later batches are left out.
        """
        if parent.holds is None:
            return sql.SQL(
                "select dye.*, 'dye'::text as topic, sent_at as message_at, now() as loaded_at,"
                " null::text as run_id from {} as dye where batch <= {}"
            ).format(self._dye, sql.Literal(batch))
        if parent.node is None:
            return sql.SQL(
                "select stored.* from {} as stored left join {} as dye using ({}) where coalesce(dye.batch, 1) <= {}"
            ).format(sql.SQL(parent.holds), self._dye, self._number, sql.Literal(batch))
        if self._has_message_id(parent.holds):
            present = columns(self._query, parent.holds)
            absent = [name for name in excluded if name in _PLACED_COLUMNS and name not in present]
            absent = [] if parent.is_own else absent
            chosen = sql.SQL("").join(sql.SQL(", placed.{}").format(sql.Identifier(name)) for name in absent)
            return sql.SQL(
                "select held.*{} from {} as held left join (select {}::text as message_id, batch,"
                ' topic_id as source_topic_id, "partition" as source_partition, "offset" as source_offset,'
                " now() as loaded_at from {} as dye) as placed on held.message_id = placed.message_id"
                " where coalesce(placed.batch, 1) <= {}"
            ).format(chosen, sql.SQL(parent.holds), self._number, self._dye, sql.Literal(batch))
        if self._is_input(parent.node):
            return sql.SQL("select * from {} where coalesce({}, 1) <= {}").format(
                sql.SQL(parent.holds), sql.Identifier(BATCH), sql.Literal(batch)
            )
        return sql.SQL("select * from {}").format(sql.SQL(parent.holds))

    def _is_input(self, node: Node) -> bool:
        """Whether a seed is dye that the models read batch by batch."""
        return self._project.dye_source == "seeds" and node.is_seed and has_batches(self._query, node.relation)

    def _is_constant(self, node: Node) -> bool:
        """Whether a relation depends on reference data alone and is the same for all batches."""
        if loader_stage() in node.reads or self._is_input(node):
            return False
        return all(self._is_constant(self._project.nodes[above.name]) for above in node.reads)
