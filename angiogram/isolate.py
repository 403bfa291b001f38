"""Each model on right input: its own SQL with every parent replaced by what that parent should hold.

That tells a wrong model from wrong input even below another fault. Nothing stays behind: all tables are temporary and
made in a transaction that is rolled back.

What a parent should hold is its expected seed; of the rides in hand it is the dye itself, at the places that the front
door acknowledged. The run-dependent columns, which no expected seed has, are put in by message_id from these places.
Incremental models take their input batch by batch, as in the run: what has a message_id by the batch of its ride, input
seeds by their own. One that reads rows which no batch accounts for takes them at once, where the run is the taxi's: all
at once must come to the same there. Of another project nobody knows that it does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection, cursor
from psycopg2.extras import execute_values

from angiogram.compare import SQL_FAILED, Comparison, compare
from angiogram.diagnose import OutputState
from angiogram.differences import Differences
from angiogram.dye import RAW_FIELDS, DyeRide, read_dye
from angiogram.errors import DbtFailed, NotReady
from angiogram.inject import Sent
from angiogram.project import BATCH, Node, Project
from angiogram.relations import columns, later_batches
from angiogram.sensitivity.compiled import Incremental, compile_forms, incremental_of
from angiogram.sensitivity.merge import INCREMENT, merge_statements
from angiogram.stage_id import LOADER_STAGE, StageId
from angiogram.trace import MESSAGE_ID

_RIDES_IN_HAND = "rides_in_hand"
_MADE = "isolated"
_DYE = "dye"
_INCREMENT = INCREMENT.strings[-1]
_PLACED_COLUMNS = ("source_topic_id", "source_partition", "source_offset", "loaded_at")
_TOPIC_ID = str(UUID(int=0))
_UNPLACED = 1_000_000
"""A partition for the rides that the front door refused: a high offset on another one would hide what comes later."""


@dataclass(frozen=True, slots=True)
class _Parent:
    """A relation that a model reads.

    Attributes:
        relation: as the compiled SQL names it.
        identifier: its last name, under which a temporary table takes its place.
        holds: the table with what it should hold, quoted; None for the rides in hand.
        node: the model or seed; None for the rides in hand.
    """

    relation: str
    identifier: str
    holds: str | None
    node: Node | None


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a model makes its table: its SQL on a first batch, and how a later one comes in."""

    node: Node
    first: str
    later: Incremental | None


