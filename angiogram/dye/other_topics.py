"""Checks topics that were loaded before KAFKA_TOPIC named another one.

Nothing loads the records that still arrive there.
"""

from collections import defaultdict
from contextlib import closing
from uuid import UUID

from kafka.errors import KafkaError
from psycopg2.extensions import connection

from angiogram.dye.checkpoints import Checkpoint
from ingestion.loader.reading.source import Source
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin, unavailable

OTHER_TOPICS = "end offsets of topics loaded before = loaded offsets"
"""The name of the checkpoint."""


def other_topics(database: connection) -> list[Checkpoint]:
    """Check that other topics, once loaded, hold nothing that was not loaded.

    Args:
        database: as a role that may read raw.loaded_offsets and raw.retired_topics.

    Returns:
        The checkpoint. Empty if no such topic exists any more.

    Raises:
        SettingsError: Kafka's address is not set.
        KafkaUnavailable: the broker does not answer.
    """
    settings = KafkaSettings.from_environment()
    loaded = _loaded(database)
    names = {topic for topic, _ in loaded} - {settings.topic}
    expected = reached = 0
    told = []
    for topic in sorted(names & _existing(settings)) if names else ():
        with closing(Source.open(settings.model_copy(update={"topic": topic}))) as source:
            topic_id, partitions = source.topic()
            if (topic, topic_id) not in loaded:
                continue  # it was created again since then, and never loaded
            ends = {partition: bounds.end for partition, bounds in source.bounds(partitions).items()}
        offsets = loaded[topic, topic_id]
        behind = sum(max(end - offsets.get(partition, 0), 0) for partition, end in ends.items())
        expected += sum(ends.values())
        reached += sum(ends.values()) - behind
        if behind:
            told.append(
                f"the topic {topic} was loaded before, and holds {behind:,} offsets more: a producer still sends "
                f"there. Load them: KAFKA_TOPIC={topic} ingestion load --until-caught-up. "
                f"If it is no longer to be loaded: ingestion retire-topic {topic} --reason WHY"
            )
    return [Checkpoint(OTHER_TOPICS, expected, {"loaded": reached}, "; ".join(told) or None)] if expected else []


def _loaded(database: connection) -> dict[tuple[str, UUID], dict[int, int]]:
    """The next offset to load in each partition, by topic name and id, without retired topics."""
    with database.cursor() as query:
        query.execute(
            'select topic, topic_id, "partition", next_offset from raw.loaded_offsets as loaded '
            "where not exists (select from raw.retired_topics as retired where retired.topic_id = loaded.topic_id) "
            "and raw.topic_is_of_session(loaded.topic_id)"
        )
        found: dict[tuple[str, UUID], dict[int, int]] = defaultdict(dict)
        for topic, topic_id, partition, next_offset in query.fetchall():
            found[topic, UUID(topic_id)][partition] = next_offset
    return found


def _existing(settings: KafkaSettings) -> set[str]:
    with closing(open_admin(settings)) as admin:
        try:
            return set(admin.list_topics())
        except KafkaError as error:
            raise unavailable(settings, error) from error
