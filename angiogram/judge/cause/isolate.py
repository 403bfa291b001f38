"""Runs each model on right input: every parent is replaced by what it should hold.

This tells a wrong model from wrong input, even downstream of another fault. Nothing stays behind: all tables are
temporary, in a transaction that is rolled back; `right_tables` fills the tables of the parents. A model that
nothing compares should hold what its own SQL makes of right input.

Incremental models take their input batch by batch, as in the run. If the batch of some input rows is unknown, the model
takes all rows at once, but only where the dye comes from the topic: there, the result must be the same. For input seeds
that is not certain.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg2 import sql

from angiogram.core.diagnose import OutputState
from angiogram.core.differences import Comparison, Differences
from angiogram.core.errors import DbtFailed, UnsupportedProject
from angiogram.core.stage_id import StageId, loader_stage
from angiogram.dbt.manifest.lookup import node_with_id, source_if_known, sources_by_id
from angiogram.dbt.manifest.nodes import Node, inlined, parents
from angiogram.dbt.project import Project
from angiogram.dbt.runnable_forms import runnable_forms
from angiogram.dye.messages import Sent
from angiogram.dye.seeds import DyeMessage, has_dye, read_dye
from angiogram.judge.cause.incremental import Incremental, incremental_of
from angiogram.judge.cause.merge import INCREMENT, merge_statements
from angiogram.judge.cause.right_tables import DYE_TABLE, Parent, RightTables
from angiogram.judge.compare.compare import compare
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query, Warehouse
from angiogram.warehouse.relations import SQL_FAILED, attempted, columns, temporary, undone
from ingestion.settings.pipeline import contract

BothForms = tuple[dict[str, str], dict[str, str]]
"""The SQL of each node by dbt's id: with is_incremental() false, and with it true."""

