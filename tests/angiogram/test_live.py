"""The live checkpoints: nothing of the live rides is lost between the end of the topic and the facts."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from psycopg2.extensions import connection
from typer.testing import CliRunner

from ingestion.bulk.run import bulk_load
from ingestion.cli import app
from ingestion.loader.run import load_until_caught_up
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin
from ingestion.upkeep.retention import delete_older_than
from taxi.traffic import generate
from tests.angiogram.conftest import PROJECT, Outcome
from tests.dbt.project import DbtProject
from tests.ingestion.support import Message, publish

Angiogram = Callable[..., Outcome]
OFFSETS, LOADED, KEPT, UNVERIFIED, IN_RAW, TAKEN, MODELS = range(7)
MARTS = 5
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
    assert counts["messages"] + counts["dead_letters"] == 2 * RIDES
    assert counts["dye"] > 0
    assert found["checkpoints"][MODELS]["expected"] == counts["messages"]
    assert found["checkpoints"][IN_RAW]["expected"] == counts["messages"]
    assert all(count > 0 for count in found["checkpoints"][MODELS]["counts"].values())
    marts = [point["name"] for point in found["checkpoints"][MODELS + 1 :]]
    assert "accepted = ride_count of revenue_by_state" in marts
    assert len(marts) == MARTS
    assert "✓ end offsets = loaded offsets" in angiogram("live").stdout


def test_rides_that_nobody_loads_are_behind_the_end(loaded: None, angiogram: Angiogram) -> None:
    generate(RIDES, seed=2)
    code, found = live(angiogram)
    assert code == 1
    assert [point["holds"] for point in found["checkpoints"]] == [False, True, True, True], (
        "no live models yet, so no others"
    )
    assert found["checkpoints"][OFFSETS]["expected"] - found["checkpoints"][OFFSETS]["counts"]["loaded"] == RIDES
    assert "loaded up to" in found["partitions"][0]


def load_days_ago(owner: Any, days: int) -> None:
    """Let all that was loaded so far be loaded some days ago."""
    for column in (
        *("raw.taxi_rides.loaded_at", "raw.dead_letters.loaded_at", "raw.empty_offsets.loaded_at"),
        *("raw.loaded_totals.updated_at", "raw.loaded_totals.marked_at", "raw.loaded_marks.reached_at"),
    ):
        schema, table, name = column.split(".")
        owner.execute(f"update {schema}.{table} set {name} = {name} - interval '{days} days'")  # noqa: S608


LOSSES = {
    "one row deleted": 'delete from raw.taxi_rides where "partition" = 0 and "offset" = ('
    'select min("offset") from raw.taxi_rides where "partition" = 0)',
    "all rows of a partition deleted": 'delete from raw.taxi_rides where "partition" = 0',
    "the table truncated": "truncate raw.taxi_rides",
    "dead letters truncated": "truncate raw.dead_letters cascade",
    "the last rows missing as after a restore": (
        "set session_replication_role = replica; delete from raw.taxi_rides; delete from raw.dead_letters; reset all"
    ),
}


@pytest.mark.parametrize("accident", LOSSES.values(), ids=LOSSES.keys())
def test_what_was_loaded_is_missed_for_ever_however_long_ago_that_was(
    angiogram: Angiogram, owner: Any, accident: str
) -> None:
    """With the offsets as they were, and whatever is loaded afterwards."""
    load_days_ago(owner, 3)
    owner.execute(accident)
    for seed in (2, 3):
        code, found = live(angiogram)
        assert (code, found["checkpoints"][KEPT]["holds"]) == (1, False)
        assert any("partition " in told and "not stored any more" in told for told in found["partitions"])
        generate(RIDES, seed=seed)
        load_until_caught_up()
    done = CliRunner().invoke(app, ["offsets", "repair", "--accept-loss"], catch_exceptions=False)
    assert done.exit_code == 0
    assert live(angiogram)[0] == 0


def test_a_row_loaded_lately_that_left_its_table_is_missed_at_its_partition(angiogram: Angiogram, owner: Any) -> None:
    """Also where no trigger noticed, and its neighbours are there."""
    owner.execute(
        "set session_replication_role = replica;"
        'delete from raw.taxi_rides where ctid = (select ctid from raw.taxi_rides order by "offset" limit 1)'
        ' returning "partition"'
    )
    ((partition,),) = owner.fetchall()
    code, found = live(angiogram)
    assert code == 1
    assert [point["holds"] for point in found["checkpoints"]] == [True, False, True, True]
    assert [told.split(" of ")[0] for told in found["partitions"]] == [f"partition {partition}"]


def test_an_open_transaction_is_named_where_it_holds_messages_back(
    loaded: None, angiogram: Angiogram, owner: Any
) -> None:
    owner.execute('select next_offset from raw.loaded_offsets where "partition" = 0')
    ((reached,),) = owner.fetchall()
    kafka = KafkaSettings.from_environment()
    with closing(KafkaProducer(**kafka.client_options(), transactional_id=kafka.topic)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(kafka.topic, value=b'{"taxi_id": "t1"}', partition=0).get(timeout=30)
        code, found = live(angiogram)
        producer.abort_transaction()
    assert code == 1
    assert found["partitions"] == [
        f"partition 0: an open transaction on {kafka.topic} that begins at offset {reached} holds back 1 offsets"
    ]


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


def test_offsets_that_hold_no_message_are_no_loss(angiogram: Angiogram, owner: Any) -> None:
    """Markers of transactions, and what was published in one that was aborted."""
    in_transactions((2, True), (1, False), (1, True))
    load_until_caught_up()
    in_transactions((1, False), (1, True))
    load_until_caught_up()
    code, found = live(angiogram)
    assert code == 0, found
    assert found["checkpoints"][LOADED]["counts"]["empty_offsets"] == 5 + 2


def test_what_retention_takes_away_is_no_loss_however_far_one_looks_back(angiogram: Angiogram, owner: Any) -> None:
    """Empty offsets go with the messages that they lay between."""
    in_transactions((1, True), (1, False))
    load_until_caught_up()
    load_days_ago(owner, 2)
    in_transactions((1, False), (2, True))
    load_until_caught_up()
    for since in ("1d", "3d", "all"):
        outcome = angiogram("live", "--json", "--since", since)
        assert outcome.code == 0, outcome.stdout
    delete_older_than(1)
    code, found = live(angiogram)
    assert code == 0, found
    assert found["checkpoints"][LOADED]["counts"] == {"messages": 2, "dead_letters": 0, "dye": 0} | {
        **{"unverified_dye": 0, "gaps": 0, "empty_offsets": 3, "taken_away": 0}
    }
    outcome = angiogram("live", "--json", "--since", "3d")
    assert outcome.code == 0, outcome.stdout
    assert json.loads(outcome.stdout)["checkpoints"][LOADED]["counts"]["taken_away"] > 0


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


def wrong(angiogram: Angiogram) -> tuple[list[str], list[str]]:
    """Names of the checkpoints that do not hold, and what is said of them."""
    code, found = live(angiogram)
    names = [point["name"] for point in found["checkpoints"] if not point["holds"]]
    assert code == int(bool(names))
    return names, found["partitions"]


def test_what_raw_models_and_marts_do_not_agree_on_is_named(
    loaded: None, angiogram: Angiogram, owner: Any, tmp_path: Path
) -> None:
    """One build, and accidents one after the other, each taken back."""
    (tmp_path / "2026-10-05").mkdir()
    (tmp_path / "2026-10-05" / "a.ndjson").write_text('{"taxi_id": "f1"}\n{"taxi_id": "f2"}\n')
    bulk_load(tmp_path, 1)
    live_models = DbtProject(PROJECT).run("build", "--target", "prod", "--exclude-resource-type", "test")
    assert live_models.exit_code == 0, live_models.output
    assert wrong(angiogram) == ([], [])

    def accident(table: str, statement: str) -> tuple[list[str], list[str]]:
        owner.execute(f"create table kept as table {table}; {statement}")
        try:
            return wrong(angiogram)
        finally:
            owner.execute(f"truncate {table}; insert into {table} table kept; drop table kept")

    names, _ = accident(
        "facts.fct_rejected_rides",
        "delete from facts.fct_rejected_rides where ctid = (select min(ctid) from facts.fct_rejected_rides)",
    )
    assert names == ["checked = accepted + superseded + rejected"]
    names, told = accident(
        "staging.stg_taxi__rides",
        "delete from staging.stg_taxi__rides where source_offset = 0 and source_partition = 1",
    )
    assert names[0] == "messages in raw = taken by the models"
    assert "partition 1 of " in told[0]
    assert "dbt build --full-refresh" in told[0]
    names, _ = accident(
        "staging.stg_taxi__rides",
        "insert into staging.stg_taxi__rides select * from staging.stg_taxi__rides where source_offset = 0",
    )
    assert "no message taken that raw does not hold" in names
    names, _ = accident(
        "revenue.revenue_by_state",
        "update revenue.revenue_by_state set ride_count = ride_count + 1",
    )
    assert names == ["accepted = ride_count of revenue_by_state"]

    (tmp_path / "2026-10-05" / "a.ndjson").write_text('{"taxi_id": "f3"}\n')
    bulk_load(tmp_path, replace_day=date(2026, 10, 5))
    names, told = wrong(angiogram)
    assert names == ["no message taken that raw does not hold"]
    assert told == [
        "the models hold 2 messages of files that were replaced or taken away since. "
        "`dbt build --full-refresh` builds them from raw again"
    ]


def test_keys_on_two_partitions_are_named(loaded: None, angiogram: Angiogram, owner: Any) -> None:
    """Which is worth knowing, and no loss."""
    assert live(angiogram)[1]["notices"] == []
    publish(Message(key=b"t1", partition=partition) for partition in (0, 3))
    load_until_caught_up()
    code, found = live(angiogram)
    assert code == 0, found
    (told,) = found["notices"]
    assert told.startswith(
        "1 values of the key taxi_id have messages on more than one partition: t1 (partitions 0, 3). "
    )


def test_a_topic_that_compacts_messages_away_is_named(loaded: None, angiogram: Angiogram, fresh_topic: str) -> None:
    """A loader that follows it does not end, so `live` says it too."""
    resource = ConfigResource(ConfigResourceType.TOPIC, fresh_topic, {"cleanup.policy": "compact"})
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.alter_configs([resource])
    code, found = live(angiogram)
    assert code == 0, found
    assert [told.split(":")[0] for told in found["notices"]] == ["the topic has cleanup.policy compact"]


def test_lost_rows_of_a_file_are_named(loaded: None, angiogram: Angiogram, owner: Any, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"taxi_id": "f1"}\nno json\n{"taxi_id": "f2"}\n')
    bulk_load(tmp_path, 1)
    assert wrong(angiogram) == ([], [])
    owner.execute("delete from raw.taxi_rides where topic like 'file:%' and taxi_id = 'f1'")
    names, told = wrong(angiogram)
    assert names == ["rows of files ever loaded = kept"]
    assert told == ["file a.ndjson: 1 of its 3 rows are not stored any more. Load it again: `ingestion bulk-load`"]


def test_a_broker_that_is_away_is_2(pipeline: None, angiogram: Angiogram) -> None:
    outcome = angiogram("live", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "KafkaUnavailable" in outcome.stderr
