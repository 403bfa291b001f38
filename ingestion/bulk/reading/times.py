"""When a row of a file was sent: the time in a column, or the time of the load.

The send time decides which version of a record is newer.
"""

import re
from datetime import UTC, datetime

TIME_COLUMN = "message_at"
"""Default name of the time column, as in the raw tables."""

_TIME = re.compile(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d{0,3})?(Z|[+-]\d\d:\d\d)?\s*", re.ASCII)


def sent_at(text: str | None, loaded_at: datetime) -> datetime:
    """The moment that a text names; the time of the load if it names none, or a later one.

    Args:
        text: ISO 8601 with seconds, up to nine digits of a fraction, and a zone (default: UTC).
        loaded_at: time of the load; nothing in the file can have been sent later.
    """
    if text is None or not (match := _TIME.fullmatch(text)):
        return loaded_at
    day, time, fraction, zone = match.groups()
    try:
        named = datetime.fromisoformat(f"{day}T{time}{fraction or ''}{zone or 'Z'}")
        return min(named.astimezone(UTC), loaded_at)
    except (ValueError, OverflowError):  # not a calendar day, or the first one west of Greenwich
        return loaded_at
