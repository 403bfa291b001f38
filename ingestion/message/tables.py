"""The raw tables that messages go to, and their columns."""

from dataclasses import dataclass

from ingestion.message.stamp import FIELDS

_PLACE = ("topic", "topic_id", "partition", "offset", "message_at")
_STAMP = ("run_id", "ride_number", "sent_at")
_RIDE = (*FIELDS, "unknown_fields", *_PLACE)
_LETTER = ("value", "message_key", "reason", *_PLACE)
_CLAIM = ("value", "message_key", "dye_run_id", "dye_ride_number", "dye_sent_at", "dye_signature", "reason", *_PLACE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the loader fills, and the columns it gives, in the order of the lines."""

    schema: str
    name: str
    columns: tuple[str, ...]


LIVE_RIDES = Table("raw", "taxi_rides", _RIDE)
LIVE_LETTERS = Table("raw", "dead_letters", _LETTER)
DYE_RIDES = Table("angiogram_raw", "taxi_rides", (*_RIDE, *_STAMP))
DYE_LETTERS = Table("angiogram_raw", "dead_letters", (*_LETTER, *_STAMP))
UNVERIFIED = Table("raw", "unverified_dye", _CLAIM)
TABLES = (LIVE_RIDES, LIVE_LETTERS, DYE_RIDES, DYE_LETTERS, UNVERIFIED)
"""Each message goes to exactly one of them."""
