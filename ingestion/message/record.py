"""A message as it is read from the topic."""

from collections.abc import Sequence
from typing import Protocol


class Record(Protocol):
    """What the loader reads of a message on the topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