class Isolation:
    """Runs models of a project on right input."""

    def __init__(
        self, database: connection, project: Project, states: Mapping[StageId, OutputState], sent: Iterable[Sent]
    ) -> None:
        """Compile all models; if one cannot be, those that dbt could build.

        Args:
            database: as the role of target angiogram, in autocommit; the seeds are loaded.
            project: whose models were built.
            states: what each stage's output looked like.
            sent: where the dye was put; nowhere if the models read the input seeds.

        Raises:
            SeedError: the dye cannot be read.
        """
        self._database = database
        self._project = project
        self._sent = {place.ride_number: place for place in sent}
        self._rides = _rides(project)
        self._recipes: dict[str, _Recipe] = {}
        first, later = _compiled(project, states)
        for name, node in project.nodes.items():
            compiled = first.get(node.unique_id), later.get(node.unique_id)
            if not node.is_seed and (recipe := _recipe(node, project.manifest.nodes[node.unique_id], *compiled)):
                self._recipes[name] = recipe

    def judge(self, name: str, trusted: Iterable[str] = ()) -> Comparison | None:
        """Run one model on right input and compare it with its expected seed.

        Args:
            name: of the model.
            trusted: stages whose own output is right, so that it is read as it is.

        Returns:
            The comparison, with an obstacle if the model fails; None if right input for it
            cannot be had, or if dbt makes its table otherwise than by its SQL alone.
        """
        recipe = self._recipes.get(name)
        parents = self._parents(recipe.node, frozenset(trusted)) if recipe else None
        if recipe is None or parents is None or recipe.node.expected_relation is None:
            return None
        with self._database.cursor() as query, _undone(query):
            batches = self._batches(query, recipe, parents)
            if batches is None or any(parent.holds and not columns(query, parent.holds) for parent in parents):
                return None  # a seed that dbt could not load is absent
            if self._lacks(query, recipe, parents):
                return None
            self._lay_out_rides(query)
            try:
                self._make(query, recipe, parents, batches)
            except SQL_FAILED as error:
                return Comparison(None, Differences(), str(error).strip())
            made = replace(recipe.node, relation=f'"pg_temp"."{_MADE}"')
            return compare(self._database, made, self._project.directory)

    def _parents(self, node: Node, trusted: frozenset[str]) -> list[_Parent] | None:
        """What a model reads; None if nobody knows what one of them should hold."""
        manifest = self._project.manifest
        parents = []
        for unique_id in self._project.parents(node.unique_id):
            if unique_id in manifest.sources:
                source = manifest.sources[unique_id]
                if source.identifier != _RIDES_IN_HAND:
                    return None
                parents.append(_Parent(source.relation_name, source.identifier, None, None))
                continue
            parent = self._project.nodes[manifest.nodes[unique_id].search_name]
            holds = parent.relation if parent.name in trusted else parent.expected_relation
            if holds is None:
                return None
            parents.append(_Parent(parent.relation, manifest.nodes[unique_id].alias, holds, parent))
        names = [*(parent.identifier for parent in parents), _DYE, _MADE, _INCREMENT]
        return parents if len(set(names)) == len(names) else None

    def _lacks(self, query: cursor, recipe: _Recipe, parents: Sequence[_Parent]) -> bool:
        """Whether the model reads a run-dependent column that its parents have and what they should hold has not."""
        text = recipe.first + (recipe.later.sql if recipe.later else "")
        lacking = {name for name in recipe.node.excluded if re.search(rf"\b{re.escape(name)}\b", text)}
        for parent in parents:
            if parent.holds is not None:
                lacking -= columns(query, parent.holds)
            if self._has_message_id(query, parent):
                lacking.difference_update(_PLACED_COLUMNS)
        expected = (parent.relation for parent in parents if parent.holds not in (None, parent.relation))
        # Of a parent that was not built nobody knows its columns.
        return any(lacking & (columns(query, relation) or lacking) for relation in expected)

    def _batches(self, query: cursor, recipe: _Recipe, parents: Sequence[_Parent]) -> list[int] | None:
        """The batches that a model takes one after the other; None if nobody knows what each of them holds."""
        taken = {1} | {ride.batch for ride in self._rides}
        for node in self._project.nodes.values():
            if self._is_input(query, node):
                taken |= later_batches(query, sql.SQL(node.relation))
        last = max(taken)
        if recipe.later is None or last == 1:
            return [last]
        if all(
            parent.node is None
            or self._has_message_id(query, parent)
            or self._is_input(query, parent.node)
            or self._is_constant(query, parent.node)
            for parent in parents
        ):
            return sorted(taken)
        return [last] if self._project.dye_source == "topic" else None

    def _make(self, query: cursor, recipe: _Recipe, parents: Sequence[_Parent], batches: Sequence[int]) -> None:
        made, increment = sql.Identifier("pg_temp", _MADE), sql.Identifier(_INCREMENT)
        for batch in batches:
            self._lay_out(query, recipe.node, parents, batch)
            if recipe.later is None or batch == batches[0]:
                query.execute(
                    sql.SQL("create temporary table {} as ").format(sql.Identifier(_MADE))
                    + sql.SQL(_located(query, recipe.first, parents))
                )
            else:
                itself = _Parent(recipe.node.relation, _MADE, None, None)
                query.execute(
                    sql.SQL("create temporary table {} as ").format(increment)
                    + sql.SQL(_located(query, recipe.later.sql, [*parents, itself]))
                )
                query.execute(sql.SQL("select * from {} limit 0").format(made))
                columns = [column.name for column in query.description or ()]
                for statement in merge_statements(_MADE, columns, recipe.later):
                    query.execute(statement)
                query.execute(sql.SQL("drop table {}").format(INCREMENT))
            for parent in parents:
                query.execute(sql.SQL("drop table {}").format(sql.Identifier("pg_temp", parent.identifier)))

    def _is_input(self, query: cursor, node: Node) -> bool:
        """Whether a seed is dye that the models read batch by batch."""
        return self._project.dye_source == "seeds" and node.is_seed and BATCH in columns(query, node.relation)

    def _is_constant(self, query: cursor, node: Node) -> bool:
        """Whether a relation is made of reference data alone, so that all batches see the same of it."""
        if LOADER_STAGE in node.reads or self._is_input(query, node):
            return False
        return all(self._is_constant(query, self._project.nodes[above.name]) for above in node.reads)

    def _has_message_id(self, query: cursor, parent: _Parent) -> bool:
        return bool(self._rides) and parent.holds is not None and MESSAGE_ID in columns(query, parent.holds)

    def _lay_out_rides(self, query: cursor) -> None:
        """The whole dye as it should be loaded, with its batches."""
        rides = sorted(self._rides, key=lambda ride: (ride.batch, ride.ride_number))
        rows = []
        for order, ride in enumerate(rides):
            place = self._sent.get(ride.ride_number)
            at = (place.partition, place.offset) if place and place.offset is not None else (_UNPLACED, order)
            fields = [ride.fields[name] for name in RAW_FIELDS]
            rows.append((*fields, ride.ride_number, ride.batch, ride.sent_at, *at, _TOPIC_ID))
        query.execute(
            sql.SQL(
                "create temporary table {} ({}, ride_number int, batch int, sent_at timestamptz,"
                ' "partition" int, "offset" bigint, topic_id uuid)'
            ).format(
                sql.Identifier(_DYE),
                sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in RAW_FIELDS),
            )
        )
        if rows:
            execute_values(query, sql.SQL("insert into pg_temp.{} values %s").format(sql.Identifier(_DYE)), rows)

    def _lay_out(self, query: cursor, node: Node, parents: Sequence[_Parent], batch: int) -> None:
        """Make each parent's temporary table as it should be after a batch."""
        for parent in parents:
            create = sql.SQL("create temporary table {} as ").format(sql.Identifier(parent.identifier))
            if parent.holds is None or parent.node is None:
                query.execute(
                    create
                    + sql.SQL(
                        "select dye.*, 'dye'::text as topic, sent_at as message_at, now() as loaded_at,"
                        " null::text as run_id from pg_temp.dye where batch <= %s"
                    ),
                    (batch,),
                )
            elif self._has_message_id(query, parent):
                present = columns(query, parent.holds)
                absent = [name for name in node.excluded if name in _PLACED_COLUMNS and name not in present]
                chosen = sql.SQL("").join(sql.SQL(", placed.{}").format(sql.Identifier(name)) for name in absent)
                query.execute(
                    create
                    + sql.SQL(
                        "select held.*{} from {} as held left join (select ride_number::text as message_id, batch,"
                        ' topic_id as source_topic_id, "partition" as source_partition, "offset" as source_offset,'
                        " now() as loaded_at from pg_temp.dye) as placed on held.message_id = placed.message_id"
                        " where coalesce(placed.batch, 1) <= %s"
                    ).format(chosen, sql.SQL(parent.holds)),
                    (batch,),
                )
            elif self._is_input(query, parent.node):
                query.execute(
                    create
                    + sql.SQL("select * from {} where coalesce({}, 1) <= %s").format(
                        sql.SQL(parent.holds), sql.Identifier(BATCH)
                    ),
                    (batch,),
                )
            else:
                query.execute(create + sql.SQL("select * from {}").format(sql.SQL(parent.holds)))


