"""What is read of a dbt project."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from angiogram.core.errors import NotReady, UnsupportedProject
from angiogram.core.stage_id import StageId, loader_stage
from angiogram.dbt.command import run_in_scratch
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import dye_target, dye_targets, project_variables
from angiogram.sensitivity.compiled import compile_project

PROFILE = """
shop:
  target: angiogram
  outputs:
    angiogram: {type: postgres, host: h, port: 1, dbname: d, schema: s, user: u, password: p}
"""
VERSIONS = """
models:
  - name: orders
    latest_version: 2
    versions: [{v: 1}, {v: 2}]
"""
SNAPSHOT = """
snapshots:
  - name: past
    relation: source('shop', 'orders')
    config: {strategy: check, check_cols: all, unique_key: id}
"""
FUNCTION = """
functions:
  - name: euros
    arguments: [{name: cents, data_type: integer}]
    returns: {data_type: integer}
"""
TWO_EQUALITY_TESTS = """
models:
  - name: orders
    data_tests:
      - equals_expected: {arguments: {key: id}, name: all_of_them}
      - equals_expected: {arguments: {key: id}, name: those_of_today, config: {where: "is_today"}}
"""
SOURCE = "sources: [{name: shop, tables: [{name: orders}]}]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dbt project with a source and nothing else; nobody has to answer while it is parsed."""
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    for variable in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "dbt_project.yml").write_text("{name: shop, profile: shop, flags: {send_anonymous_usage_stats: false}}")
    (tmp_path / "profiles.yml").write_text(PROFILE)
    for folder in ("models", "seeds", "snapshots"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models" / "sources.yml").write_text(SOURCE)
    return tmp_path


def read(project: Path) -> dict[str, Node]:
    """Its nodes; dbt keeps no log, whose file it would leave open."""
    opened = Project(project)
    opened.manifest = run_in_scratch(project, ["parse"], "angiogram")
    return opened.nodes


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param("vars: {last_day: a}", {"last_day": "a"}, id="for all packages"),
        pytest.param("vars:", {}, id="none"),
        pytest.param("vars: {last_day: a, shop: {last_day: b}}", {"last_day": "b"}, id="the project's own go before"),
    ],
)
def test_variables_are_found_where_dbt_finds_them(tmp_path: Path, text: str, variables: dict[str, Any]) -> None:
    (tmp_path / "dbt_project.yml").write_text(f"name: shop\n{text}\n")
    assert variables.items() <= project_variables(tmp_path).items()


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        pytest.param("vars:", ["angiogram"], id="not named"),
        pytest.param("vars: {dye_targets: dye}", ["dye"], id="one alone"),
        pytest.param("vars: {dye_targets: [dye, ci_dye]}", ["dye", "ci_dye"], id="several"),
    ],
)
def test_no_target_but_a_dye_target_is_built_and_the_first_by_default(
    tmp_path: Path, text: str, targets: list[str]
) -> None:
    (tmp_path / "dbt_project.yml").write_text(f"name: shop\n{text}\n")
    assert dye_targets(tmp_path) == targets
    assert [dye_target(tmp_path, target) for target in (None, targets[-1])] == [targets[0], targets[-1]]
    with pytest.raises(UnsupportedProject, match=f"prod is not a dye target .* names {', '.join(targets)}"):
        dye_target(tmp_path, "prod")


def test_each_version_of_a_model_is_a_stage_with_an_expected_seed_of_its_own(project: Path) -> None:
    models = project / "models"
    (models / "models.yml").write_text(VERSIONS)
    (models / "orders_v1.sql").write_text("select * from {{ source('shop', 'orders') }}")
    (models / "orders_v2.sql").write_text("select * from {{ ref('orders', v=1) }}")
    (project / "seeds" / "expected__orders_v2.csv").write_text("id\n1\n")
    nodes = read(project)
    assert {name: node.reads for name, node in nodes.items()} == {
        "orders.v1": [loader_stage()],
        "orders.v2": [StageId("model", "orders.v1")],
    }
    assert nodes["orders.v1"].expected_relation is None
    assert nodes["orders.v2"].expected_relation == '"d"."s"."expected__orders_v2"'


