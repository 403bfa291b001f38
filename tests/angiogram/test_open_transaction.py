"""A transaction on the topic that never ends: a run names it as the blockage, and does not wait in vain."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer

from angiogram.core.findings import FindingKind
from angiogram.dye import topic
from angiogram.run import before_dbt, steps
from angiogram.run.walk import Walk, through
from ingestion.settings import KafkaSettings
from tests.angiogram.recorded import blocked, stages_of


@pytest.fixture
def producer(pipeline: None, fresh_topic: str) -> Iterator[KafkaProducer]:
    """A producer with a transaction."""
    client = KafkaSettings.from_environment().client_options()
    with closing(KafkaProducer(**client, transactional_id=fresh_topic)) as transactional:
        transactional.init_transactions()
        transactional.begin_transaction()
        yield transactional


def test_an_open_transaction_on_the_topic_is_the_blockage(
    producer: KafkaProducer,
    fresh_topic: str,
    angiogram_verdict: Callable[[str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With topic, partition and offset; the front door, which did its part, is not blamed."""
    monkeypatch.setattr(topic, "_TRANSACTION_WITHIN", 0.5)
    run_id = steps.begin(lease=600)
    try:
        producer.send(fresh_topic, value=b"{}", partition=1).get(timeout=30)
        load = dict(through(Walk(run_id=run_id), "inject", "check_loaded"))["load"]
        report = angiogram_verdict(run_id)
    finally:
        steps.finish(run_id)
        producer.abort_transaction()
    assert load["behind"] is None
    assert load["seconds"] < before_dbt.LOAD_WITHIN / 4
    assert (report["verdict"], blocked(report)) == ("blocked", ["topic:rides"])
    assert {(found["kind"], found["stage"]["kind"]) for found in report["findings"]} == {
        (FindingKind.CHECKPOINT, "topic"),
        (FindingKind.CHECKPOINT, "checkpoint"),
    }
    assert stages_of(report)["topic:rides"]["reason"].startswith(
        f"an open transaction on {fresh_topic}, partition 1, that begins at offset 0 and holds back "
    )
    assert stages_of(report)["api:rides"]["verdict"] == "healthy"
    assert stages_of(report)["loader:rides"]["verdict"] == "affected"


def test_a_transaction_that_ends_in_time_holds_nothing_back(
    producer: KafkaProducer, fresh_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = steps.begin(lease=600)
    try:
        producer.send(fresh_topic, value=b"{}", partition=1).get(timeout=30)
        before_dbt.inject(run_id)
        held_back = topic.held_back

        def ends_now(part: Any, end: int) -> bool:
            if is_held := held_back(part, end):
                producer.commit_transaction()
                monkeypatch.setattr(topic, "held_back", held_back)
            return is_held

        monkeypatch.setattr(topic, "held_back", ends_now)
        found = before_dbt.check_topic(run_id)
    finally:
        steps.finish(run_id)
    assert topic.held_back is held_back, "it was waited for"
    assert (found["api"]["count"], found["topic"]["count"], found["obstacle"]) == (0, 0, None)
