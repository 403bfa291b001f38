"""The raw tables that messages go to, and their columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from ingestion.contract import Contract

_PLACE = ("topic", "topic_id", "partition", "offset", "message_at")
_LETTER = ("value", "message_key", "reason", *_PLACE)
CLAIMED = ("dye_run_id", "dye_message_number", "dye_sent_at", "dye_signature")
"""Columns for the dye headers of an unverified message, in the order of `DYE_HEADERS`."""
_CLAIM = ("value", "message_key", *CLAIMED, "reason", *_PLACE)

LIVE_SCHEMA, DYE_SCHEMA = "raw", "angiogram_raw"
"""Schemas of live messages, and of the dye (test records with known results)."""


class Kind(StrEnum):
    """What a message is stored as; each message is stored as exactly one of these.

    The value is the name of the total that counts them.
    """

    LIVE_ROW = "live_rows"
    LIVE_LETTER = "live_dead_letters"
    DYE_ROW = "dye_rows"
    DYE_LETTER = "dye_dead_letters"
    UNVERIFIED = "unverified_dye"


LIVE_ROWS, LIVE_LETTERS, DYE_ROWS, DYE_LETTERS, UNVERIFIED = Kind


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table that the loader fills, with its columns in the order of the lines."""

    schema: str
    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@cache
def tables(contract: Contract) -> Mapping[Kind, RawTable]:
    """The table for each kind of message."""
    stamp = ("run_id", contract.number_column, "sent_at")
    row = (*contract.fields, "unknown_fields", *_PLACE)
    return {
        LIVE_ROWS: RawTable(LIVE_SCHEMA, contract.table, row),
        LIVE_LETTERS: RawTable(LIVE_SCHEMA, "dead_letters", _LETTER),
        DYE_ROWS: RawTable(DYE_SCHEMA, contract.table, (*row, *stamp)),
        DYE_LETTERS: RawTable(DYE_SCHEMA, "dead_letters", (*_LETTER, *stamp)),
        UNVERIFIED: RawTable(LIVE_SCHEMA, "unverified_dye", _CLAIM),
    }
