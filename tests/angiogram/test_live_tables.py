"""What the dye target would write is looked at before anything is built: live tables are never touched.

The project of these tests has the shape that is dangerous: its schemas have the same names under every target, so that
the dye's seeds and models would take the places of the live tables.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection
from typer import Typer
from typer.testing import CliRunner

from angiogram.author.accept import propose
from angiogram.cli.sensitivity_cli import sensitivity
from angiogram.core.errors import DbtFailed, NotReady, NotTheDyes, UnsupportedProject
from angiogram.dbt.command import run_in_scratch
from angiogram.dbt.project import Project
from angiogram.faults.play import player
from angiogram.judge.from_seeds import opened, run_from_seeds
from angiogram.run.passage import Passage
from angiogram.store import lease, runs
from angiogram.warehouse.target_relations import claim, examine
from sandbox.services import Sandbox
from taxi.faults import CATALOGUE
from tests.angiogram.conftest import PROJECT as TAXI
from tests.angiogram.conftest import Outcome, command
from tests.angiogram.shop import APART
from tests.services import connect_as_administrator


def contents(database: connection) -> dict[str, tuple[int, str]]:
    """Count and checksum of every table."""
    with database.cursor() as query:
        query.execute(
            "select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            " where relkind in ('r', 'v', 'm') and relpersistence <> 't'"
            " and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        found = {}
        for names in query.fetchall():
            query.execute(
                sql.SQL(
                    "select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} as t"
                ).format(sql.Identifier(*names))
            )
            found[".".join(names)] = query.fetchall()[0]
    return found


MARK = "angiogram: dye of shop under target angiogram\nangiogram: built "
"""The comment of a schema of the dye, before the names of what was built in it."""


def quiet(_: str) -> None:
    """Nothing is waited for."""


@pytest.mark.parametrize(
    ("live", "named"),
    [
        pytest.param(("", ""), "marts.orders (target live builds it)", id="the profile knows the live target"),
        pytest.param(
            (
                "    live:\n      <<: *postgres\n",
                "    live:\n      <<: *postgres\n      user: \"{{ env_var('NO_SUCH') }}\"\n",
            ),
            "marts.orders; till.raw_orders",
            id="and cannot read it here",
        ),
    ],
)
def test_what_would_be_built_over_live_tables_is_refused_with_names_and_nothing_is_touched(
    strange: connection, shop: Callable[..., Project], live: tuple[str, str], named: str
) -> None:
    project, before = shop(profiles=live), contents(strange)
    said: list[str] = []
    assert {name: count for name, (count, _) in before.items()} == {"till.raw_orders": 1000, "marts.orders": 500}
    with pytest.raises(NotTheDyes) as from_seeds:
        run_from_seeds(project, 0, said.append)
    with pytest.raises(NotTheDyes) as accepting:
        propose(project, [], quiet)
    with pytest.raises(DbtFailed) as by_hand:
        project.invoke(["build"])
    by_command = command("run", "--from-seeds")
    assert contents(strange) == before
    assert (by_command.code, by_command.stdout) == (2, "")
    assert f"NotTheDyes: {from_seeds.value}" in by_command.stderr
    assert named in str(from_seeds.value)
    assert str(accepting.value) == str(from_seeds.value)
    assert [text.startswith("Target live cannot be read here") for text in said] == [True] * bool(live[1])
    assert "till.raw_orders" in str(by_hand.value)


def test_a_dye_with_schemas_of_its_own_passes_again_and_again_beside_the_live_tables(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Also where dye runs were there before their schemas were marked: they are adopted, and nothing else is."""
    project, before = shop(APART), contents(strange)
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    with strange.cursor() as query:
        query.execute("comment on schema angiogram_till is null; comment on schema angiogram_expected is 'hands off'")
        query.execute("comment on schema angiogram_marts is null; create table angiogram_marts.orders__dbt_backup ()")
    with closing(connect_as_administrator(os.environ["PGDATABASE"])) as builder:
        lease.hold_tables(builder, "shop", 0, quiet)
        with pytest.raises(DbtFailed, match=rf"Session {builder.info.backend_pid} builds the models"):
            run_in_scratch(project.directory, ["build"], "angiogram", variables="{}")
    assert propose(project, [], quiet).models == []
    assert marks(strange) == {
        "angiogram_till": f'{MARK}["raw_orders"]',
        "angiogram_expected": f'hands off\n{MARK}["expected__orders"]',
        "angiogram_marts": f'{MARK}["orders"]',
    }
    after = contents(strange)
    assert {name: after[name] for name in before} == before

    with strange.cursor() as query:
        query.execute("comment on schema angiogram_marts is null; create view angiogram_marts.notes as select 1 as one")
    with pytest.raises(NotTheDyes, match=r"schema angiogram_marts \(it holds notes, which this project does not build"):
        run_from_seeds(project, 0, quiet)
    with strange.cursor() as query:
        query.execute(
            "drop view angiogram_marts.notes;"
            " comment on schema angiogram_marts is 'angiogram: dye of bakery under target dye'"
        )
    with pytest.raises(NotTheDyes, match=r"schema angiogram_marts \(the dye of project bakery\)"):
        run_from_seeds(project, 0, quiet)

    shop("angiogram_marts")  # under every target: people's tables would go with the next dye run
    after = contents(strange)
    with pytest.raises(DbtFailed, match=r"Target live is not a dye target.*schemas of the dye: .*angiogram_marts"):
        run_in_scratch(project.directory, ["run"], "live")
    assert contents(strange) == after