def _compiled(project: Project, states: Mapping[StageId, OutputState]) -> tuple[dict[str, str], dict[str, str]]:
    """The models' SQL in both forms; without those that failed, and those skipped, if with them nothing is compiled."""
    failed = [name for name, node in project.nodes.items() if states[node.stage] is OutputState.FAILED]
    skipped = [name for name, node in project.nodes.items() if states[node.stage] is OutputState.SKIPPED]
    for left_out in ([], failed, failed + skipped):
        try:
            return compile_forms(project.directory, project.manifest, project.target, project.dbt_vars, left_out)
        except DbtFailed:  # a query or a check of a model's own, while it was compiled
            continue
    return {}, {}


def _recipe(node: Node, parsed: Any, first: str | None, later: str | None) -> _Recipe | None:
    """How a model makes its table; None if by what cannot be done here, or if it was not compiled."""
    config = parsed.config
    if (
        first is None
        or later is None
        or config.materialized not in ("table", "view", "materialized_view", "incremental")
        or config.pre_hook
        or config.post_hook
        or config.get("sql_header")
    ):
        return None
    try:
        return _Recipe(node, first, incremental_of(parsed, later))
    except NotReady:  # a strategy of its own, or microbatch
        return None


def _rides(project: Project) -> list[DyeRide]:
    """The rides of the taxi dye; a project fed from other input seeds has none."""
    if project.dye_source == "topic":
        return read_dye()
    file = project.directory / "seeds" / "angiogram" / "input" / "dye_rides.csv"
    return read_dye(file) if file.is_file() else []


@contextmanager
def _undone(query: cursor) -> Iterator[None]:
    query.execute("begin")
    try:
        yield
    finally:
        query.execute("rollback")


def _located(query: cursor, text: str, parents: Sequence[_Parent]) -> str:
    """Compiled SQL with each relation replaced by the temporary table that takes its place."""
    for parent in parents:
        text = text.replace(parent.relation, sql.Identifier("pg_temp", parent.identifier).as_string(query))
    return text