def test_a_snapshot_is_a_stage_and_its_key_is_that_of_its_records_with_their_version(project: Path) -> None:
    (project / "snapshots" / "past.yml").write_text(SNAPSHOT)
    (project / "models" / "orders.sql").write_text("select * from {{ ref('past') }}")
    nodes = read(project)
    past = nodes["past"]
    assert (past.stage, past.key[-1]) == (StageId("snapshot", "past"), "dbt_version")
    assert past.read_as == past.table != past.relation
    assert nodes["orders"].reads == [past.stage]


def test_a_function_that_dbt_builds_is_refused_by_name_and_measured_by_nothing(project: Path) -> None:
    """Whether a model calls it or not."""
    (project / "functions").mkdir()
    (project / "functions" / "euros.sql").write_text("select cents / 100")
    (project / "functions" / "functions.yml").write_text(FUNCTION)
    told = r"functions that dbt builds: euros \(functions/euros\.sql\)\..* under target angiogram"
    with pytest.raises(UnsupportedProject, match=told):
        read(project)
    (project / "models" / "orders.sql").write_text("select {{ function('euros') }}(1) as euros")
    with pytest.raises(UnsupportedProject, match=told):
        read(project)
    with pytest.raises(UnsupportedProject, match=told):
        compile_project(project)


def test_a_model_that_has_versions_now_is_told_how_to_name_its_expected_seed(project: Path) -> None:
    (project / "models" / "models.yml").write_text(VERSIONS)
    for version in (1, 2):
        (project / "models" / f"orders_v{version}.sql").write_text("select 1 as id")
    (project / "seeds" / "expected__orders.csv").write_text("id\n1\n")
    opened = Project(project)
    opened.manifest = run_in_scratch(project, ["parse"], "angiogram")
    missing = opened.missing_models["orders"]
    assert missing.file == "seeds/expected__orders.csv"
    assert "the model has versions" in missing.reason
    assert "(expected__orders_v1, expected__orders_v2)" in missing.reason


def test_a_second_equality_test_of_one_model_is_refused_by_name(project: Path) -> None:
    (project / "macros").mkdir()
    (project / "macros" / "equals_expected.sql").write_text(
        "{% test equals_expected(model, key) %} select * from {{ model }} {% endtest %}"
    )
    (project / "models" / "orders.sql").write_text("select 1 as id")
    (project / "models" / "models.yml").write_text(TWO_EQUALITY_TESTS)
    with pytest.raises(UnsupportedProject, match="orders has more than one test equals_expected"):
        read(project)


def test_dbt_repeats_no_work_that_costs_more_with_each_module_loaded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read the source of all callers, once for each behaviour flag of each command."""
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.tests import test_caching_enabled

    before = BehaviorFlagRendered.__dict__["_default_source"]
    asked: list[str] = []
    stack = inspect.stack
    monkeypatch.setattr(inspect, "stack", lambda: asked.append("stack") or stack())
    read(project)
    assert asked == []
    assert BehaviorFlagRendered.__dict__["_default_source"] is before
    assert not test_caching_enabled()


def test_a_project_without_its_packages_names_the_command_that_installs_them(tmp_path: Path) -> None:
    """It is dbt's own command, unless the project has a script for it."""
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    (tmp_path / "packages.yml").write_text("packages: [{package: dbt-labs/dbt_utils, version: 1.4.1}]\n")
    with pytest.raises(NotReady, match=f"not installed. Run `dbt deps --project-dir {tmp_path}`"):
        Project(tmp_path)
    (tmp_path / "install_packages.py").touch()
    with pytest.raises(NotReady, match=f"not installed. Run `python {tmp_path / 'install_packages.py'}`"):
        Project(tmp_path)
