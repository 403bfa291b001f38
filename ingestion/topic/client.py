"""Open kafka-python's clients so that a failed attempt leaves no socket open."""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

_Client = TypeVar("_Client")


def open_client(kind: Callable[..., _Client], **options: Any) -> _Client:
    """Create a client of kafka-python.

    Its constructor connects at once. If that fails, nothing else refers to the sockets it has opened, so they are
    closed here.

    Args:
        kind: KafkaProducer, KafkaConsumer or KafkaAdminClient.
        options: its options.

    Raises:
        kafka.errors.KafkaError: the broker cannot be reached or refuses.
    """
    opened = []

    def remember(**config: Any) -> KafkaNetClient:
        opened.append(KafkaNetClient(**config))
        return opened[-1]

    try:
        return kind(**options, kafka_client=remember)
    except KafkaError:
        for client in opened:
            client.close()
        raise
