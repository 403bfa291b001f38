"""Models that grow: live messages in any order, batches of the dye, doubled messages."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extensions import cursor

from ingestion.database.sessions import connect
from tests.dbt.project import DbtProject, copy_of_project
from tests.services import connect_as_administrator, new_database

MODELS_ALONE = ("--exclude-resource-type", "test")
"""Builds models and seeds without their tests: enough where a later build tests them."""

TOPIC = "00000000-0000-0000-0000-00000000000a"
TOPIC_MADE_AGAIN = "00000000-0000-0000-0000-00000000000b"

RIDE: dict[str, Any] = {
    "taxi_id": "T-1",
    "pax_id": "P-1",
    "start_time": "2026-06-01T08:00:00Z",
    "end_time": "2026-06-01T08:30:00Z",
    "pickup_zipcode": "10001",
    "dropoff_zipcode": "10002",
    "tax_amount": "1.00",
    "fare_amount": "10.00",
    "currency": "USD",
    "car_model": "Jeep",
    "topic": "taxi_rides",
    "topic_id": TOPIC,
    "partition": 0,
    "offset": 0,
    "message_at": "2026-06-01T09:00:00Z",
}


@pytest.fixture
def database(sandbox: object) -> Iterator[str]:
    """A database for each test: what a build leaves behind is what the next one starts from."""
    with new_database() as name:
        yield name


@pytest.fixture
def query(database: str) -> Iterator[cursor]:
    with closing(connect_as_administrator(database)) as server, server.cursor() as opened:
        yield opened


def add(query: cursor, *rides: dict[str, Any], schema: str = "raw") -> None:
    """Store messages as the loader would: RIDE with the given changes."""
    for ride in rides:
        row = RIDE | ride
        query.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(schema, "taxi_rides"),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(map(sql.Placeholder, row)),
            ),
            row,
        )


def build(module_project: DbtProject, *arguments: str) -> None:
    run = module_project.run("build", *arguments)
    assert run.exit_code == 0, run.output


@pytest.fixture(scope="module")
def module_project(sandbox: object, tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    """A copy of the project; the database is the test's."""
    return copy_of_project(tmp_path_factory.mktemp("dbt"))


def fares(query: cursor) -> dict[str, str]:
    query.execute("select taxi_id, fare_amount::text from facts.fct_rides")
    return dict(query.fetchall())


def test_the_newest_version_wins_in_whatever_order_it_comes_and_one_without_a_time_is_rejected(
    module_project: DbtProject, query: cursor
) -> None:
    """A correction wins over what was taken before; an older version that comes in late does not; ties go by offset.

    A version without a time is neither newer nor older, and stops nothing.
    """
    add(
        query,
        {"taxi_id": "corrected", "offset": 0},
        {"taxi_id": "late", "offset": 1, "message_at": "2026-06-01T10:00:00Z", "fare_amount": "20"},
        {"taxi_id": "tie", "offset": 2},
        {"taxi_id": "tie-over-partitions", "partition": 1, "offset": 0, "fare_amount": "30"},
    )
    build(module_project, "--target", "prod", *MODELS_ALONE)
    assert fares(query) == {"corrected": "10.00", "late": "20", "tie": "10.00", "tie-over-partitions": "30"}

    add(
        query,
        {"taxi_id": "corrected", "offset": 3, "message_at": "2026-06-01T09:30:00Z", "fare_amount": "11"},
        {"taxi_id": "late", "offset": 4, "fare_amount": "19"},
        {"taxi_id": "tie", "offset": 5, "fare_amount": "12"},
        {"taxi_id": "tie-over-partitions", "partition": 0, "offset": 6, "fare_amount": "31"},
        {"taxi_id": "rejected", "offset": 7, "fare_amount": "-1"},
        {"taxi_id": "corrected", "offset": 8, "message_at": None, "fare_amount": "99"},
    )
    build(module_project, "--target", "prod", *MODELS_ALONE)
    newest = {"corrected": "11", "late": "20", "tie": "12", "tie-over-partitions": "30"}
    assert fares(query) == newest

    build(module_project, "--target", "prod")
    assert fares(query) == newest
    query.execute("select message_id, rejection_reasons from facts.fct_rejected_rides order by message_id")
    assert query.fetchall() == [(f"{TOPIC}-0-7", "negative_fare"), (f"{TOPIC}-0-8", "no_message_time")]
    query.execute("select count(*) from staging.stg_taxi__rides")
    assert query.fetchone() == (10,)


