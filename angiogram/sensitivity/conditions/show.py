"""Prints conditions with their counts in the terminal."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from angiogram.sensitivity.conditions.count import ANSWERS, Counted

_LONGEST = 90
"""Characters of a condition that are shown. --json has all of it."""


def print_conditions(console: Console, found: Sequence[Counted]) -> None:
    """Print a table for each model, red where a condition is never true, or never false."""
    for model, rows in groupby(found, lambda one: one.model):
        table = Table(title=model, title_justify="left", box=None, header_style="bold")
        for header in ("place", "kind", "condition", "asked of each"):
            table.add_column(header)
        for header in ANSWERS:
            table.add_column(header, justify="right")
        for one in rows:
            table.add_row(
                one.condition.place, one.condition.kind, _short(one.condition.text), one.condition.rows, *_counts(one)
            )
        console.print(table)
    never = sum(bool(one.never) for one in found)
    all_of_them = f"{len(found)} condition{'s' if len(found) != 1 else ''}"
    console.print(f"{all_of_them}. The dye makes {never} of them never true, or never false.")


def _counts(one: Counted) -> list[str]:
    if one.counts is None:
        return ["-", "-", "-"]
    return [
        f"[bold red]{count}[/]" if name in one.never else str(count)
        for name, count in zip(ANSWERS, one.counts, strict=True)
    ]


def _short(text: str) -> str:
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
