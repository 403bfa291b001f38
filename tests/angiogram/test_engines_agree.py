"""PostgreSQL and DuckDB give the same verdict: the same rows, the same stage and cell."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg2 import sql

from angiogram.core.diagnose import StageHealth
from angiogram.core.stage_id import StageId
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.runnable_forms import runnable_forms
from angiogram.judge.across import between, in_one_form, rows_of
from angiogram.judge.build.node_stages import node_stages
from angiogram.judge.build.seed_build import SeedBuild, build
from angiogram.judge.cause.blame import Blame
from angiogram.judge.cause.isolate import BothForms
from angiogram.judge.compare.compare import compare
from angiogram.judge.from_seeds import tables_of
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from tests.angiogram.conftest import PROJECT
from tests.services import new_database

COMPARED = 14

Verdict = tuple[list[StageId], list[tuple[Any, ...]]]
"""The blocked stages, and the cells of the first one that differ."""


class Built:
    """The project built on an engine, with its tables held."""

    def __init__(self, database: Warehouse, project: Project, built: SeedBuild) -> None:
        self.database, self.project = database, project
        self._built = built
        self._forms: BothForms = runnable_forms(
            project.directory, project.manifest, project.target, project.dbt_vars, shown=project.shown_ephemeral
        )

    @property
    def compared(self) -> list[Node]:
        """The models and seeds that are compared."""
        return [node for node in self.project.nodes.values() if node.expected_relation]

    def with_wrong_cell(self, node: Node, column: str, row_key: dict[str, Any]) -> Verdict:
        """The verdict once a cell of a table is null. It is undone afterwards."""
        with self.database.cursor() as query:
            query.execute("begin")
            try:
                types = engine_of(query).columns(query, node.relation)
                is_row = sql.SQL(" and ").join(
                    sql.SQL("{} = %s").format(engine_of(query).as_json(name, types[name])) for name in row_key
                )
                query.execute(
                    sql.SQL("update {} set {} = null where {}").format(
                        sql.SQL(node.relation), sql.Identifier(column), is_row
                    ),
                    list(row_key.values()),
                )
                assert query.rowcount == 1
                return self._judged()
            finally:
                query.execute("rollback")

    def _judged(self) -> Verdict:
        stages = node_stages(
            self.project,
            self._built.builds,
            self._built.last_batch,
            {},
            lambda node: compare(self.database, node, self.project.directory),
        )
        stages = {
            name: type(stage)(**{**_fields(stage), "reads": [one for one in stage.reads if one.kind != "loader"]})
            for name, stage in stages.items()
        }
        stages, health = Blame(self.database, self.project, forms=self._forms).judge(stages)
        blocked = [name for name, is_ in health.items() if is_ is StageHealth.BLOCKED]
        cells = [
            (one.difference, one.row_key, one.column, in_one_form(one.expected), in_one_form(one.actual))
            for one in stages[blocked[0]].differences.first
        ]
        return blocked, cells


def _fields(stage: Any) -> dict[str, Any]:
    return {name: getattr(stage, name) for name in type(stage).__dataclass_fields__}


@contextmanager
def built_under(target: str) -> Iterator[Built]:
    """Build the project under a target and hold its tables."""
    project = Project(PROJECT, tests=False, dye_source="seeds", target=target)
    with tables_of(project, 0, print) as database:
        yield Built(database, project, build(database, project))


@pytest.fixture(scope="module")
def engines(sandbox: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Built, Built]]:
    """The project on PostgreSQL and on DuckDB."""
    folder = tmp_path_factory.mktemp("engines")
    with new_database(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(folder / "target"))
        patch.setenv("DBT_LOG_PATH", str(folder))
        patch.setenv("DBT_PROJECT_DIR", str(PROJECT))
        patch.setenv("DBT_PROFILES_DIR", str(PROJECT))
        patch.setenv("DUCKDB_FILE", str(folder / "taxi.duckdb"))
        with built_under("angiogram") as postgres, built_under("duckdb") as duck:
            yield postgres, duck


def test_both_build_the_same_rows(engines: tuple[Built, Built]) -> None:
    """Not the input: of a cell of white space alone, dbt makes null on PostgreSQL and nothing else on DuckDB."""
    ours, theirs = (rows_of(built.database, built.project) for built in engines)
    assert ours.keys() == theirs.keys()
    compared = engines[0].compared
    differing = {node.name: list(between(ours[node.stage], theirs[node.stage], node.key)) for node in compared}
    assert {name: found for name, found in differing.items() if found} == {}


def test_a_wrong_cell_in_each_relation_is_the_same_stage_and_the_same_cell(engines: tuple[Built, Built]) -> None:
    postgres, duck = engines
    rows = rows_of(postgres.database, postgres.project)
    assert len(postgres.compared) == COMPARED
    for node in postgres.compared:
        held = rows[node.stage]
        names = list(held.columns)
        if node.is_seed and len(names) == 1:
            column, key = names[0], names
        else:
            key = node.key or names[:1]
            column = next(name for name in reversed(names) if name not in key)
        row = next(row for row in sorted(held.rows) if row[names.index(column)] != "null")
        row_key = {name: row[names.index(name)] for name in key}
        ours = postgres.with_wrong_cell(node, column, row_key)
        theirs = duck.with_wrong_cell(duck.project.nodes[node.name], column, row_key)
        assert ours == theirs, node.name
        assert ours[0] == [node.stage]
        assert len(ours[1]) >= 1