def test_a_topic_made_again_starts_anew(module_project: DbtProject, query: cursor) -> None:
    """Its offsets begin at 0 again, below those taken of the old one: all the same, every message is taken."""
    add(query, {"taxi_id": "old", "offset": 5})
    build(module_project, "--target", "prod", *MODELS_ALONE)
    add(query, {"taxi_id": "new", "offset": 0, "topic_id": TOPIC_MADE_AGAIN})
    build(module_project, "--target", "prod", *MODELS_ALONE)
    assert set(fares(query)) == {"old", "new"}


def test_two_batches_of_the_dye_leave_the_same_state_as_both_at_once(module_project: DbtProject, query: cursor) -> None:
    """Batch 2 corrects, repeats and comes late: after it the grown models equal the same expected seeds."""
    build(module_project, "--target", "angiogram", *MODELS_ALONE, "--vars", '{"dye_batches": 1}')
    query.execute("select count(*), md5(string_agg(f::text, ',' order by ride_id)) from angiogram_facts.fct_rides as f")
    after_one = query.fetchone()
    build(module_project, "--target", "angiogram", "--vars", '{"dye_batches": 2}')
    query.execute("select count(*), md5(string_agg(f::text, ',' order by ride_id)) from angiogram_facts.fct_rides as f")
    assert query.fetchone() != after_one


def test_dye_from_the_seeds_starts_afresh(module_project: DbtProject, query: cursor) -> None:
    """Rows that an earlier run or a former seed left in the incremental models are gone with the next build."""
    build(module_project, "--target", "angiogram", *MODELS_ALONE)
    query.execute("update angiogram_staging.stg_taxi__rides set source_offset = 1000000, fare_amount = 1")
    build(module_project, "--target", "angiogram")


def test_a_doubled_dye_message_is_seen(module_project: DbtProject, query: cursor) -> None:
    """Loaded twice, at two offsets, it keeps its message_id: no model crashes, and the comparison counts it twice."""
    query.execute("insert into angiogram.runs (run_id, in_hand, batch) values ('doubled', true, 2)")
    stamp = {"run_id": "doubled", "ride_number": 1, "sent_at": "2026-06-01T08:00:00Z"}
    add(query, stamp, stamp | {"offset": 1}, schema="angiogram_raw")
    run = module_project.run(
        "build",
        "--target",
        "angiogram",
        "--vars",
        '{"dye_source": "topic"}',
        "--select",
        "+fct_rides",
        "expected__stg_taxi__rides",
        "expected__int_rides__checked",
        "expected__fct_rides",
        "expected__dim_zipcodes",
    )
    assert {run.statuses[name] for name in ("stg_taxi__rides", "int_rides__checked", "fct_rides")} == {"success"}
    assert run.statuses["unique_stg_taxi__rides_message_id"] == "warn"
    query.execute("select message_id, count(*) from angiogram_staging.stg_taxi__rides group by message_id")
    assert query.fetchall() == [("1", 2)]
    query.execute("select count(*) from angiogram_facts.fct_rides")
    assert query.fetchone() == (1,)
    query.execute("select row_key, actual from angiogram_test_failures.equals_expected__stg_taxi__rides")
    assert [json.loads(key) for key, actual in query.fetchall() if actual] == [{"message_id": "1"}] * 2


def test_marts_are_read_by_their_reader_alone(module_project: DbtProject, query: cursor) -> None:
    """Under prod the grants outlive each rebuild; rides and raw messages stay closed to the reader."""
    add(query, {})
    build(module_project, "--target", "prod", *MODELS_ALONE)
    build(module_project, "--target", "prod", *MODELS_ALONE, "--select", "revenue_by_state")
    with closing(connect("marts_reader", "tests")) as server, server.cursor() as reader:
        reader.execute("select pickup_state, revenue_usd_amount::text from revenue.revenue_by_state")
        assert reader.fetchall() == [("New York", "11.00")]
        reader.execute("select has_schema_privilege('raw', 'usage'), has_schema_privilege('facts', 'usage')")
        assert reader.fetchone() == (False, False)
