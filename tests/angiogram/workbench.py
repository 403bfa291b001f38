"""A dbt project on its input seeds whose models are edited and built as SQL: dbt starts once, for all edits together.

Models are made as dbt makes them, batch by batch and contracts included; all is undone after each edit.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg2 import ProgrammingError, sql
from psycopg2.extensions import connection, cursor

from angiogram.core.diagnose import OutputState, in_order
from angiogram.core.differences import Differences
from angiogram.core.stage import Stage, state_of
from angiogram.core.stage_id import loader_stage
from angiogram.dbt.manifest.nodes import BATCH, Node
from angiogram.dbt.project import Project
from angiogram.dbt.runnable_forms import runnable_forms
from angiogram.judge.cause.blame import Blame
from angiogram.judge.cause.incremental import incremental_of
from angiogram.judge.cause.isolate import BothForms, broken_contract
from angiogram.judge.cause.merge import INCREMENT, merge_statements
from angiogram.judge.compare.compare import compare
from angiogram.judge.from_seeds import opened
from angiogram.judge.verdict import conclude
from angiogram.warehouse.relations import SQL_FAILED, attempted, columns, later_batches, undone

Edit = Callable[[str], str]
"""Makes another text of a model's SQL, of both forms alike."""


class Workbench:
    """A project whose seeds are loaded and whose models are compiled.

    Attributes:
        columns: of each model, with their types.
    """

    def __init__(self, database: connection, project: Project) -> None:
        """Load the seeds and compile the models.

        Args:
            database: as the role of the dye target, in autocommit.
            project: with its dye taken from the seeds.
        """
        self._database = database
        self._project = project
        project.invoke(["seed", "--full-refresh"])
        self._forms = runnable_forms(project.directory, project.manifest, project.target, project.dbt_vars)
        with database.cursor() as query:
            for node in project.manifest.nodes.values():
                if node.resource_type == "model":
                    query.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(node.schema)))
            with undone(query):
                self._build(query, self._forms)
                self.columns = {
                    node.name: _typed_columns(query, node) for node in project.nodes.values() if not node.is_seed
                }

    def judged(
        self,
        edits: Mapping[str, Edit] | None = None,
        seeds: Mapping[str, str] | None = None,
        unwatched: Collection[str] = (),
    ) -> dict[str, Any]:
        """The verdict once something is edited.

        Args:
            edits: of models, by their names.
            seeds: what becomes of reference seeds: an assignment that an update makes in all rows, by their names.
            unwatched: models and seeds that have no test and no expected seed.
        """
        first, later = (
            {unique_id: (edits or {}).get(unique_id.split(".")[2], str)(text) for unique_id, text in form.items()}
            for form in self._forms
        )
        nodes = self._project.nodes
        kept = {name: nodes[name] for name in unwatched}
        nodes.update({name: replace(node, expected_relation=None, key=[]) for name, node in kept.items()})
        try:
            with self._database.cursor() as query, undone(query):
                for name, assignment in (seeds or {}).items():
                    query.execute(
                        sql.SQL("update {} set {}").format(sql.SQL(nodes[name].relation), sql.SQL(assignment))
                    )
                failures = self._build(query, (first, later))
                stages = {node.stage: self._stage(node, failures) for node in nodes.values()}
                stages, health = Blame(self._database, self._project, forms=(first, later)).judge(stages)
            return conclude(health, stages, [])
        finally:
            nodes.update(kept)

    def _build(self, query: cursor, forms: BothForms) -> dict[str, str | None]:
        """Build all models; by name what was said of those that failed, and None of those that were skipped."""
        failures: dict[str, str | None] = {}
        order = in_order({node.stage: node.reads for node in self._project.nodes.values()} | {loader_stage(): []})
        models = [node for stage in order if (node := self._project.nodes.get(stage.name)) and not node.is_seed]
        for batch, _ in enumerate(self._batches(query), start=1):
            for node in models:
                if failures.get(node.name) or any(above.name in failures for above in node.reads):
                    failures.setdefault(node.name, None)
                    continue
                try:
                    with attempted(query):
                        self._make(query, node, forms, batch)
                except SQL_FAILED as error:
                    failures[node.name] = str(error)
        return failures

    def _make(self, query: cursor, node: Node, forms: BothForms, batch: int) -> None:
        parsed = self._project.manifest.nodes[node.unique_id]
        first, later = (form[node.unique_id] for form in forms)
        made, relation = f"made {node.name}", sql.SQL(node.relation)
        table = sql.Identifier("pg_temp", made)
        incremental = incremental_of(parsed, later)
        if incremental is None or batch == 1:
            query.execute(sql.SQL("drop table if exists {}").format(table))
            query.execute(sql.SQL("create temporary table {} as ").format(sql.Identifier(made)) + sql.SQL(first))
        else:
            query.execute(sql.SQL("create temporary table increment as ") + sql.SQL(later))
            query.execute(sql.SQL("select * from {} limit 0").format(table))
            names = [column.name for column in query.description or ()]
            for statement in merge_statements(made, names, incremental):
                query.execute(statement)
            query.execute(sql.SQL("drop table {}").format(sql.Identifier("pg_temp", INCREMENT)))
        if broken := broken_contract(query, parsed, made):
            raise ProgrammingError(broken)
        query.execute(sql.SQL("drop table if exists {} cascade").format(relation))
        query.execute(sql.SQL("create table {} as table {}").format(relation, table))

    def _batches(self, query: cursor) -> Iterator[None]:
        nodes = self._project.nodes.values()
        seeds = [node for node in nodes if node.is_seed and BATCH in columns(query, node.relation)]
        taken = {1}
        for node in seeds:
            query.execute(
                sql.SQL("create temporary table {} as table {}").format(
                    sql.Identifier(f"kept {node.name}"), sql.SQL(node.relation)
                )
            )
            taken |= later_batches(query, sql.SQL(node.relation))
        for batch in sorted(taken):
            for node in seeds:
                query.execute(
                    sql.SQL("delete from {0}; insert into {0} select * from {1} where coalesce({2}, 1) <= %s").format(
                        sql.SQL(node.relation), sql.Identifier("pg_temp", f"kept {node.name}"), sql.Identifier(BATCH)
                    ),
                    (batch,),
                )
            yield

    def _stage(self, node: Node, failures: Mapping[str, str | None]) -> Stage:
        reads = [above for above in node.reads if above != loader_stage()]
        if node.name in failures:
            reason = failures[node.name]
            state = OutputState.FAILED if reason else OutputState.SKIPPED
            return Stage(reads, state, Differences(), None, 0.0, reason)
        if node.is_seed and not node.key:
            return Stage(reads, OutputState.RIGHT, Differences(), None, 0.0)
        found = compare(self._database, node, self._project.directory)
        return Stage(reads, state_of(found), found.differences, found.rows, 0.0, found.obstacle, found.tolerated)


@contextmanager
def workbench(directory: Path) -> Iterator[Workbench]:
    """A workbench for a project, in the database to which the environment points."""
    project = Project(directory, dye_source="seeds")
    with opened(project) as database:
        yield Workbench(database, project)


def _typed_columns(query: cursor, node: Node) -> dict[str, str]:
    query.execute(
        "select attname::text, format_type(atttypid, null) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 order by attnum",
        (node.relation,),
    )
    return dict(query.fetchall())
