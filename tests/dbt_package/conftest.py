"""The hard cases as a dbt project, built and tested on each engine by dbt alone."""

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from angiogram.dbt.manifest.equality_test import EqualityTest, expectation_of
from angiogram.dbt.manifest.keys import row_key
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.package.installing import install
from angiogram.judge.compare.compare import compare
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.duckdb import DuckSession
from angiogram.warehouse.engines.protocol import Warehouse
from sandbox.services import Sandbox
from tests.dbt.project import DbtProject, DbtRun
from tests.dbt_package.cases import CASES, DUCKDB, POSTGRES, Case, Sql
from tests.services import connect_as_administrator, new_database

ROOT = Path(__file__).parents[2]
PROJECT = """
name: cases
profile: cases
flags: {send_anonymous_usage_stats: false}
models: {cases: {+materialized: table}}
data_tests: {+store_failures: true, +schema: failures}
vars: {run_dependent_columns: [loaded]}
"""
PROFILE = """
cases:
  target: postgres
  outputs:
    postgres:
      type: postgres
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      threads: 1
      schema: cases
      user: angiogram
      password: "{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD') }}"
    duckdb: {type: duckdb, path: cases.duckdb, schema: cases, threads: 1}
"""


@dataclass(frozen=True)
class Outcome:
    """What dbt made of the cases on one engine.

    Attributes:
        run: with the status of each test.
        stored: the differences that each test stored.
        compared: the differences that `angiogram` finds in the same tables, or why it cannot compare them.
        folder: the project's folder, with DuckDB's file.
    """

    run: DbtRun
    stored: dict[str, list[tuple[Any, ...]]]
    compared: dict[str, list[tuple[Any, ...]] | str]
    folder: Path


def write_project(folder: Path) -> DbtProject:
    """Write the cases as models, tests and packages.yml."""
    (folder / "dbt_project.yml").write_text(PROJECT)
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "packages.yml").write_text(yaml.safe_dump({"packages": [{"local": str(ROOT / "dbt_package")}]}))
    models = folder / "models"
    models.mkdir()
    (models / "pair.sql").write_text("select 1 as a, 'x' as b")
    described: list[dict[str, Any]] = [{"name": "pair"}]
    for case in CASES:
        for side, query in (("actual", case.actual), ("expected", case.expected)):
            named = f"{{{{ config(alias={case.alias!r}) }}}}\n" if case.alias and side == "actual" else ""
            (models / f"{side}_{case.name}.sql").write_text(named + _on_each_engine(query), encoding="utf-8")
        test = {
            "name": case.name,
            "arguments": {"compare_model": f"ref('expected_{case.name}')", **_key(case), **case.how},
            "config": {"where": case.where} if case.where else {},
        }
        model: dict[str, Any] = {"name": f"actual_{case.name}"}
        model["data_tests"] = [{"data_angiogram.equals_expected": test}]
        model["columns"] = [{"name": case.unique, "data_tests": ["unique"]}] if case.unique else []
        model["config"] = {"meta": {"equals_expected": dict(case.meta)}} if case.meta else {}
        described.append(model)
    (models / "cases.yml").write_text(json.dumps({"models": described}), encoding="utf-8")
    install(folder)
    return DbtProject(folder)


def _key(case: Case) -> dict[str, list[str]]:
    return {"key": list(case.key)} if case.key else {}


def _on_each_engine(query: Sql) -> str:
    if isinstance(query, str):
        return query
    return (
        "".join(
            f"{{% {'if' if n == 0 else 'elif'} target.type == '{engine}' %}}{text}"
            for n, (engine, text) in enumerate(query.items())
        )
        + "{% endif %}"
    )


@pytest.fixture(scope="session")
def outcomes(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Both engines' outcomes, in sessions that are far from UTC."""
    import duckdb

    project = write_project(tmp_path_factory.mktemp("cases"))
    with new_database() as name:
        run = project.run("build", "--target", POSTGRES, PGTZ="Asia/Kathmandu")
        with closing(connect_as_administrator(name)) as server, server.cursor() as query:
            stored = {case.name: _rows(query, case) for case in CASES if case.name in run.statuses}
            compared = _compared(project.folder, server)
        found = {POSTGRES: Outcome(run, stored, compared, project.folder)}
    run = project.run("build", "--target", DUCKDB, TZ="Asia/Kathmandu")
    with closing(duckdb.connect(str(project.folder / "cases.duckdb"), read_only=True)) as file:
        stored = {case.name: _rows(file.cursor(), case) for case in CASES if case.name in run.statuses}
        compared = _compared(project.folder, DuckSession(SimpleNamespace(handle=file.cursor)))
    found[DUCKDB] = Outcome(run, stored, compared, project.folder)
    return found


def _compared(folder: Path, database: Warehouse) -> dict[str, list[tuple[Any, ...]] | str]:
    """Compare the tables as `angiogram` does, with what it reads of the same tests and models."""
    manifest = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))
    nodes, found = manifest["nodes"], {}
    tests = {node["name"]: node for node in nodes.values() if node["resource_type"] == "test"}
    with database.cursor() as query:
        for case in CASES:
            test, actual = tests[case.name], nodes[f"model.cases.actual_{case.name}"]
            expected = nodes[f"model.cases.expected_{case.name}"]["relation_name"]
            model = SimpleNamespace(search_name=actual["name"], config=SimpleNamespace(**actual["config"]))
            how = expectation_of(model, EqualityTest.of(_as_object(test)), None)
            names = [name for name in engine_of(query).columns(query, expected) if name not in ("loaded", *how.exclude)]
            key = how.key or row_key(SimpleNamespace(nodes=nodes), actual["unique_id"], names)
            node = Node(
                *(case.name, actual["unique_id"], False, actual["relation_name"], [], expected, list(key)),
                excluded=["loaded", *how.exclude],
                **{name: getattr(how, name) for name in ("where", "only", "precision", "types", "column_order")},
            )
            done = compare(database, node, folder)
            cells = [
                (one.difference, one.row_key, one.column, one.expected, one.actual) for one in done.differences.first
            ]
            found[case.name] = done.obstacle or cells
    return found


def _as_object(test: dict[str, Any]) -> Any:
    metadata, config = (SimpleNamespace(**test[part]) for part in ("test_metadata", "config"))
    return SimpleNamespace(test_metadata=metadata, config=config, original_file_path=test["original_file_path"])


def _rows(query: Any, case: Case) -> list[tuple[Any, ...]]:
    query.execute(f'select difference, row_key, column_name, expected, actual from cases_failures."{case.name}"')  # noqa: S608
    return list(query.fetchall())
