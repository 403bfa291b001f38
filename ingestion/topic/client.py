"""Opening kafka-python's clients so that a failed attempt leaves nothing open."""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

_Client = TypeVar("_Client")


def open_client(kind: Callable[..., _Client], **options: Any) -> _Client:
    """Make a client of kafka-python's.

    Its constructor connects at once; where that fails nobody holds the sockets that it had opened, so they are closed
    here.

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
