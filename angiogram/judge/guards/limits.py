"""A time limit per stage. A slow stage is not a blockage, but it is reported."""

from collections.abc import Iterable, Mapping
from typing import Any

from angiogram.core.findings import Notice
from angiogram.core.stage_id import StageId


def too_slow(rows: Iterable[Mapping[str, Any]]) -> list[Notice]:
    """Return a notice for each stage of a report that exceeded its time limit."""
    return [
        Notice("slow", f"{StageId.of(row)} took {row['seconds']:.2f} s; its limit is {row['max_seconds']:g} s.")
        for row in rows
        if row["max_seconds"] is not None and row["seconds"] > row["max_seconds"]
    ]
