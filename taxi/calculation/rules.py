"""The rules of docs/architecture.md on single values, one function each.

They use no SQL, no dbt and no floats.
"""

import hashlib
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from angiogram.core.errors import SeedError

WHITE_SPACE = " \t\n\r\v\f"
"""What is trimmed at both ends of a text. A no-break space is not included."""

UNKNOWN = "UNKNOWN"
FIRST_START = datetime(2024, 1, 1, tzinfo=UTC)
LONGEST_LEAD = timedelta(hours=24)
"""How far after its message a ride may start."""

_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?"
    r"(?:Z|([+-])(0[0-9]|1[0-5]):([0-5][0-9]))?"
)
_AMOUNT = re.compile(r"[+-]?[0-9]{1,16}(?:\.[0-9]{1,4})?")
_ZIPCODE = re.compile(r"[0-9]{5}")
_NULL_IN_KEY = "_dbt_utils_surrogate_key_null_"


def trimmed(text: str | None) -> str | None:
    """Return a field as it is compared: without white space at both ends, empty as null."""
    return (text or "").strip(WHITE_SPACE) or None


def zipcode(text: str | None) -> str | None:
    """Return a zip code: five digits, else null."""
    candidate = trimmed(text)
    return candidate if candidate and _ZIPCODE.fullmatch(candidate) else None


def currency_code(text: str | None) -> str | None:
    """Return a currency, trimmed and in upper case."""
    code = trimmed(text)
    return code.upper() if code else None


def instant(text: str | None) -> datetime | None:
    """Return the time of a trimmed text in UTC, or null if the text is missing or unreadable.

    Raises:
        SeedError: the text is readable, but its time in UTC is outside the years 1 to 9999 that Python supports.
    """
    if text is None or (match := _INSTANT.fullmatch(text)) is None:
        return None
    *parts, fraction, sign, zone_hours, zone_minutes = match.groups()
    zone = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    year, month, day, hour, minute, second = map(int, parts)
    try:
        local = datetime(
            year,
            month,
            day,
            hour,
            minute,
            second,
            int((fraction or "").ljust(6, "0")),
            tzinfo=timezone(-zone if sign == "-" else zone),
        )
    except ValueError:  # the thirtieth of February, hour 24, year 0
        return None
    try:
        return local.astimezone(UTC)
    except OverflowError:
        raise SeedError(f"The time {text} is outside the years 1 to 9999 in UTC. Give the ride another time.") from None


def amount(text: str | None) -> Decimal | None:
    """Return the number of a trimmed text with all digits, or null if missing or unreadable."""
    return Decimal(text) if text is not None and _AMOUNT.fullmatch(text) else None


def instant_text(moment: datetime) -> str:
    """Format a time for the ride's key: UTC, six digits of fraction, Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def surrogate_key(*parts: str | None) -> str:
    """Return what dbt_utils.generate_surrogate_key returns for these columns."""
    joined = "-".join(_NULL_IN_KEY if part is None else part for part in parts)
    return hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()


def ride_id(taxi_id: str | None, pax_id: str | None, started_at: datetime | None) -> str | None:
    """Return the ride's key from taxi, passenger and start, or null if one of them is null."""
    if taxi_id is None or pax_id is None or started_at is None:
        return None
    return surrogate_key(taxi_id, pax_id, instant_text(started_at))


def folded_car_model(text: str) -> str:
    """Return a car model for look-ups in the reference: without case and white space."""
    return "".join(character for character in text if character not in WHITE_SPACE).lower()


def rate_on(rates: list[tuple[date, Decimal]] | None, day: date | None) -> Decimal | None:
    """Return the rate of the newest valid_from on or before `day`, or null if there is none."""
    if day is None:
        return None
    in_force = [rate for rate in rates or [] if rate[0] <= day]
    return max(in_force)[1] if in_force else None


def time_reasons(name: str, text: str | None, moment: datetime | None) -> list[str]:
    """Return missing_<name> or unreadable_<name>, if one applies."""
    if text is None:
        return [f"missing_{name}"]
    return [f"unreadable_{name}"] if moment is None else []


def start_reasons(started_at: datetime | None, ended_at: datetime | None, message_at: datetime | None) -> list[str]:
    """Return those of start_before_2024, start_in_future, end_before_start that apply."""
    reasons = []
    if started_at is not None:
        if started_at < FIRST_START:
            reasons.append("start_before_2024")
        if message_at is not None and started_at > message_at + LONGEST_LEAD:
            reasons.append("start_in_future")
        if ended_at is not None and ended_at < started_at:
            reasons.append("end_before_start")
    return reasons


def amount_reasons(name: str, text: str | None, number: Decimal | None) -> list[str]:
    """Return missing_<name>, unreadable_<name> or negative_<name>, if one applies."""
    if text is None:
        return [f"missing_{name}"]
    if number is None:
        return [f"unreadable_{name}"]
    return [f"negative_{name}"] if number < 0 else []


def rate_reasons(known: bool, day: date | None, rate: Decimal | None) -> list[str]:
    """Return unknown_currency or no_exchange_rate, if one applies.

    no_exchange_rate is for a known currency on a known day.
    """
    if not known:
        return ["unknown_currency"]
    return ["no_exchange_rate"] if day is not None and rate is None else []


def message_reasons(message_at: datetime | None) -> list[str]:
    """Return no_message_time, if the message has no readable time."""
    return ["no_message_time"] if message_at is None else []
