"""Times as people type them: `26h`, `2026-06-01T08:00Z`."""

import re
from datetime import MAXYEAR, UTC, datetime, timedelta

_DURATION = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """Parse a duration: a number followed by s, m, h or d, such as `26h`.

    Raises:
        ValueError: the text is not a duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: use a number followed by s, m, h or d (26h).")
    return timedelta(seconds=int(match["number"]) * _SECONDS[match["unit"]])


def moment(text: str, now: datetime) -> datetime:
    """Parse a point in time: ISO 8601 (UTC if it has no zone), or a duration from now.

    Args:
        text: as typed.
        now: the current time, with a time zone.

    Raises:
        ValueError: the text is not a time, the time is past, or it is beyond the calendar.

    Returns:
        The time in UTC.
    """
    if _DURATION.fullmatch(text.strip()):
        found = now + duration(text)
    else:
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(
                f"{text!r} is not a time: use ISO 8601 (2026-06-01T08:00Z) or a duration from now (4h)."
            ) from None
    try:
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(f"{text} is beyond the calendar: name an earlier time.") from None
    if found.year == MAXYEAR:  # some time zone would show it in the next year
        raise ValueError(f"{text} is at the end of the calendar: name an earlier time.")
    if found <= now:
        raise ValueError(f"{text} is in the past: use a future time.")
    return found


def spoken(length: timedelta) -> str:
    """Format a duration in its two largest units, such as `1 d 2 h`."""
    seconds = max(int(length.total_seconds()), 0)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if number := seconds // size:
            parts.append(f"{number} {unit}")
        seconds %= size
    return " ".join(parts[:2]) or "0 s"


def utc(at: datetime) -> str:
    """Format a point in time to the minute in UTC, whatever the session's time zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