def marks(database: connection) -> dict[str, str]:
    """The comments of schemas."""
    with database.cursor() as query:
        query.execute(
            "select nspname, obj_description(oid, 'pg_namespace') from pg_namespace"
            " where nspname like 'angiogram%' and obj_description(oid, 'pg_namespace') is not null"
        )
        return dict(query.fetchall())


def test_what_people_made_in_the_dyes_schemas_or_of_its_tables_is_named_before_it_is_dropped(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """A model that is gone is the dye's own: only what no dye run made is named."""
    project, said = shop(APART), list[str]()
    assert run_from_seeds(project, 0, said.append).verdict == "healthy"
    with strange.cursor() as query:
        query.execute(
            "set role angiogram; create table angiogram_marts.precious as select 1 as one;"
            "create table angiogram_marts.orders__dbt_tmp as select 1 as one;"
            "create schema people; create view people.sums as select sum(cents) from angiogram_marts.orders; reset role"
        )
    assert run_from_seeds(project, 0, said.append).verdict == "healthy"
    assert [text.split(":")[0] for text in said] == [
        "Dropping angiogram_marts.precious",
        "Dropping people.sums as well, which read relations in the dye's schemas.",
    ]


def test_a_dye_seed_that_is_enabled_elsewhere_stops_the_build_with_names(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Dye is what lies in a folder named input or is called expected__..., unless its meta says otherwise."""
    project, before = (
        shop(dbt_project=("+enabled: \"{{ target.name == 'angiogram' }}\"", "+enabled: true")),
        contents(strange),
    )
    (project.directory / "seeds" / "input" / "towns.csv").write_text("town\nUtrecht\n")
    (project.directory / "seeds" / "prices.csv").write_text("price\n1\n")
    with pytest.raises(DbtFailed, match=r"Target live .* enabled: expected__orders, raw_orders\. .*nothing was built"):
        run_in_scratch(project.directory, ["build"], "live")
    assert contents(strange) == before


def test_another_dye_target_builds_its_own_schemas_and_leaves_alone_those_of_the_first(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """What is marked for a dye target and no longer written is emptied by the target whose name it bears, if any."""
    folder = shop(APART, profiles=("    live:\n", "    ci_dye:\n      <<: *postgres\n    live:\n")).directory
    settings = folder / "dbt_project.yml"
    text = settings.read_text().replace("dye_targets: [angiogram]", "dye_targets: [angiogram, ci_dye]")
    settings.write_text(text.replace("target.name == 'angiogram'", "target.name in ['angiogram', 'ci_dye']"))
    assert run_from_seeds(Project(folder, dye_source="seeds"), 0, quiet).verdict == "healthy"
    before = contents(strange)
    with strange.cursor() as query:
        for schema in ("ci_dye_old", "angiogram_old", "no_longer"):
            query.execute(f"create schema {schema} authorization angiogram; create table {schema}.orders ()")
            query.execute(f"alter table {schema}.orders owner to angiogram")
            query.execute(f"comment on schema {schema} is 'angiogram: dye of shop under target ci_dye'")
    project = Project(folder, dye_source="seeds", target="ci_dye")
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"
    after = contents(strange)
    assert {name: after[name] for name in before} == before
    assert {"ci_dye_marts.orders", "angiogram_old.orders", "no_longer.orders"} <= after.keys()
    assert "ci_dye_old.orders" not in after
    with opened(project) as database:
        claimed = claim(database, project, None, quiet)
    assert set(claimed) == {"ci_dye_till", "ci_dye_marts", "ci_dye_expected", "ci_dye_old"}


def test_a_function_of_a_person_in_a_schema_that_no_dye_run_marked_stops_the_command(
    strange: connection, shop: Callable[..., Project]
) -> None:
    """Each run drops the functions in its schemas, because an earlier run may have left them."""
    project = shop(APART)
    with strange.cursor() as query:
        query.execute(
            "create schema angiogram_marts authorization angiogram;"
            "create function angiogram_marts.tax(n int) returns int language sql as 'select n';"
            "alter function angiogram_marts.tax owner to angiogram"
        )
    with pytest.raises(NotTheDyes, match=r"function angiogram_marts\.tax\(integer\), which each run would drop"):
        run_from_seeds(project, 0, quiet)
    with strange.cursor() as query:
        query.execute("select angiogram_marts.tax(3); drop function angiogram_marts.tax")
    assert run_from_seeds(project, 0, quiet).verdict == "healthy"


def test_a_role_that_may_not_build_is_told_so_in_a_sentence(strange: connection, shop: Callable[..., Project]) -> None:
    project = shop(
        APART,
        profiles=(
            "user: angiogram\n      password: \"{{ env_var('DBT_ENV_SECRET_ANGIOGRAM_PASSWORD')",
            "user: taxi_loader\n      password: \"{{ env_var('LOADER_PASSWORD')",
        ),
    )
    with pytest.raises(NotReady, match="Role taxi_loader may not create schema angiogram_expected: grant it create on"):
        run_from_seeds(project, 0, quiet)
    with strange.cursor() as query:
        query.execute("create schema angiogram_expected; create schema angiogram_marts; create schema angiogram_till")
    with pytest.raises(NotReady, match="Role taxi_loader may not create tables in schema angiogram_marts of postgres"):
        run_from_seeds(project, 0, quiet)


def test_sensitivity_touches_no_live_table(strange: connection, shop: Callable[..., Project]) -> None:
    """It needs no tables but temporary ones, whatever the shape of the project."""
    shop()
    before = contents(strange)
    app = Typer()
    app.command()(sensitivity)
    measured = CliRunner().invoke(app, [])
    assert measured.exit_code == 0, measured.output
    assert contents(strange) == before


def test_what_the_records_of_dbt_say_counts_too(
    sandbox: Sandbox, fresh_database: str, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the live target last built is live; what the dye target built under a name of before may be adopted."""
    monkeypatch.setenv("DBT_PROFILES_DIR", str(TAXI))
    project = Project(TAXI)
    with connect_as("dbt_prod").cursor() as query:
        query.execute(
            "insert into angiogram.live_nodes (unique_id, name, resource_type, relation, fingerprint)"
            " values ('m', 'fct_rides', 'model', '\"d\".\"angiogram_facts\".\"fct_rides\"', 'f')"
        )
    owner = connect_as("angiogram")
    with owner.cursor() as query:
        query.execute("create schema angiogram_results; create table angiogram_results.node_results (name text)")
        query.execute("insert into angiogram_results.node_results values ('revenue_of_old')")
        query.execute("create schema angiogram_expected; create table angiogram_expected.expected__fct_rides ()")
        query.execute("create schema angiogram_revenue; create table angiogram_revenue.revenue_of_old ()")
        query.execute("create schema angiogram_staging; create table angiogram_staging.notes ()")
    _ = project.manifest
    schemas = {schema.schema_name: schema for schema in examine(owner, project, None, quiet)}
    assert schemas["angiogram_facts"].told == "angiogram_facts.fct_rides (the live target built it)"
    states = {name: schemas[f"angiogram_{name}"].state for name in ("results", "expected", "revenue", "staging")}
    assert states == {"results": "adopted", "expected": "adopted", "revenue": "adopted", "staging": "foreign"}
    assert schemas["angiogram_dimensions"].state == "absent"


def test_a_target_that_is_not_for_the_dye_is_never_built(angiogram: Callable[..., Outcome]) -> None:
    for arguments in (["run"], ["run", "--from-seeds"], ["accept"], ["sensitivity"], ["faults", "tax-left-out"]):
        refused = angiogram(*arguments, "--target", "prod")
        assert refused.code == 2
        assert "prod is not a dye target" in refused.stderr


BEGIN = """
import sys
sys.path.insert(0, "dags")
import angiogram_dag
class Airflow:
    def xcom_push(self, key, value):
        print(key, value)
angiogram_dag.angiogram().get_task("begin").python_callable(ti=Airflow())
"""
"""The task `begin` of the DAG, as Airflow calls it."""


def test_a_live_run_airflow_and_the_faults_stop_before_they_touch_a_live_table(
    pipeline: None,
    project_copy: Path,
    connect_as: Callable[..., connection],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The taxi's own project, with the same schemas under every target."""
    (project_copy / "macros" / "generate_schema_name.sql").write_text(
        "{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name }}{% endmacro %}"
    )
    for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        monkeypatch.setenv(name, str(project_copy))
    with connect_as("dbt_prod").cursor() as query:
        query.execute("create table revenue.daily_revenue as select n as fare_amount from generate_series(1, 300) as n")
        query.execute("create table reference.zipcodes as select n as zipcode from generate_series(1, 200) as n")
    administrator = connect_as("postgres")
    before = {name: told for name, told in contents(administrator).items() if not name.startswith("angiogram.")}
    said: list[str] = []
    profiles = project_copy / "profiles.yml"
    usual = profiles.read_text()
    profiles.write_text(usual.replace("env_var('PGDATABASE', 'taxi')", f"'{os.environ['PGDATABASE']}'"))
    with pytest.raises(UnsupportedProject, match="leads to the database"), player(project_copy):
        pass  # it would build where it is not to build
    profiles.write_text(usual)

    with pytest.raises(NotTheDyes, match=r"revenue\.daily_revenue \(target prod builds it\)"):
        Passage(Project, 0, said.append).run()
    drawn = project_copy / "target_manifests" / "angiogram" / "manifest.json"
    drawn.parent.mkdir(parents=True)
    drawn.write_text('{"nodes": {}, "sources": {}, "exposures": {}}')  # the task `begin` needs no model in its DAG
    begun = subprocess.run(
        [sys.executable, "-c", BEGIN], capture_output=True, text=True, env={**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    )
    with pytest.raises(NotTheDyes), player(project_copy) as ready:
        ready.play(CATALOGUE[0])

    assert "why NotTheDyes: Target angiogram would overwrite what the dye did not create" in begun.stdout
    after = contents(administrator)
    assert {name: after[name] for name in before} == before
    with runs.database("tests") as database:
        ended = runs.last(database, 2)
    assert [(run.in_hand, run.verdict) for run in ended] == [(False, "could_not_run")] * 2
    assert all("daily_revenue" in run.report["error"] for run in ended)
