"""Mistakes in dates, times and time zones."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed

_PARTS = {
    "YEAR": ("ISOYEAR", "MONTH"),
    "QUARTER": ("MONTH",),
    "MONTH": ("QUARTER", "DAY"),
    "WEEK": ("MONTH", "DOY"),
    "DAY": ("DOY", "DOW"),
    "ISODOW": ("DOW", "DAY"),
    "DOW": ("ISODOW", "DAY"),
    "DOY": ("DAY",),
    "HOUR": ("MINUTE",),
    "MINUTE": ("HOUR",),
}
_UNITS = {
    "SECOND": "MINUTE",
    "MINUTE": "HOUR",
    "HOUR": "DAY",
    "DAY": "HOUR",
    "WEEK": "MONTH",
    "MONTH": "QUARTER",
    "QUARTER": "YEAR",
    "YEAR": "MONTH",
}
_FORMAT_CODES = {
    "%Y": ("%y",),
    "%m": ("%M", ""),
    "%d": ("",),
    "%H": ("%I", ""),
    "%M": ("%m", ""),
    "%S": ("",),
    "%f": ("",),
}


def time_zone(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop or change a time zone."""
    if isinstance(node, exp.AtTimeZone):
        yield exp.Paren(this=node.this.copy())
        yield changed(node, zone=exp.Literal.string("America/New_York"))


def date_part(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Take another part of a date, or truncate it to another unit or not at all."""
    if isinstance(node, exp.Extract):
        for part in _PARTS.get(node.this.name.upper(), ()):
            yield changed(node, this=exp.var(part))
    elif isinstance(node, exp.Anonymous) and node.name.upper() == "DATE_PART":
        unit, moment = node.expressions
        for part in _PARTS.get(unit.name.upper(), ()):
            yield changed(node, expressions=[exp.Literal.string(part), moment.copy()])
    elif isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        unit = node.args["unit"]
        if other := _UNITS.get(unit.name.upper()):
            yield changed(node, unit=exp.var(other) if isinstance(unit, exp.Var) else exp.Literal.string(other))
        yield node.this.copy()


def interval(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Make an interval one unit longer or shorter, or change its unit."""
    if not isinstance(node, exp.Interval) or not isinstance(node.this, exp.Literal) or not node.this.this.isdecimal():
        return
    for number in (int(node.this.this) + 1, int(node.this.this) - 1):
        if number:
            yield changed(node, this=exp.Literal.string(str(number)))
    if node.unit and (other := _UNITS.get(node.unit.name.upper().rstrip("S"))):
        yield changed(node, unit=exp.var(other))


def date_literal(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Move a date or time by a day, and a time also by a microsecond."""
    if not isinstance(node, exp.Cast) or not isinstance(node.this, exp.Literal) or not node.this.is_string:
        return
    kind = node.to.this.name
    if kind not in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        return
    try:
        moment = datetime.fromisoformat(node.this.this)
    except ValueError:
        return
    if kind == "DATE":
        shifted = [date.isoformat(moment.date() + timedelta(days=days)) for days in (1, -1)]
    else:
        steps = [timedelta(days=1)] + ([timedelta(microseconds=1)] if kind == "TIMESTAMPTZ" else [])
        shifted = [(moment + sign * step).isoformat() for step in steps for sign in (1, -1)]
    for text in shifted:
        yield changed(node, this=exp.Literal.string(text))


def time_format(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop or swap a part of a time format."""
    if isinstance(node, exp.TimeToStr | exp.StrToTime) and isinstance(text := node.args.get("format"), exp.Literal):
        for code, others in _FORMAT_CODES.items():
            for other in others if code in text.this else ():
                yield changed(node, format=exp.Literal.string(text.this.replace(code, other)))
