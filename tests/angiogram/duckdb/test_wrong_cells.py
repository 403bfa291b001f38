"""One wrong cell in each compared relation of the taxi project: the same stage and cells on PostgreSQL and DuckDB."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from psycopg2 import sql

from angiogram.core.diagnose import OutputState
from angiogram.core.differences import Differences
from angiogram.core.stage import Stage, state_of
from angiogram.core.stage_id import StageId, loader_stage
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.runnable_forms import runnable_forms
from angiogram.judge.cause.blame import Blame
from angiogram.judge.cause.isolate import BothForms
from angiogram.judge.compare.compare import compare
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.judge.verdict import conclude
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query, Warehouse
from sandbox.services import Sandbox
from tests.angiogram.conftest import PROJECT
from tests.angiogram.recorded import blocked
from tests.services import new_database

ENGINES = ("angiogram", "duckdb")
"""The dye targets of the project, one on each engine."""

SEEDS = ("zipcodes", "exchange_rates", "car_models")
RELATIONS = (
    *SEEDS,
    *("stg_taxi__rides", "int_rides__checked", "fct_rides"),
    *("fct_rejected_rides", "dim_dates", "dim_zipcodes", "daily_revenue", "revenue_by_car_model"),
    *("revenue_by_state", "revenue_by_date", "revenue_by_currency"),
)
WRONG = {
    "bool": "not {0}",
    "text": "{0} || '?'",
    "varchar": "{0} || '?'",
    "date": "cast({0} + interval '1 day' as date)",
    "timestamp": "{0} + interval '1 day'",
}
"""Another value for a cell, by how the name of its type begins; for numbers one more."""

Found = tuple[list[str], list[Any]]
"""The stages that are blocked, and the differences of the spoilt relation."""


def _spoil(query: Query, node: Node, types: dict[str, str]) -> None:
    """Change one cell: of the first row by its key, the last column that is compared and is not null there."""
    key, relation = node.key, sql.SQL(node.relation)
    compared = [name for name in types if name not in node.excluded]
    names = sql.SQL(", ").join(map(sql.Identifier, compared))
    order = sql.SQL(", ").join(map(sql.Identifier, key))
    query.execute(sql.SQL("select {} from {} order by {} limit 1").format(names, relation, order))
    row = dict(zip(compared, query.fetchone() or (), strict=True))
    column = [name for name in compared if row[name] is not None and (name not in key or compared == key)][-1]
    kind = types[column].lower()
    wrong = next((text for begins, text in WRONG.items() if kind.startswith(begins)), "{0} + 1")
    condition = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key)
    query.execute(
        sql.SQL("update {} set {} = {} where {}").format(
            relation, sql.Identifier(column), sql.SQL(wrong.format(f'"{column}"')), condition
        ),
        tuple(row[name] for name in key),
    )


def _judged(database: Warehouse, project: Project, forms: BothForms, spoilt: str) -> Found:
    stages = {
        node.stage: Stage(_nodes_read(node), OutputState.RIGHT, Differences(), None, 0.0)
        for node in project.nodes.values()
    }
    node = project.nodes[spoilt]
    found = compare(database, node, project.directory)
    stages[node.stage] = Stage(_nodes_read(node), state_of(found), found.differences, found.rows, 0.0, found.obstacle)
    judged, health = Blame(database, project, forms=forms).judge(stages)
    return sorted(blocked(conclude(health, judged, []))), _read(judged[project.nodes[spoilt].stage].differences)


def _nodes_read(node: Node) -> list[StageId]:
    return [above for above in node.reads if above != loader_stage()]


def _read(differences: Differences) -> list[Any]:
    """Differences with cells as values: each engine writes a number in its own way."""

    def value(text: str | None) -> Any:
        return None if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)

    return [
        (one.difference, one.row_key, one.column, value(one.expected), value(one.actual)) for one in differences.first
    ]


def _spoilt_in_turn(target: str) -> dict[str, Found]:
    """Build the project under a target, then spoil one relation after the other."""
    outcomes: dict[str, Found] = {}

    def look(database: Warehouse, project: Project) -> None:
        engine = engine_of(database)
        forms = runnable_forms(project.directory, project.manifest, project.target, project.dbt_vars)
        for name in RELATIONS:
            node, copy = project.nodes[name], sql.Identifier(f"kept {name}")
            with database.cursor() as query:
                query.execute(
                    sql.SQL("create temporary table {} as select * from {}").format(copy, sql.SQL(node.relation))
                )
                _spoil(query, node, engine.columns(query, node.relation))
                outcomes[name] = _judged(database, project, forms, name)
                query.execute(sql.SQL("delete from {}").format(sql.SQL(node.relation)))
                query.execute(sql.SQL("insert into {} select * from {}").format(sql.SQL(node.relation), copy))

    run = run_from_seeds(Project(PROJECT, dye_source="seeds", target=target, tests=False), look=look)
    assert run.report["verdict"] == "healthy", run.report["findings"]
    return outcomes


@pytest.fixture(scope="module")
def outcomes(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Found]]]:
    """What each engine gives, by relation."""
    folder = tmp_path_factory.mktemp("wrong_cells")
    with new_database(), pytest.MonkeyPatch.context() as patch:
        for name, place in (("DBT_TARGET_PATH", "target"), ("DBT_LOG_PATH", "logs"), ("DUCKDB_FILE", "taxi.duckdb")):
            patch.setenv(name, str(folder / place))
        patch.setenv("DBT_PROFILES_DIR", str(PROJECT))
        yield {target: _spoilt_in_turn(target) for target in ENGINES}


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_wrong_cell_is_found_at_its_stage_with_the_same_cells_on_each_engine(
    outcomes: dict[str, dict[str, Found]], relation: str
) -> None:
    postgres, duckdb = (outcomes[target][relation] for target in ENGINES)
    assert postgres == duckdb
    stages, cells = duckdb
    assert stages == [f"seed:{relation}" if relation in SEEDS else relation]
    kinds = [kind for kind, *_ in cells]
    assert kinds == (["missing", "unexpected"] if relation == "car_models" else ["changed"])


def test_all_that_is_compared_is_spoilt(sandbox: Sandbox) -> None:
    project = Project(PROJECT, dye_source="seeds")
    assert {node.name for node in project.nodes.values() if node.expected_relation} == set(RELATIONS)
