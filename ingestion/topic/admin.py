"""Create the topic as the contract requires it, and get its id.

The id distinguishes a topic from a recreated one.
"""

from collections.abc import Mapping
from uuid import UUID

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from ingestion.contract import Contract
from ingestion.errors import InputError, KafkaUnavailable
from ingestion.settings import KafkaSettings
from ingestion.topic.client import open_client

MAX_MESSAGE_BYTES = 12_582_912
"""Largest message that the topic accepts: a record of 10 MB and room for its overhead."""

_TIMEOUT_MS = 10_000


def open_admin(settings: KafkaSettings, timeout_ms: int = _TIMEOUT_MS) -> KafkaAdminClient:
    """Open an admin client for the topic. The caller closes it.

    Args:
        settings: where Kafka is.
        timeout_ms: time limit for connecting, and for each answer.

    Raises:
        KafkaUnavailable: the broker cannot be reached.
    """
    try:
        return open_client(
            KafkaAdminClient,
            **settings.client_options(),
            bootstrap_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms,
            reconnect_backoff_max_ms=1_000,  # kafka-python's default of 30 s could exceed the time limit
        )
    except KafkaError as error:
        raise unavailable(settings, error) from error


def unavailable(settings: KafkaSettings, error: KafkaError) -> KafkaUnavailable:
    """This package's error for a broker that does not answer."""
    return KafkaUnavailable(
        f"Kafka at {settings.bootstrap_servers} did not answer: {type(error).__name__}. "
        "Is it running (`sandbox status`), and is KAFKA_BOOTSTRAP_SERVERS right?"
    )


def ensure_topic(settings: KafkaSettings | None = None) -> bool:
    """Create the topic if it does not exist. An existing one is not changed.

    Returns:
        Whether it was created.

    Raises:
        SettingsError: Kafka's address is not set.
        KafkaUnavailable: the broker cannot be reached.
    """
    settings = settings or KafkaSettings.from_environment()
    admin = open_admin(settings)
    try:
        if settings.topic in admin.list_topics():
            return False
        admin.create_topics(
            [
                NewTopic(
                    settings.topic,
                    num_partitions=settings.partitions,
                    replication_factor=-1,
                    topic_configs={
                        "message.timestamp.type": "LogAppendTime",
                        "max.message.bytes": str(MAX_MESSAGE_BYTES),
                    },
                )
            ]
        )
        admin.wait_for_topics([settings.topic])
    except TopicAlreadyExistsError:
        return False
    except KafkaError as error:
        raise unavailable(settings, error) from error
    finally:
        admin.close()
    return True


def topic_id(settings: KafkaSettings | None = None) -> UUID:
    """The id that Kafka gave the topic; a recreated topic has another one.

    Raises:
        SettingsError: Kafka's address is not set.
        KafkaUnavailable: the broker cannot be reached.
        InputError: there is no such topic.
    """
    settings = settings or KafkaSettings.from_environment()
    admin = open_admin(settings)
    try:
        return describe(admin, settings)[0]
    finally:
        admin.close()


def configuration(admin: KafkaAdminClient, settings: KafkaSettings) -> dict[str, str]:
    """The settings of the topic, including the broker's defaults.

    Raises:
        KafkaUnavailable: the broker does not answer.
    """
    resource = ConfigResource(ConfigResourceType.TOPIC, settings.topic)
    try:
        answer = admin.describe_configs([resource], config_filter="all")["topic"][settings.topic]
    except KafkaError as error:
        raise unavailable(settings, error) from error
    return {name: str(found["value"]) for name, found in answer.items()}


def compacts_messages_away(found: Mapping[str, str], contract: Contract) -> str | None:
    """Say that compaction deletes messages which are the only ones of their row.

    None if it does not: the topic is not compacted, or its key identifies a row.
    """
    if "compact" not in found["cleanup.policy"] or contract.key_field in contract.id_columns:
        return None
    policy, columns = found["cleanup.policy"], ", ".join(contract.id_columns)
    return (
        f"the topic has cleanup.policy {policy}: Kafka deletes all messages of a key but the newest, also before they "
        f"are loaded, and the key {contract.key_field} does not identify a row ({columns}). "
        "Set cleanup.policy to delete with `kafka-configs --alter`"
    )


def describe(admin: KafkaAdminClient, settings: KafkaSettings) -> tuple[UUID, list[int]]:
    """The topic's id and its sorted partitions; raises the same errors as `leaders`."""
    identity, epochs = leaders(admin, settings)
    return identity, sorted(epochs)


def leaders(admin: KafkaAdminClient, settings: KafkaSettings) -> tuple[UUID, dict[int, int]]:
    """The topic's id and, by partition, the epoch of its leader.

    The epoch changes whenever a broker takes over the partition.

    Raises:
        KafkaUnavailable: the broker does not answer.
        InputError: there is no such topic.
    """
    try:
        topic = admin.describe_topics([settings.topic])[0]
    except KafkaError as error:
        raise unavailable(settings, error) from error
    epochs = {partition["partition_index"]: int(partition["leader_epoch"]) for partition in topic["partitions"]}
    if topic["error_code"] or not epochs:
        raise InputError(
            f"There is no topic {settings.topic} at {settings.bootstrap_servers}. "
            "Create it with `ingestion topic`, or correct KAFKA_TOPIC."
        )
    return UUID(str(topic["topic_id"])), epochs
