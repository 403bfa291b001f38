"""The clients that can read from Kafka, and opening a source with one of them."""

from enum import StrEnum

from ingestion.extras import require
from ingestion.loader.reading.source import Source
from ingestion.settings import KafkaSettings


class Client(StrEnum):
    """A client that reads from Kafka."""

    KAFKA_PYTHON = "kafka-python"
    CONFLUENT = "confluent"


def open_source(settings: KafkaSettings, client: Client) -> Source:
    """Connect to the broker with the requested client.

    Raises:
        ExtraMissing: the faster client is not installed.
        KafkaUnavailable: the broker cannot be reached.
    """
    if client is Client.KAFKA_PYTHON:
        return Source.open(settings)
    require("confluent_kafka")
    from ingestion.loader.reading.fast_source import FastSource

    return FastSource.open(settings)
