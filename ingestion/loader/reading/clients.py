"""The clients that can read from Kafka, and opening a source with one of them."""

from enum import StrEnum

from ingestion.errors import SettingsError
from ingestion.loader.reading.source import Source
from ingestion.settings import KafkaSettings


class Client(StrEnum):
    """A client that reads from Kafka."""

    KAFKA_PYTHON = "kafka-python"
    CONFLUENT = "confluent"


def open_source(settings: KafkaSettings, client: Client) -> Source:
    """Connect to the broker with the requested client.

    Raises:
        SettingsError: the faster client is not installed.
        KafkaUnavailable: the broker cannot be reached.
    """
    if client is Client.KAFKA_PYTHON:
        return Source.open(settings)
    try:
        from ingestion.loader.reading.fast_source import FastSource  # an optional extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            "The client confluent-kafka is not installed. Install the extra `fast` (pip install -e '.[fast]'), "
            "or leave out --client."
        ) from error
    return FastSource.open(settings)
