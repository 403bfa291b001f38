"""Sending a stream of messages to the topic: at a rate, with progress on a terminal, counted when acknowledged."""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ingestion.topic.producer import MessageProducer, Outgoing

_LINGER_SECONDS = 0.02


def publish(messages: Iterable[Outgoing], total: int, rate: float | None = None) -> int:
    """Send messages in their order and wait until the broker has acknowledged all of them.

    Args:
        messages: what to send.
        total: how many they are, for the progress bar on stderr (none if stderr is no terminal).
        rate: messages per second; None: as fast as Kafka takes them.

    Returns:
        Messages acknowledged.

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
    """Each message at its place in a schedule fixed at the start, so that a delay is made up for."""
    started = time.monotonic()
    for place, message in enumerate(messages):
        early = started + place / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        yield message
