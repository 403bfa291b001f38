"""The producer reports a message as delivered only when it is on the topic, and as not delivered otherwise."""

import secrets
from contextlib import closing

import pytest
from kafka.admin import NewTopic

from ingestion.errors import InputError, KafkaUnavailable, SettingsError
from ingestion.settings import KafkaSettings
from ingestion.topic import producer as producer_module
from ingestion.topic.admin import MAX_MESSAGE_BYTES, open_admin
from ingestion.topic.producer import MessageProducer, Position
from sandbox.services import Sandbox
from tests.ingestion.topic_reader import records

LOG_APPEND_TIME = 1


def test_a_message_lies_where_its_acknowledgement_says_unchanged(fresh_topic: str) -> None:
    value, key, headers = b' {"b": 12.50, "a":1}\n', b"taxi-1", [("dye-run-id", b"r1"), ("dye-run-id", b"\xff")]
    with MessageProducer() as producer:
        position = producer.publish(value, key, headers, partition=3)
    record = records()[position]
    assert position == Position(3, 0)
    assert (record.value, record.key, list(record.headers)) == (value, key, headers)


def test_the_broker_stamps_the_messages(fresh_topic: str) -> None:
    with MessageProducer() as producer:
        position = producer.publish(b"{}")
    assert records()[position].timestamp_type == LOG_APPEND_TIME


def test_messages_of_one_key_share_a_partition_in_their_order(fresh_topic: str) -> None:
    with MessageProducer() as producer:
        for number in range(300):
            producer.send(str(number).encode(), f"taxi-{number % 5}".encode())
        assert producer.flush() == 300
    found = records().values()
    for key in {record.key for record in found}:
        of_key = [record for record in found if record.key == key]
        numbers = [int(record.value) for record in of_key]
        assert len({record.partition for record in of_key}) == 1
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("value", [None, b""], ids=["tombstone", "empty value"])
def test_a_message_may_hold_nothing(fresh_topic: str, value: bytes | None) -> None:
    with MessageProducer() as producer:
        position = producer.publish(value, partition=2)
    assert records()[position].value == value


def test_little_room_slows_sending_and_loses_nothing(fresh_topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_module, "MAX_WAITING_BYTES", 1)
    with MessageProducer() as producer:
        for _ in range(50):
            producer.send(b"{}", b"taxi")
        assert producer.flush() == 50
    assert len(records()) == 50


def test_a_partition_that_does_not_exist_is_an_input_error(fresh_topic: str) -> None:
    with MessageProducer() as producer:
        with pytest.raises(InputError, match="no partition 99"):
            producer.publish(b"{}", partition=99)
        assert producer.publish(b"{}", partition=0) == (0, 0)


def test_topics_are_never_created(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = f"absent_{secrets.token_hex(6)}"
    monkeypatch.setenv("KAFKA_TOPIC", absent)
    with MessageProducer(deadline_seconds=2) as producer, pytest.raises(KafkaUnavailable, match=absent):
        producer.publish(b"{}")
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        assert absent not in admin.list_topics()


def test_a_message_beyond_the_topics_limit_is_refused_alone(fresh_topic: str) -> None:
    with MessageProducer() as producer:
        with pytest.raises(InputError, match="larger than the topic"):
            producer.publish(b" " * (MAX_MESSAGE_BYTES + 1))
        assert producer.publish(b"{}", partition=0) == (0, 0)
    assert len(records()) == 1


def test_after_a_refusal_by_the_broker_the_next_message_is_delivered(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed idempotent producer of kafka-python's can fail every later send: it must have been replaced."""
    small = f"small_{secrets.token_hex(6)}"
    monkeypatch.setenv("KAFKA_TOPIC", small)
    monkeypatch.setenv("KAFKA_PARTITIONS", "1")
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        limit = {"max.message.bytes": "1000"}
        admin.create_topics([NewTopic(small, num_partitions=1, replication_factor=1, topic_configs=limit)])
        admin.wait_for_topics([small])
        try:
            with MessageProducer() as producer:
                with pytest.raises(InputError, match="larger than the topic"):
                    producer.publish(secrets.token_bytes(5000))
                producer.publish(b"{}")
            assert [record.value for record in records().values()] == [b"{}"]
        finally:
            admin.delete_topics([small])


def test_an_unreachable_broker_is_said_so_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.delenv("KAFKA_SECURITY_PROTOCOL", raising=False)
    with MessageProducer(deadline_seconds=1) as producer, pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1"):
        producer.send(b"{}")


def test_without_an_address_there_is_no_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP_SERVERS"):
        MessageProducer()


def test_an_outage_loses_no_message_silently_and_the_same_producer_goes_on_after_it(
    fresh_topic: str, sandbox: Sandbox
) -> None:
    with MessageProducer(deadline_seconds=3) as producer:
        producer.publish(b"before")
        sandbox.kill_kafka()
        try:
            for _ in range(3):
                producer.send(b"during", b"taxi")
            with pytest.raises(KafkaUnavailable, match="3 of 4 messages are not known to be on the topic"):
                producer.flush()
        finally:
            sandbox.restart_kafka()
        position = producer.publish(b"after")
    found = records()
    assert found[position].value == b"after"
    assert [record.value for record in found.values() if record.value != b"during"].count(b"before") == 1