_MADE = "isolated"


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a model makes its table: its SQL for the first batch, and how later ones are added."""

    node: Node
    parsed: Any
    first: str
    later: Incremental | None

    @property
    def text(self) -> str:
        """All its SQL."""
        return self.first + (self.later.sql if self.later else "")


@dataclass(slots=True)
class _Plan:
    """Which models are rebuilt, in order, and what they read.

    Attributes:
        steps: the models to rebuild, by dbt's id. The model that is judged comes last.
        parents: what they read, by dbt's id.
    """

    steps: dict[str, _Recipe] = field(default_factory=dict)
    parents: dict[str, Parent] = field(default_factory=dict)


class Isolation:
    """Runs models of a project on right input."""

    def __init__(
        self,
        database: Warehouse,
        project: Project,
        states: Mapping[StageId, OutputState],
        sent: Sequence[Sent],
        forms: BothForms | None = None,
    ) -> None:
        """Compile all models. If one does not compile, compile those that dbt could build.

        Args:
            database: as the role of target angiogram, in autocommit. The seeds are loaded.
            project: the project whose models were built.
            states: the state of each stage's output.
            sent: where the broker put each dye message. Empty if the models read the input seeds.
            forms: the models' SQL, if known.

        Raises:
            SeedError: the dye cannot be read.
        """
        self._database = database
        self._project = project
        self._sent = sent
        self._messages = _messages(project)
        self._recipes: dict[str, _Recipe] = {}
        first, later = forms or _compiled(project, states)
        broken = {stage.name for stage, state in states.items() if state is OutputState.FAILED}
        for node in project.nodes.values():
            inside = inlined(project.manifest, node.unique_id, project.shown_ephemeral)
            if any(node_with_id(project.manifest, unique_id).search_name in broken for unique_id in inside):
                continue
            compiled = first.get(node.unique_id), later.get(node.unique_id)
            if not node.is_seed and (
                recipe := _recipe(node, node_with_id(project.manifest, node.unique_id), *compiled)
            ):
                self._recipes[node.unique_id] = recipe

    def judge(
        self,
        name: str,
        trusted: Collection[str] = (),
        remade: Collection[StageId] = (),
        as_it_is: StageId | None = None,
    ) -> Comparison | None:
        """Run one model on right input and compare it with its expected seed.

        Args:
            name: the model's name.
            trusted: names of models and seeds whose output is right and can be read as it is.
            remade: models above it to rebuild from right input as well.
            as_it_is: a stage above it whose output is read as it is, right or wrong.

        Returns:
            The comparison, with an obstacle if the model fails or has no expected seed. None if right input for it is
            not known, or if its SQL alone does not determine its table.
        """
        node = self._project.nodes[name]
        plan = self._plan(node, frozenset(trusted), frozenset(remade), as_it_is)
        if plan is None:
            return None
        with self._database.cursor() as query, undone(query):
            tables = RightTables(query, self._project, self._messages, self._sent)
            is_incremental = any(step.later for step in plan.steps.values())
            batches = tables.batches(plan.parents.values(), is_incremental)
            if batches is None or not tables.are_there(plan.parents.values()):
                return None
            tables.lay_out_dye()
            for batch in batches:
                for parent in plan.parents.values():
                    tables.lay_out(parent, node.excluded, batch)
                for step in plan.steps.values():
                    made = _MADE if step.node == node else _identifier(step)
                    try:
                        with attempted(query):
                            _make(query, step, made, plan, is_first=batch == batches[0])
                            broken = broken_contract(query, step.parsed, made)
                    except SQL_FAILED as error:
                        if engine_of(query).is_unknown_column(error) and self._is_lacking(tables, step, plan):
                            return None
                        broken = str(error).strip()
                    if broken:
                        return Comparison(None, Differences(), broken)
                for parent in plan.parents.values():
                    query.execute(sql.SQL("drop table {}").format(temporary(query, parent.identifier)))
            made_node = replace(node, relation=f'"{engine_of(query).temporary_schema}"."{_MADE}"')
            return compare(self._database, made_node, self._project.directory)

    def unknown_columns(self, name: str) -> set[str]:
        """Run-dependent columns that a model reads and that none of its inputs has now.

        Args:
            name: the model's name.
        """
        recipe = self._recipes.get(self._project.nodes[name].unique_id)
        if recipe is None:
            return set()
        with self._database.cursor() as query:
            held = [columns(query, relation) for relation in self._relations_above(recipe.node)]
        return _run_dependent(recipe) - set().union(*held) if all(held) else set()

    def _relations_above(self, node: Node) -> list[str]:
        sources = sources_by_id(self._project.manifest)
        return [
            above.table if (above := self._project.node_of(unique_id)) else sources[unique_id].relation_name
            for unique_id in self._parents(node)
        ]

    def _parents(self, node: Node) -> list[str]:
        """dbt's ids of everything that a model reads."""
        return parents(self._project.manifest, node.unique_id, self._project.shown_ephemeral)

    def _plan(
        self, node: Node, trusted: frozenset[str], remade: frozenset[StageId], as_it_is: StageId | None
    ) -> _Plan | None:
        """What to build. None if the right content of one of its inputs is not known."""
        plan = _Plan()
        if not self._add_step(plan, node, trusted, remade, as_it_is):
            return None
        names = [parent.identifier for parent in plan.parents.values()] + [DYE_TABLE, _MADE, INCREMENT]
        names += [_identifier(step) for step in plan.steps.values() if step.node != node]
        return plan if len(set(names)) == len(names) else None

    def _add_step(
        self, plan: _Plan, node: Node, trusted: frozenset[str], remade: frozenset[StageId], as_it_is: StageId | None
    ) -> bool:
        recipe = self._recipes.get(node.unique_id)
        if recipe is None:
            return False
        for unique_id in self._parents(node):
            if unique_id in plan.parents or unique_id in plan.steps:
                continue
            if source_if_known(self._project.manifest, unique_id):
                if (loaded := self._loaded_messages(unique_id, as_it_is)) is None:
                    return False
                plan.parents[unique_id] = loaded
                continue
            parsed = node_with_id(self._project.manifest, unique_id)
            parent = self._project.nodes[parsed.search_name]
            if parent.stage == as_it_is or parent.name in trusted or (parent.is_seed and not parent.is_watched):
                is_own = parent.stage == as_it_is
                plan.parents[unique_id] = Parent(parent.read_as, parsed.alias, parent.table, parent, is_own)
            elif parent.is_snapshot:  # its expected seed does not have dbt's times
                return False
            elif parent.stage not in remade and parent.is_watched and not parent.is_partly_expected:
                plan.parents[unique_id] = Parent(parent.read_as, parsed.alias, parent.expected_relation, parent)
            elif not self._add_step(plan, parent, trusted, remade, as_it_is):
                return False
        plan.steps[node.unique_id] = recipe
        return True

    def _loaded_messages(self, unique_id: str, as_it_is: StageId | None) -> Parent | None:
        source = sources_by_id(self._project.manifest)[unique_id]
        if not self._messages or source.identifier != contract(self._project.directory).dye_view:
            return None
        is_own = as_it_is == loader_stage()
        return Parent(source.relation_name, source.identifier, source.relation_name if is_own else None, None, is_own)

    def _is_lacking(self, tables: RightTables, step: _Recipe, plan: _Plan) -> bool:
        """Whether a model reads a run-dependent column whose right values are not known."""
        lacking = _run_dependent(step)
        read = self._parents(step.node)
        for unique_id in read:
            if unique_id in plan.steps:
                lacking -= tables.placed(plan.steps[unique_id].node)
            else:
                lacking -= tables.known(plan.parents[unique_id])
        supposed = [plan.parents[unique_id] for unique_id in read if unique_id in plan.parents]
        return bool(lacking) and any(p.node is not None and p.holds != p.node.relation for p in supposed)


