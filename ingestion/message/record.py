"""A message as it is published, and as it is read from the topic."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Record(Protocol):
    """The parts of a topic's message that the loader reads."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Outgoing(NamedTuple):
    """A message to publish: its value, and the key that chooses the partition (None: any)."""

    value: bytes
    key: bytes | None
