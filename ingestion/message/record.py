"""A message as read from the topic."""

from collections.abc import Sequence
from typing import Protocol


class Record(Protocol):
    """The parts of a topic's message that the loader reads."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
