"""The live checkpoints: nothing of the live rides is lost between the end of the topic and the facts."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition
from psycopg2.extensions import connection

from ingestion.loader import load_until_caught_up
from ingestion.retention import delete_older_than
from ingestion.settings import KafkaSettings
from ingestion.topic import open_admin
from ingestion.traffic import generate
from tests.angiogram.conftest import PROJECT, Outcome
from tests.dbt.project import DbtProject

Angiogram = Callable[..., Outcome]
OFFSETS, LOADED, UNVERIFIED, MODELS = range(4)
RIDES = 60


@pytest.fixture
def loaded(pipeline: None, fresh_database: str, fresh_topic: str) -> None:
    """Live rides of every kind, loaded, in a database and a topic of the test's own."""
    generate(RIDES, seed=1, dirty=0.5)
    load_until_caught_up()


@pytest.fixture
def owner(loaded: None, connect_as: Callable[..., connection]) -> Iterator[Any]:
    with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
        yield query


def live(angiogram: Angiogram) -> tuple[int, dict[str, Any]]:
    outcome = angiogram("live", "--json")
    assert outcome.code in (0, 1), outcome.stderr
    return outcome.code, json.loads(outcome.stdout)


def test_all_hold_with_dye_between_the_rides_and_models_built(loaded: None, angiogram: Angiogram) -> None:
    assert angiogram("run").code == 0
    generate(RIDES, seed=2, dirty=0.5)
    load_until_caught_up()
    assert DbtProject(PROJECT).run("build", "--target", "prod").exit_code == 0
    code, found = live(angiogram)
    assert (code, found["holds"], found["partitions"]) == (0, True, [])
    counts = found["checkpoints"][LOADED]["counts"]
    assert counts["rides"] + counts["dead_letters"] == 2 * RIDES
    assert counts["dye"] > 0
    assert found["checkpoints"][MODELS]["expected"] == counts["rides"]
    assert all(count > 0 for count in found["checkpoints"][MODELS]["counts"].values())
    assert "✓ end offsets = loaded offsets" in angiogram("live").stdout


def test_rides_that_nobody_loads_are_behind_the_end(loaded: None, angiogram: Angiogram) -> None:
    generate(RIDES, seed=2)
    code, found = live(angiogram)
    assert code == 1
    assert [point["holds"] for point in found["checkpoints"]] == [False, True, True], "no live models yet, so no fourth"
    assert found["checkpoints"][OFFSETS]["expected"] - found["checkpoints"][OFFSETS]["counts"]["loaded"] == RIDES
    assert "loaded up to" in found["partitions"][0]


def test_a_ride_that_left_the_raw_table_is_missed_at_its_partition(angiogram: Angiogram, owner: Any) -> None:
    owner.execute(
        'delete from raw.taxi_rides where ctid = (select ctid from raw.taxi_rides order by "offset" desc limit 1)'
        ' returning "partition"'
    )
    ((partition,),) = owner.fetchall()
    code, found = live(angiogram)
    assert code == 1
    assert [point["holds"] for point in found["checkpoints"]] == [True, False, True]
    assert [told.split(" of ")[0] for told in found["partitions"]] == [f"partition {partition}"]


def test_messages_deleted_from_the_topic_before_they_were_loaded_count_as_a_gap(
    angiogram: Angiogram, owner: Any
) -> None:
    """The gap was recorded and accepted, so that no offset is left over."""
    generate(RIDES, seed=2)
    kafka = KafkaSettings.from_environment()
    owner.execute('select "partition", next_offset from raw.loaded_offsets order by 1 limit 1')
    ((partition, reached),) = owner.fetchall()
    admin = open_admin(kafka)
    try:
        admin.delete_records({TopicPartition(kafka.topic, partition): reached + 1})
    finally:
        admin.close()
    load_until_caught_up(accept_loss=True)
    code, found = live(angiogram)
    assert code == 0, found
    assert found["checkpoints"][LOADED]["counts"]["gaps"] == 1


def in_transactions(*transactions: tuple[int, bool]) -> None:
    """Publish so many rides to partition 0 in each transaction, which is committed or aborted."""
    kafka = KafkaSettings.from_environment()
    producer = KafkaProducer(**kafka.client_options(), transactional_id=kafka.topic)
    try:
        producer.init_transactions()
        for rides, is_committed in transactions:
            producer.begin_transaction()
            for _ in range(rides):
                producer.send(kafka.topic, value=b'{"taxi_id": "t1"}', partition=0).get(timeout=30)
            (producer.commit_transaction if is_committed else producer.abort_transaction)()
    finally:
        producer.close()


