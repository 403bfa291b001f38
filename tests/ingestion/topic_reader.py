"""Reading back what is on the topic."""

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from ingestion.settings import KafkaSettings


def records() -> dict[tuple[int, int], ConsumerRecord]:
    """All records of KAFKA_TOPIC by partition and offset, each partition in its order."""
    settings = KafkaSettings.from_environment()
    consumer = KafkaConsumer(**settings.client_options(), enable_auto_commit=False, allow_auto_create_topics=False)
    try:
        partitions = [TopicPartition(settings.topic, number) for number in range(settings.partitions)]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        found = {}
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for batch in consumer.poll(timeout_ms=1000).values():
                found.update({(record.partition, record.offset): record for record in batch})
        return found
    finally:
        consumer.close()
