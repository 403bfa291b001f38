"""Several pipelines keep their records in one database: each has a lease, runs, alerts, mutes and a hold of its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from psycopg2.extensions import connection

from angiogram.core.errors import RunInHand, UnknownRun
from angiogram.core.stage_id import StageId
from angiogram.operate.status import State, metrics, status
from angiogram.store import hold, lease, mutes, runs

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
