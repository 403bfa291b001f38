"""Seconds per stage, with a limit each: a stage that is slow is no blockage, but somebody should know."""

from collections.abc import Mapping
from typing import Any


def is_too_slow(stage: Mapping[str, Any]) -> bool:
    """Whether a stage of a report took longer than it may."""
    return stage["max_seconds"] is not None and stage["seconds"] > stage["max_seconds"]


def too_slow(stage: Mapping[str, Any]) -> str:
    """The warning of such a stage."""
    return f"{stage['stage']} took {stage['seconds']:.2f} s; its limit is {stage['max_seconds']:g} s."