def test_offsets_that_hold_no_message_are_no_loss_and_a_ride_between_them_is_missed(
    angiogram: Angiogram, owner: Any
) -> None:
    """Markers of transactions, and what was published in one that was aborted."""
    in_transactions((2, True), (1, False), (1, True))
    load_until_caught_up()
    in_transactions((1, False), (1, True))
    load_until_caught_up()
    code, found = live(angiogram)
    assert code == 0, found
    assert found["checkpoints"][LOADED]["counts"]["empty_offsets"] == 5 + 2

    owner.execute(
        "delete from raw.taxi_rides where ctid = (select ctid from raw.taxi_rides where taxi_id = 't1'"
        ' order by "offset" limit 1)'
    )
    code, found = live(angiogram)
    assert (code, [told.split(" of ")[0] for told in found["partitions"]]) == (1, ["partition 0"])


def test_empty_offsets_before_the_first_message_that_counts_are_left_out(angiogram: Angiogram, owner: Any) -> None:
    """Retention takes them with the messages they lay between; one that begins a later batch counts with that batch."""
    in_transactions((1, True), (1, False))
    load_until_caught_up()
    owner.execute(
        "update raw.taxi_rides set loaded_at = loaded_at - interval '2 days';"
        "update raw.dead_letters set loaded_at = loaded_at - interval '2 days';"
        "update raw.empty_offsets set loaded_at = loaded_at - interval '2 days'"
    )
    in_transactions((1, False), (2, True))
    load_until_caught_up()
    for since in ("1d", "3d"):
        outcome = angiogram("live", "--json", "--since", since)
        assert outcome.code == 0, outcome.stdout
    delete_older_than(1)
    code, found = live(angiogram)
    assert code == 0, found
    assert found["checkpoints"][LOADED]["counts"] == {"rides": 2, "dead_letters": 0, "dye": 0} | {
        **{"unverified_dye": 0, "gaps": 0, "empty_offsets": 3}
    }


def test_a_gap_before_empty_offsets_is_counted_once(angiogram: Angiogram, owner: Any) -> None:
    owner.execute('select next_offset from raw.loaded_offsets where "partition" = 0')
    ((reached,),) = owner.fetchall()
    in_transactions((3, True), (1, False), (1, True))
    kafka = KafkaSettings.from_environment()
    with closing(open_admin(kafka)) as admin:
        admin.delete_records({TopicPartition(kafka.topic, 0): reached + 2})
    load_until_caught_up(accept_loss=True)
    code, found = live(angiogram)
    assert code == 0, found
    assert (
        found["checkpoints"][LOADED]["counts"] | {"gaps": 2, "empty_offsets": 4}
        == (found["checkpoints"][LOADED]["counts"])
    )


def test_a_message_that_the_facts_lost_is_missed(loaded: None, angiogram: Angiogram, owner: Any) -> None:
    live_models = DbtProject(PROJECT).run("build", "--target", "prod", "--exclude-resource-type", "test")
    assert live_models.exit_code == 0, live_models.output
    owner.execute("delete from facts.fct_rejected_rides where ctid = (select min(ctid) from facts.fct_rejected_rides)")
    code, found = live(angiogram)
    assert code == 1
    assert [point["holds"] for point in found["checkpoints"]] == [True, True, True, False]


def test_rows_deleted_by_age_are_no_loss(loaded: None, angiogram: Angiogram, owner: Any) -> None:
    """Retention takes the oldest rows; what is younger is still counted."""
    owner.execute(
        "update raw.taxi_rides set loaded_at = loaded_at - interval '2 days' where \"offset\" < 3;"
        "update raw.dead_letters set loaded_at = loaded_at - interval '2 days' where \"offset\" < 3;"
        'delete from raw.taxi_rides where "offset" < 2; delete from raw.dead_letters where "offset" < 2'
    )
    assert live(angiogram)[0] == 0
    outcome = angiogram("live", "--json", "--since", "3d")
    assert outcome.code == 0, outcome.stdout
    assert json.loads(outcome.stdout)["checkpoints"][LOADED]["expected"] > 0


def test_a_broker_that_is_away_is_2(pipeline: None, angiogram: Angiogram) -> None:
    outcome = angiogram("live", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "KafkaUnavailable" in outcome.stderr
