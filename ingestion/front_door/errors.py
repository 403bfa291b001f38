"""Errors of the front door.

IngestionError
├── Refused        a request is answered with a client error; the client corrects it
└── Undelivered    the broker did not acknowledge all messages of a request
"""

from collections.abc import Sequence

from ingestion.errors import IngestionError
from ingestion.topic.producer import Position


class Refused(IngestionError):
    """A request is refused: nothing of it reached the topic. Correct it before a retry."""

    def __init__(self, status: int, reason: str, *, message: int | None = None, byte: int | None = None) -> None:
        """Describe why a request is refused.

        Args:
            status: HTTP status of the answer.
            reason: what is wrong and what to do.
            message: index of the message in a list, from 0; None if it is not about one of a list.
            byte: position in the body, from 0; None if it is not known.
        """
        super().__init__(reason)
        self.status = status
        self.message = message
        self.byte = byte


class Undelivered(IngestionError):
    """Some messages of a request are not known to be on the topic; `__cause__` says why.

    Those may be sent again.
    """

    def __init__(self, reason: str, positions: Sequence[Position | None]) -> None:
        """Describe an undelivered request.

        Args:
            reason: how many were acknowledged, and what happened to the first that was not.
            positions: position of each message, in order; None where it is not known.
        """
        super().__init__(reason)
        self.positions = positions