def _run_dependent(step: _Recipe) -> set[str]:
    """Run-dependent columns that a model's SQL reads, without those that it only names itself."""
    found = set()
    for name in step.node.excluded:
        word = rf'"?\b{re.escape(name)}\b"?'
        if re.search(word, re.sub(rf"\bas\s+{word}", "", step.text, flags=re.IGNORECASE)):
            found.add(name)
    return found


def _identifier(step: _Recipe) -> str:
    return str(step.parsed.alias)


def _make(query: Query, step: _Recipe, made: str, plan: _Plan, is_first: bool) -> None:
    """Make a model's table from a batch, or add the batch to it as dbt does."""
    table, increment = temporary(query, made), temporary(query, INCREMENT)
    if step.later is None or is_first:
        query.execute(sql.SQL("drop table if exists {}").format(table))
        query.execute(
            sql.SQL("create temporary table {} as ").format(sql.Identifier(made))
            + sql.SQL(_located(query, step.first, plan))
        )
        return
    text = _located(query, step.later.sql, plan).replace(step.node.read_as, _written(table))
    query.execute(sql.SQL("create temporary table {} as ").format(sql.Identifier(INCREMENT)) + sql.SQL(text))
    query.execute(sql.SQL("select * from {} limit 0").format(table))
    names = [column.name for column in query.description or ()]
    for statement in merge_statements(made, names, step.later, engine_of(query).temporary_schema):
        query.execute(statement)
    query.execute(sql.SQL("drop table {}").format(increment))


def _located(query: Query, text: str, plan: _Plan) -> str:
    """Return compiled SQL with each relation replaced by its temporary table."""
    placed = {parent.relation: parent.identifier for parent in plan.parents.values()}
    *above, _ = plan.steps.values()
    placed |= {step.node.read_as: _identifier(step) for step in above}
    for relation, identifier in placed.items():
        text = text.replace(relation, _written(temporary(query, identifier)))
    return text


def _written(name: sql.Identifier) -> str:
    """A name as it stands in SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.strings)


def broken_contract(query: Query, model: Any, made: str) -> str | None:
    """How a model's columns break its contract, in dbt's words. None if they keep it.

    Args:
        query: a cursor of the session that has the table.
        model: the model, from dbt's manifest.
        made: the temporary table that the model made.
    """
    if not model.config.contract.enforced:
        return None
    engine = engine_of(query)
    query.execute(sql.SQL("select * from {} limit 0").format(temporary(query, made)))
    found = {column.name: engine.type_name(column) for column in query.description or ()}
    agreed = {}
    for column in model.columns.values():
        query.execute(sql.SQL("select cast(null as {}) as agreed").format(sql.SQL(column.data_type or "text")))
        agreed[column.name] = engine.type_name(query.description[0])
    told = [
        f"{name} is {found.get(name) or 'missing'}, "
        + (f"the contract says {agreed[name]}" if name in agreed else "the contract has no such column")
        for name in dict.fromkeys([*agreed, *found])
        if found.get(name) != agreed.get(name)
    ]
    return f"its contract is broken: {'; '.join(told)}" if told else None


def _compiled(project: Project, states: Mapping[StageId, OutputState]) -> BothForms:
    """Return the models' SQL in both forms.

    If dbt cannot compile all models, those that failed and those that were skipped are left out.
    """
    failed = [stage.name for stage, state in states.items() if state is OutputState.FAILED]
    skipped = [stage.name for stage, state in states.items() if state is OutputState.SKIPPED]
    for left_out in ([], failed, failed + skipped):
        try:
            return runnable_forms(
                project.reading.directory,
                project.manifest,
                project.target,
                project.dbt_vars,
                left_out,
                project.shown_ephemeral,
                project.paths.profiles,
            )
        except DbtFailed:  # a model's own query or check failed while it was compiled
            continue
    return {}, {}


def _recipe(node: Node, parsed: Any, first: str | None, later: str | None) -> _Recipe | None:
    """How a model makes its table. None if it was not compiled or cannot be run here."""
    config = parsed.config
    if (
        first is None
        or later is None
        or config.materialized not in ("table", "view", "materialized_view", "incremental", "ephemeral")
        or config.pre_hook
        or config.post_hook
        or config.get("sql_header")
    ):
        return None
    try:
        return _Recipe(node, parsed, first, incremental_of(parsed, later))
    except UnsupportedProject:  # a custom strategy, or microbatch
        return None


def _messages(project: Project) -> list[DyeMessage]:
    """The messages of the dye. A project fed from other input seeds has none."""
    return read_dye(project.directory) if project.dye_source == "topic" or has_dye(project.directory) else []
