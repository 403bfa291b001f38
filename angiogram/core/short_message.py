"""Shorten a message from dbt or from the database to one line.

The rest of the message is shown on request.
"""

import re
from collections.abc import Iterator

_TITLE = re.compile(r"(?P<before>.*: )?(?P<kind>\w+ Error)( in .*)?")
"""dbt's line before the error itself, such as `Database Error in model orders (models/core/orders.sql)`."""

_MISMATCHES = ["column_name", "definition_type", "contract_type", "mismatch_reason"]
"""The columns of dbt's table of differences between a broken contract and its model."""


def in_a_line(message: str) -> str:
    """Return what happened, in one line.

    Args:
        message: the original message; for a broken contract it includes dbt's table of columns.
    """
    if disagreements := list(_contract(message)):
        return f"its contract is broken: {'; '.join(disagreements)}"
    before = kind = ""
    for line in filter(None, map(str.strip, message.splitlines())):
        if title := _TITLE.fullmatch(line):
            before, kind = before + (title["before"] or ""), title["kind"]
        else:
            return f"{before}{kind}: {line}" if kind else line
    return before + kind


def _contract(message: str) -> Iterator[str]:
    """Yield where a contract and its model disagree, column by column."""
    tables = (line.strip().strip("|").split("|") for line in message.splitlines() if line.strip().startswith("|"))
    rows = [[cell.strip() for cell in cells] for cells in tables]
    if not rows or rows[0] != _MISMATCHES:
        return
    for name, made, agreed, _ in rows[2:]:  # skip the heading and its rule
        says = f"the contract says {agreed}" if agreed else "the contract has no such column"
        yield f"{name} is {made or 'missing'}, {says}"
