"""Several pipelines keep their records in one database: each has a lease, runs, alerts, mutes and a hold of its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection

from angiogram.core.errors import RunInHand, UnknownRun
from angiogram.core.stage_id import StageId
from angiogram.dbt.package.installing import install
from angiogram.judge.guards import production
from angiogram.operate.status import State, metrics, status
from angiogram.store import hold, lease, mutes, runs
from angiogram.warehouse.live_relations import noted_live
from tests.angiogram.shop import PACKAGES
from tests.dbt.project import PROJECT, DbtProject

FCT_RIDES = StageId("model", "fct_rides")


@pytest.fixture
def working_for(fresh_database: str, connect_as: Callable[..., connection]) -> Callable[[str], connection]:
    """Gives a session that works for a pipeline."""

    def open_session(pipeline: str) -> connection:
        session = connect_as("angiogram")
        with session.cursor() as query:
            query.execute("select set_config('angiogram.pipeline', %s, false)", (pipeline,))
        return session

    return open_session


def quiet(_: str) -> None:
    pass


def test_each_pipeline_has_a_run_in_hand_and_no_second_one(working_for: Callable[[str], connection]) -> None:
    orders, rides = working_for("orders"), working_for("rides")
    of_orders, of_rides = lease.take(orders, 30, 0, quiet), lease.take(rides, 30, 0, quiet)
    assert [run.run_id for run in runs.last(orders, 10)] == [of_orders]
    assert runs.read(rides, of_rides).pipeline == "rides"
    with pytest.raises(UnknownRun):
        runs.read(rides, of_orders)
    with pytest.raises(RunInHand, match=of_rides):
        lease.take(rides, 30, 0, quiet)


def test_a_dead_run_is_taken_over_by_its_own_pipeline_alone(working_for: Callable[[str], connection]) -> None:
    orders, rides = working_for("orders"), working_for("rides")
    dead = lease.take(orders, 0, 0, quiet)
    lease.take(rides, 30, 0, quiet)
    assert runs.read(orders, dead).in_hand
    lease.take(orders, 30, 0, quiet)
    assert not runs.read(orders, dead).in_hand


def test_the_tables_of_one_pipeline_are_built_from_its_seeds_while_another_one_runs(
    working_for: Callable[[str], connection],
) -> None:
    lease.take(working_for("rides"), 30, 0, quiet)
    lease.hold_tables(working_for("orders"), "orders", 0, quiet)
    with pytest.raises(RunInHand):
        lease.hold_tables(working_for("rides"), "rides", 0, quiet)
    with pytest.raises(RunInHand):
        lease.take(working_for("orders"), 30, 0, quiet)


def test_status_mutes_and_hold_are_those_of_the_pipeline(working_for: Callable[[str], connection]) -> None:
    orders, rides = working_for("orders"), working_for("rides")
    blocked, healthy = lease.take(orders, 30, 0, quiet), lease.take(rides, 30, 0, quiet)
    runs.record(orders, blocked, "blocked", [FCT_RIDES], {})
    runs.record(rides, healthy, "healthy", [], {})
    day = timedelta(days=1)
    assert (status(orders, day).state, status(rides, day).state) == (State.BLOCKED, State.HEALTHY)
    assert 'angiogram_status{pipeline="orders"} 1' in metrics(status(orders, day))
    mutes.mute(orders, datetime.now(UTC) + day, "a test")
    assert [len(mutes.in_force(session)) for session in (orders, rides)] == [1, 0]
    hold.turn(orders, True, "a test")
    assert blocked in str(hold.state(orders).held_because)
    assert hold.state(rides).held_because is None


def test_a_dashboard_sees_each_pipeline(
    working_for: Callable[[str], connection], connect_as: Callable[..., connection]
) -> None:
    for name in ("orders", "rides"):
        session = working_for(name)
        runs.record(session, lease.take(session, 30, 0, quiet), "healthy", [], {})
    with connect_as("marts_reader").cursor() as query:
        query.execute("select pipeline, last_verdict from angiogram.last_verified order by pipeline")
        assert query.fetchall() == [("orders", "healthy"), ("rides", "healthy")]


def test_a_run_cannot_be_recorded_for_another_pipeline(working_for: Callable[[str], connection]) -> None:
    with working_for("rides").cursor() as query, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query.execute("insert into angiogram.runs (run_id, pipeline) values ('20260101T000000Z-abcdef', 'orders')")


def live_project(folder: Path, name: str) -> DbtProject:
    """A dbt project with two models and the macros that note what target prod built."""
    for part in ("models", "macros"):
        (folder / part).mkdir(parents=True)
    (folder / "packages.yml").write_text(PACKAGES)
    install(folder)
    (folder / "macros" / "names.sql").write_text(
        "{% macro generate_schema_name(name, node) %}{{ project_name }}{% endmacro %}"
    )
    (folder / "profiles.yml").symlink_to(PROJECT / "profiles.yml")
    (folder / "dbt_project.yml").write_text(
        f"name: {name}\nversion: '1.0'\nprofile: taxi_angiogram\nflags: {{send_anonymous_usage_stats: false}}\n"
        'on-run-end: ["{{ data_angiogram.record_live_nodes(results) }}"]\n'
    )
    for model in ("kept", "removed"):
        (folder / "models" / f"{name}_{model}.sql").write_text("select 1 as id")
    return DbtProject(folder)


OLD_MACRO = """
delete from angiogram.live_nodes where unique_id not in ('model.old.a', 'model.shared.m');
insert into angiogram.live_nodes (unique_id, name, resource_type, relation, accounts_for, counts, fingerprint)
values ('model.old.a', 'a', 'model', '"d"."old"."a"', null, null, 'f'),
('model.shared.m', 'm', 'model', '"d"."old"."m"', null, null, 'f')
on conflict (unique_id) do update set fingerprint = excluded.fingerprint, built_at = clock_timestamp()
"""
"""What a copy of the macro from before migration 0027 runs: it names no pipeline."""


def live_names(session: connection, pipeline: str) -> list[str]:
    found = production.compare(session, {}, "angiogram", pipeline)
    return sorted(node.name for node in found.live.values())


def test_a_live_build_replaces_what_its_own_pipeline_noted_and_nothing_else(
    working_for: Callable[[str], connection],
    connect_as: Callable[..., connection],
    tmp_path: Path,
    fresh_database: str,
) -> None:
    """Builds of two pipelines and of a project with the macro of before, one after the other."""
    reader, old = connect_as("angiogram"), connect_as("dbt_prod")
    with connect_as("postgres", fresh_database).cursor() as query:
        query.execute(f'grant create on database "{fresh_database}" to dbt_prod')
    with old.cursor() as query:
        # As the macro of before noted it: a model that is gone by now, and one that the next build does not name.
        query.execute(
            "insert into angiogram.live_nodes (unique_id, name, resource_type, relation, fingerprint) values"
            " ('model.orders.gone', 'gone', 'model', '', 'f'),"
            " ('model.orders.orders_removed', 'orders_removed', 'model', '', 'f')"
        )
    orders, rides = live_project(tmp_path / "orders", "orders"), live_project(tmp_path / "rides", "rides")
    for built in (
        orders.run("run", "--target", "prod", "--select", "orders_kept"),
        rides.run("run", "--target", "prod"),
    ):
        assert built.exit_code == 0, built.output
    assert live_names(reader, "orders") == ["orders_kept", "orders_removed"], "named, and the one that is gone deleted"
    assert live_names(reader, "rides") == ["rides_kept", "rides_removed"]

    with old.cursor() as query:
        query.execute(OLD_MACRO)
        query.execute(OLD_MACRO)
    assert live_names(reader, "orders") == ["a", "m", "orders_kept", "orders_removed"], "nobody knows whose a and m are"
    (rides.folder / "models" / "rides_removed.sql").unlink()
    again = rides.run("run", "--target", "prod")
    assert again.exit_code == 0, again.output
    assert live_names(reader, "rides") == ["a", "m", "rides_kept"]
    assert live_names(reader, "orders") == ["a", "m", "orders_kept", "orders_removed"]

    live = noted_live(working_for("orders"), None)
    told = {one["relation"].split(".")[-1].strip('"'): one["used_by"] for one in live}
    assert told["rides_kept"] == "the live target of rides built it", "no dye may overwrite what another pipeline built"
    assert told["a"] == "the live target built it"


def test_two_pipelines_may_build_the_models_of_one_package(
    working_for: Callable[[str], connection], connect_as: Callable[..., connection]
) -> None:
    for name in ("orders", "rides"):
        with connect_as("dbt_prod").cursor() as query:
            query.execute(
                "insert into angiogram.live_nodes (pipeline, unique_id, name, resource_type, relation, fingerprint)"
                " values (%s, %s, 'm', 'model', 'r', %s)",
                (name, f"{name}:model.shared.m", name),
            )
    reader = connect_as("angiogram")
    for name in ("orders", "rides"):
        live = production.compare(reader, {}, "angiogram", name).live
        assert {unique_id: node.fingerprint for unique_id, node in live.items()} == {"model.shared.m": name}
