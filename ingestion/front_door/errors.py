"""Errors of the front door.

IngestionError
├── Refused        a request that is answered with a client error; the client corrects it
└── Undelivered    the broker did not acknowledge all messages of a request
"""

from collections.abc import Sequence

from ingestion.errors import IngestionError
from ingestion.topic.producer import Position


class Refused(IngestionError):
    """A request is refused: nothing of it reached the topic. A retry does not help before it is corrected."""

    def __init__(self, status: int, reason: str, *, message: int | None = None, byte: int | None = None) -> None:
        """Refuse a request.

        Args:
            status: of the HTTP answer.
            reason: what is wrong and what to do.
            message: which message of a list, counted from 0; None if it is not about one of a list.
            byte: where in the body, counted from 0; None if that is not known.
        """
        super().__init__(reason)
        self.status = status
        self.message = message
        self.byte = byte


class Undelivered(IngestionError):
    """Not all messages of a request are known to be on the topic; `__cause__` says why. Those may be sent again."""

    def __init__(self, reason: str, positions: Sequence[Position | None]) -> None:
        """Tell of a request.

        Args:
            reason: how many were acknowledged, and what happened to the first other one.
            positions: where each message is, in order; None where that is not known.
        """
        super().__init__(reason)
        self.positions = positions
