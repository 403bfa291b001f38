"""Dye and live rides do not touch each other, and no run harms the next one."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.dye.messages import read_whole_dye
from angiogram.store import runs
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import SIGNATURE_HEADER, DyeStamp
from ingestion.settings import DyeKeys
from ingestion.topic.producer import MessageProducer
from taxi.traffic import generate
from tests.angiogram.conftest import ANGIOGRAM, Outcome
from tests.services import new_database, new_topic

RIDES = 400
STEPS = ("inject", "check loaded", "build batch 1", "build batch 2")
"""Steps after which a run is killed, as `angiogram run` tells of them when they end."""

_LIVE = (
    "select count(*), md5(string_agg(business::text, '' order by business::text)) from (select taxi_id, pax_id,"
    " start_time, end_time, pickup_zipcode, dropoff_zipcode, tax_amount, fare_amount, currency, car_model,"
    " unknown_fields from raw.taxi_rides) as business"
)


def _live(connect_as: Callable[..., connection]) -> tuple[int, str]:
    """Count and checksum of the live rides over their business columns."""
    query = connect_as("postgres", os.environ["PGDATABASE"]).cursor()
    query.execute(_LIVE)
    count, checksum = query.fetchone() or (0, "")
    return count, checksum


def _send(part: int) -> None:
    generate(RIDES, seed=part, dirty=0.3)


@pytest.fixture
def without_dye(pipeline: None, connect_as: Callable[..., connection]) -> Iterator[tuple[int, str]]:
    """Live rides of a pipeline that never met any dye."""
    with new_database(), new_topic():
        for part in (1, 2):
            _send(part)
        load_until_caught_up()
        yield _live(connect_as)


def test_live_rides_are_the_same_with_and_without_dye_between_them(
    without_dye: tuple[int, str], connect_as: Callable[..., connection], angiogram: Callable[..., Outcome]
) -> None:
    with new_database(), new_topic():
        _send(1)
        assert angiogram("run").code == 0
        _send(2)
        load_until_caught_up()
        assert _live(connect_as) == without_dye
        query = connect_as("postgres", os.environ["PGDATABASE"]).cursor()
        query.execute("select count(*) from raw.taxi_rides as live join angiogram_raw.taxi_rides as dye"
                      ' using (topic_id, "partition", "offset")')  # fmt: skip
        assert query.fetchone() == (0,)


def test_a_forged_dye_header_pollutes_nothing_and_is_told_and_a_replayed_one_harms_no_run(
    pipeline: None, fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection]
) -> None:
    item, key = read_whole_dye()[0], DyeKeys.from_environment().accepted()[0]
    value = item.value or b""
    genuine = DyeStamp("an-earlier-run", item.number, item.sent_at).headers(key, value)
    forged = [(name, b"0" * 64 if name == SIGNATURE_HEADER else cell) for name, cell in genuine]
    with MessageProducer() as producer:
        producer.publish(value, None, forged)
        producer.publish(value, None, genuine)
    load_until_caught_up()
    query = connect_as("postgres", fresh_database).cursor()
    query.execute(
        "select (select count(*) from raw.taxi_rides), (select count(*) from raw.unverified_dye),"
        " (select array_agg(run_id) from angiogram_raw.taxi_rides), (select count(*) from angiogram_raw.rides_in_hand)"
    )
    assert query.fetchone() == (0, 1, ["an-earlier-run"], 0)


def test_of_two_runs_at_once_the_second_waits_and_both_end_right(pipeline: None, dbt_target: Path) -> None:
    with new_database(), new_topic():
        both = [_start(DBT_TARGET_PATH=str(dbt_target / str(number))) for number in (1, 2)]
        told = [process.communicate(timeout=500)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], told
        assert sum("is in hand. Waiting for it to end." in text for text in told) == 1
        with runs.database("test") as database:
            assert [run.verdict for run in runs.last(database, 5)] == ["healthy", "healthy"]


def test_runs_killed_after_each_step_leave_nothing_that_harms_the_next(
    pipeline: None, angiogram: Callable[..., Outcome]
) -> None:
    """One run after the other is killed, each a step later; the last one meets what all left and is healthy."""
    with new_database(), new_topic():
        dead = [_killed_after(step) for step in STEPS]
        outcome = angiogram("run")
        assert outcome.code == 0, outcome.stderr
        with runs.database("test") as database:
            assert {runs.read(database, run_id).verdict for run_id in dead} == {"could_not_run"}


def _killed_after(step: str) -> str:
    """Start a run and kill it as soon as it tells that the step ended; its id."""
    process = _start()
    assert process.stderr is not None
    reached = any(line.startswith(step) for line in process.stderr)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert reached, step
    with runs.database("test") as database:
        dead = runs.last(database, 1)[0]
        assert dead.in_hand, "it had no time to release itself"
        with database.cursor() as query:  # what half a minute of waiting would do
            query.execute("update angiogram.runs set lease_until = clock_timestamp() where run_id = %s", (dead.run_id,))
    return dead.run_id


def _start(**variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ANGIOGRAM, "run"],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
