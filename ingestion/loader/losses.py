"""What the topic no longer holds: the offsets, the reason, and the words for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why offsets are lost; the reason in raw.gaps."""

    DELETED = "deleted_before_loaded"
    CORRUPT = "corrupt"
    LOST = "lost_by_broker"
    COMPACTED = "compacted_before_loaded"


_WHAT = {
    Why.DELETED: "were deleted from the topic before they were loaded",
    Why.COMPACTED: (
        "were compacted away before they were loaded: they hold no message, and the topic's cleanup.policy deletes all "
        "messages of a key but the newest"
    ),
    Why.CORRUPT: "cannot be read: their bytes on the broker have changed (the checksum differs)",
    Why.LOST: (
        "were loaded, but the broker lost them and reuses the offsets: the stored rows stay, and what is "
        "there now is loaded under another topic id"
    ),
}


_SINGULAR = (("they were", "it was"), ("they hold", "it holds"), ("were ", "was "), ("their", "its"))


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """Offsets of a partition that the topic no longer holds as they were.

    Attributes:
        topic: name of the topic.
        partition: number of the partition.
        from_offset: the first offset.
        to_offset: the offset after the last one.
        why: why they are lost.
        messages: how many of the offsets are lost. 0: all.
    """

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    why: Why
    messages: int = 0

    def __str__(self) -> str:
        many = self.to_offset - self.from_offset > 1
        offsets = f"Offsets {self.from_offset} to {self.to_offset - 1}" if many else f"Offset {self.from_offset}"
        if self.messages not in (0, self.to_offset - self.from_offset):
            offsets = f"{self.messages} of the {offsets.lower()}"
        what = _WHAT[self.why]
        if not many:
            for plural, singular in _SINGULAR:
                what = what.replace(plural, singular, 1)
        return f"{offsets} of {self.topic}, partition {self.partition}, {what}"

    @property
    def is_passed(self) -> bool:
        """Whether the loader continued all the same, so that nothing is left to decide."""
        return self.why in (Why.LOST, Why.COMPACTED)


def in_words(losses: Iterable[Loss]) -> str:
    """Describe all losses, and what to do."""
    told = sorted(set(losses))
    advice = "They are recorded in raw.gaps. Find out why they were lost."
    if any(not loss.is_passed for loss in told):
        advice += (
            " The rest of the other partitions is loaded. To continue in this one, run `ingestion load --accept-loss`."
        )
    else:
        advice += " The next load continues as usual."
    return f"{'. '.join(map(str, told))}. {advice}"
