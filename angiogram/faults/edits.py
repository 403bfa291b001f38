"""Faults that replace text in a copy of the dbt project."""

from dataclasses import dataclass

from angiogram.faults.fault import Fault, Ground


@dataclass(frozen=True, slots=True)
class Edit:
    """Text replacements in one file."""

    path: str
    changes: tuple[tuple[str, str], ...]


def edit(path: str, *changes: tuple[str, str]) -> Edit:
    """Replace the old text of each pair with the new one, in a file of the project's folder."""
    return Edit(path, changes)


def fault(name: str, description: str, planted: str | tuple[str, ...], *edits: Edit) -> Fault:
    """Return a fault that makes all these edits and must be named at these stages."""

    def plant(ground: Ground) -> None:
        for change in edits:
            ground.edit(change.path, *change.changes)

    return Fault(name, description, (planted,) if isinstance(planted, str) else planted, plant)
