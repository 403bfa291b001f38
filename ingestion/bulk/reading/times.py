"""When a row of a file was sent, where a column says so: what makes one version of a record newer than another."""

import re
from datetime import UTC, datetime

TIME_COLUMN = "message_at"
"""The column that is looked for unless another one is named: as the raw tables call it."""

_TIME = re.compile(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d{0,3})?(Z|[+-]\d\d:\d\d)?\s*", re.ASCII)


def sent_at(text: str | None, loaded_at: datetime) -> datetime:
    """The moment that a text names; that of the load if it names none, or one after it.

    Args:
        text: ISO 8601 with seconds, up to nine digits of a fraction, and a zone; without one it is UTC.
        loaded_at: when the file is loaded: nothing in it can have been sent later.
    """
    if text is None or not (match := _TIME.fullmatch(text)):
        return loaded_at
    day, time, fraction, zone = match.groups()
    try:
        named = datetime.fromisoformat(f"{day}T{time}{fraction or ''}{zone or 'Z'}")
        return min(named.astimezone(UTC), loaded_at)
    except (ValueError, OverflowError):  # no day of the calendar, or the first one west of Greenwich
        return loaded_at
