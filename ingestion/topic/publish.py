"""Publish a stream of messages at a rate, with a progress bar on a terminal.

Messages count once they are acknowledged.
"""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingestion.message.record import Outgoing
from ingestion.topic.producer import MessageProducer

_LINGER_SECONDS = 0.02


def publish(messages: Iterable[Outgoing], total: int, rate: float | None = None) -> int:
    """Publish messages in order and wait until the broker has acknowledged all of them.

    Args:
        messages: the messages to send.
        total: number of messages, for the progress bar on stderr (only if stderr is a terminal).
        rate: messages per second; None: as fast as Kafka accepts them.

    Returns:
        Number of messages acknowledged.

    Raises:
        SettingsError: Kafka's address is not set.
        KafkaUnavailable: not all were acknowledged; says how many are open.
    """
    stderr = Console(stderr=True)
    columns = (TextColumn("sent"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress,
        MessageProducer(linger_seconds=_LINGER_SECONDS) as producer,
    ):
        for message in progress.track(messages if rate is None else _paced(messages, rate), total=total):
            producer.send(message.value, message.key)
        return producer.flush()


def _paced(messages: Iterable[Outgoing], rate: float) -> Iterator[Outgoing]:
    """Yield each message at its time in a schedule fixed at the start.

    A delay is made up for afterwards.
    """
    started = time.monotonic()
    for place, message in enumerate(messages):
        early = started + place / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        yield message
