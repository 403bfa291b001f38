"""At most one run is in hand; a second waits, a dead one is taken over."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from queue import Queue

import pytest
from psycopg2.extensions import connection

from angiogram.core.errors import LeaseLost, NeverBegan, RunInHand, UnknownRun
from angiogram.core.stage_id import loader_stage
from angiogram.run import steps
from angiogram.store import lease, runs


@pytest.fixture
def database(fresh_database: str, connect_as: Callable[..., connection]) -> connection:
    return connect_as("angiogram")


def nothing(text: str) -> None:
    raise AssertionError(f"nothing was to be said, but: {text}")


def test_a_new_run_is_in_hand_and_shows_no_ride_yet(database: connection) -> None:
    run = runs.read(database, lease.take(database, 30, 0, nothing))
    assert run.in_hand
    assert run.batch == 0
    assert run.verdict is None


def test_times_are_in_utc_whatever_the_sessions_time_zone(database: connection) -> None:
    with database.cursor() as query:
        query.execute("set timezone to 'America/New_York'")
    run = runs.read(database, lease.take(database, 30, 0, nothing))
    assert (run.started_at.utcoffset(), runs.last(database, 1)[0].started_at) == (timedelta(0), run.started_at)


def test_a_second_run_waits_says_so_and_starts_when_the_first_ends(
    database: connection, connect_as: Callable[..., connection]
) -> None:
    first = lease.take(database, 30, 0, nothing)
    said: Queue[str] = Queue()
    with ThreadPoolExecutor() as pool:
        second = pool.submit(lease.take, connect_as("angiogram"), 30, 60, said.put)
        assert first in said.get(timeout=30)
        assert not second.done()
        runs.release(database, first)
        assert runs.read(database, second.result(timeout=30)).in_hand
    assert not runs.read(database, first).in_hand


def test_a_second_run_that_would_not_wait_longer_is_told_who_is_in_hand(database: connection) -> None:
    first = lease.take(database, 30, 0, nothing)
    with pytest.raises(RunInHand, match=f"angiogram release {first}"):
        lease.take(database, 30, 0, nothing)


def test_a_dead_run_is_taken_over_once_its_lease_ran_out_and_cannot_go_on(database: connection) -> None:
    dead = lease.take(database, 0, 0, nothing)
    said: list[str] = []
    living = lease.take(database, 30, 60, said.append)
    assert runs.read(database, living).in_hand
    assert runs.read(database, dead).verdict == "could_not_run"
    assert dead in said[0]
    with pytest.raises(LeaseLost, match=dead):
        runs.renew(database, dead)
    with pytest.raises(LeaseLost):
        runs.save_step(database, dead, "inject", {"published": 1})


def test_no_run_begins_while_the_models_are_built_from_the_input_seeds(
    database: connection, connect_as: Callable[..., connection]
) -> None:
    """And the other way round: whoever comes second waits, and says so."""
    builder, another = connect_as("angiogram"), connect_as("angiogram")
    lease.hold_tables(builder, "", 0, nothing)
    with pytest.raises(RunInHand, match=r"input seeds .* after 0 s of waiting"):
        lease.hold_tables(another, "", 0, nothing)
    with pytest.raises(RunInHand, match=r"input seeds .* after 0 s of waiting"):
        lease.take(database, 60, 0, nothing)
    told: list[str] = []

    def end_it(text: str) -> None:
        told.append(text)
        builder.close()

    run_id = lease.take(database, 60, 60, end_it)
    with pytest.raises(RunInHand, match=rf"{run_id} .* after 0 s of waiting"):
        lease.hold_tables(another, "", 0, nothing)

    def release_it(text: str) -> None:
        told.append(text)
        runs.release(database, run_id)

    lease.hold_tables(another, "", 60, release_it)
    assert ["input seeds" in told[0], run_id in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize("keeps_runs", [pytest.param(True, id="where runs are kept"), pytest.param(False, id="or not")])
def test_a_second_build_from_the_seeds_waits_for_the_first_and_says_so(
    fresh_database: str, connect_as: Callable[..., connection], keeps_runs: bool
) -> None:
    if not keeps_runs:
        with connect_as("postgres", fresh_database).cursor() as query:
            query.execute("drop schema angiogram cascade")
    first, second = connect_as("angiogram"), connect_as("angiogram")
    lease.hold_tables(first, "", 0, nothing)
    said: Queue[str] = Queue()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(lease.hold_tables, second, "", 60, said.put)
        assert "Somebody builds the models from the input seeds" in said.get(timeout=30)
        assert not waiting.done()
        first.close()
        waiting.result(timeout=30)
    assert said.empty()


def test_a_build_from_the_seeds_waits_for_no_run_whose_lease_ran_out(
    database: connection, connect_as: Callable[..., connection]
) -> None:
    run_id = lease.take(database, 0, 0, nothing)
    lease.hold_tables(connect_as("angiogram"), "", 0, nothing)
    assert runs.read(database, run_id).in_hand, "only the next run takes over from it"


def test_a_role_that_has_no_part_in_runs_waits_for_none(
    database: connection, connect_as: Callable[..., connection]
) -> None:
    lease.take(database, 60, 0, nothing)
    lease.hold_tables(connect_as("loader"), "", 0, nothing)


def test_a_sign_of_life_lengthens_the_lease(database: connection) -> None:
    run_id = lease.take(database, 30, 0, nothing)
    before = runs.read(database, run_id).lease_until
    runs.renew(database, run_id)
    after = runs.read(database, run_id).lease_until
    assert before is not None
    assert after is not None
    assert after > before


def test_what_a_step_leaves_is_read_by_the_next_and_survives_the_verdict(database: connection) -> None:
    run_id = lease.take(database, 30, 0, nothing)
    runs.save_step(database, run_id, "inject", {"published": 3})
    runs.save_step(database, run_id, "load", {"by": "follower"})
    runs.record(database, run_id, "blocked", [loader_stage()], {"verdict": "blocked"})
    run = runs.read(database, run_id)
    assert run.step("inject") == {"published": 3}
    assert run.step("load") == {"by": "follower"}
    assert run.step("verdict") == {}
    assert (run.verdict, run.blockage) == ("blocked", [loader_stage()])
    assert run.finished_at is not None


def test_the_first_verdict_stays(database: connection) -> None:
    run_id = lease.take(database, 30, 0, nothing)
    runs.record(database, run_id, "healthy", [], {"verdict": "healthy"})
    runs.record(database, run_id, "could_not_run", [], {"verdict": "could_not_run"})
    assert runs.read(database, run_id).verdict == "healthy"


def test_a_batch_is_seen_only_while_the_run_is_in_hand(database: connection) -> None:
    run_id = lease.take(database, 30, 0, nothing)
    runs.take_batch(database, run_id, 1, 80)
    assert runs.read(database, run_id).batch == 1
    runs.release(database, run_id)
    with pytest.raises(LeaseLost):
        runs.take_batch(database, run_id, 2, 80)


def test_the_last_runs_come_newest_first(database: connection) -> None:
    ids = []
    for _ in range(3):
        ids.append(lease.take(database, 30, 0, nothing))
        runs.release(database, ids[-1])
    assert [run.run_id for run in runs.last(database, 2)] == [ids[2], ids[1]]


def test_an_unknown_run_is_an_error_that_names_it(database: connection) -> None:
    with pytest.raises(UnknownRun, match="20000101T000000Z-000000"):
        runs.read(database, "20000101T000000Z-000000")


def test_a_run_that_never_began_is_told_with_its_reason_and_leaves_nothing_to_release(database: connection) -> None:
    """In Airflow `verdict` and `finish` come even if `begin` failed, and then have no run id."""
    with pytest.raises(NeverBegan, match=r"never began.*KafkaUnavailable: Kafka did not answer"):
        steps.require_begun(None, "KafkaUnavailable: Kafka did not answer")
    with pytest.raises(NeverBegan, match="log of the step `begin`"):
        steps.require_begun(None, None)
    assert steps.require_begun("run-1", None) == "run-1"
    steps.finish(None)
    assert runs.last(database, 1) == []
