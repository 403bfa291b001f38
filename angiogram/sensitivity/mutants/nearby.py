"""Makes values near those of a seed, which PostgreSQL can read as the same type."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

_KINDS = {
    name: kind
    for kind, names in {
        "integer": ("smallint", "integer", "int", "bigint", "int2", "int4", "int8"),
        "number": ("numeric", "decimal", "dec", "real", "float", "float4", "float8", "double precision"),
        "boolean": ("boolean", "bool"),
        "date": ("date",),
        "timestamp": ("timestamp", "timestamptz", "timestamp without time zone", "timestamp with time zone"),
        "time": ("time", "timetz", "time without time zone", "time with time zone"),
        "uuid": ("uuid",),
        "json": ("json", "jsonb"),
        "text": ("text", "varchar", "character varying", "char", "character", "bpchar", "name", "citext"),
    }.items()
    for name in names
}
_IN_PLACE_OF_NULL = {
    "integer": "0",
    "number": "0",
    "boolean": "true",
    "date": "2000-01-01",
    "timestamp": "2000-01-01 00:00:00",
    "time": "00:00:00",
    "uuid": str(UUID(int=0)),
    "json": "{}",
    "text": "~",
}
_UNREADABLE = (ValueError, ArithmeticError)
"""Python's errors for a value that only PostgreSQL can read, or beyond the calendar.

An example of such a value is infinity.
"""

_FIRST_DAY = datetime(2000, 1, 1)  # noqa: DTZ001  a type without a zone has no zone here either
_MICROSECOND, _DAY = timedelta(microseconds=1), timedelta(days=1)
_STEPS = (_MICROSECOND, -_MICROSECOND, timedelta(hours=7))


def kind_of(type_name: str) -> str | None:
    """The kind of values of a type, under any of its names. None if none can be made up."""
    return _KINDS.get(" ".join(re.sub(r"\(.*?\)", " ", type_name.lower()).split()))


def other_value(value: str | None, type_name: str) -> str | None:
    """Return a value near a seed's value, or null if that value cannot be read.

    Examples are a number with its last digit one higher, the next day, or another spelling. For an unknown type,
    PostgreSQL may refuse the value, or null may stay null.
    """
    kind = kind_of(type_name)
    if value is None:
        return _IN_PLACE_OF_NULL.get(kind) if kind else None
    try:
        match kind:
            case "integer" | "number":
                number = Decimal(value)
                return str(number + Decimal(1).scaleb(min(int(number.as_tuple().exponent), 0)))
            case "boolean":
                return _inverted(value)
            case "date":
                return (date.fromisoformat(value) + _DAY).isoformat()
            case "timestamp":
                return (datetime.fromisoformat(value) + _DAY).isoformat(" ")
            case "time":
                return _later(value, timedelta(hours=1))
            case "uuid":
                return _counted_up(value, 1)
            case "json":
                return "{}" if value != "{}" else "[]"
            case _:
                return value.swapcase() if value.swapcase() != value else f"{value}~"
    except _UNREADABLE:
        return None


def shifted(random: Random, value: str | None, type_name: str) -> str | None:
    """Return a value near another one.

    It may be one more or less, a day or a microsecond off, have other letters, be padded, empty or null. A value stays
    as it is if PostgreSQL could not read a shifted one.
    """
    if value is None or random.random() < 0.1:
        return None
    try:
        match kind_of(type_name):
            case "integer":
                return str(_within(type_name, Decimal(value) + random.choice((1, -1, 0))))
            case "number":
                return str(Decimal(value) + random.choice((Decimal("0.01"), -1)))
            case "boolean":
                return _inverted(value)
            case "date":
                return (date.fromisoformat(value) + timedelta(days=random.choice((1, -1, 31)))).isoformat()
            case "timestamp":
                return (datetime.fromisoformat(value) + random.choice(_STEPS)).isoformat()
            case "time":
                return _later(value, random.choice(_STEPS))
            case "uuid":
                return _counted_up(value, random.choice((1, -1)))
            case "json":
                return random.choice(("{}", "null"))
            case "text":
                edits = (value.upper(), value.lower(), f" {value}", f"{value} ", f"{value}x", value[:-1], "")
                return random.choice(edits)[: _length(type_name)]
    except _UNREADABLE:
        pass
    return value


def made_up_id(position: int, type_name: str) -> str | None:
    """Make an id that counts up with the position. None if the type cannot hold it."""
    made = str(position + 1)
    match kind_of(type_name):
        case "integer":
            return made if Decimal(made) == _within(type_name, Decimal(made)) else None
        case "number" | "json":
            return made
        case "text":
            return made if made == made[: _length(type_name)] else None
        case "uuid":
            return str(UUID(int=position + 1))
        case "date":
            return (_FIRST_DAY + position * _DAY).date().isoformat()
        case "timestamp":
            return (_FIRST_DAY + position * _DAY).isoformat()
        case _:
            return None


def _length(type_name: str) -> int | None:
    """The maximum number of characters of a text. None if there is no limit."""
    length = re.search(r"\((\d+)\)", type_name)
    return int(length[1]) if length else None


def _inverted(value: str) -> str:
    return "false" if value.strip().lower() in ("true", "t", "yes", "y", "on", "1") else "true"


def _within(type_name: str, number: Decimal) -> Decimal:
    name = type_name.lower()
    bits = 15 if name in ("smallint", "int2") else 63 if name in ("bigint", "int8") else 31
    return max(min(number, Decimal(2**bits - 1)), Decimal(-(2**bits)))


def _later(value: str, step: timedelta) -> str:
    """Move a time of day forward, past midnight if need be."""
    return (datetime.combine(_FIRST_DAY + _DAY, time.fromisoformat(value)) + step).timetz().isoformat()


def _counted_up(value: str, step: int) -> str:
    return str(UUID(int=(UUID(value).int + step) % 2**128))
