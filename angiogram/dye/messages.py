"""The messages of the dye: as they are to be sent, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from angiogram.dye.seeds import message_value, read_dye, read_malformed

Way = Literal["api", "topic"]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message of the dye, ready to send.

    Attributes:
        number: its number, which is the message_id of its rows.
        name: says what it tests.
        batch: 1 or 2. Malformed messages come with batch 2.
        sent_at: when it counts as sent. None: a message without a time.
        value: its bytes. None for a tombstone.
        row: what the loader must store: the columns of the message, or the reason of the dead letter.
    """

    number: int
    name: str
    batch: int
    sent_at: datetime | None
    value: bytes | None
    row: Mapping[str, str | None]

    @property
    def is_malformed(self) -> bool:
        """Whether the loader must make it a dead letter."""
        return "reason" in self.row


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of sending one message.

    Attributes:
        number: its number in this run.
        name: the name of the dye message that it carries.
        way: through the API or directly to the topic.
        partition, offset: where the broker put it, as acknowledged. None if it was refused.
        refusal: the answer of a front door that refused it, or None.
    """

    number: int
    name: str
    way: Way
    partition: int | None = None
    offset: int | None = None
    refusal: str | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Read the result from JSON.

        A run started by the previous version has another key for the number.
        """
        number = next(value for name, value in state.items() if name.endswith("number"))
        return cls(number=number, **{name: value for name, value in state.items() if not name.endswith("number")})


def read_whole_dye(project: Path | None = None) -> list[OutgoingMessage]:
    """Read all messages of the dye in the order of sends: batch 1, batch 2, malformed ones.

    Args:
        project: the project's folder. Default: the project that the environment names.

    Raises:
        SeedError: an input seed cannot be used.
    """
    messages = sorted(read_dye(project), key=lambda message: (message.batch, message.number))
    last_sent = max(message.sent_at for message in messages if message.sent_at)
    return [
        OutgoingMessage(one.number, one.name, one.batch, one.sent_at, message_value(one), one.fields)
        for one in messages
    ] + [
        OutgoingMessage(malformed.number, malformed.name, 2, last_sent, malformed.value, {"reason": malformed.reason})
        for malformed in read_malformed(project)
    ]
