"""Edits of a project's files, for tests that break them."""

from pathlib import Path


def edit(file: Path, right: str, wrong: str) -> None:
    """Put a fault in the place of what is right."""
    text = file.read_text(encoding="utf-8")
    assert right in text, f"{file} no longer holds {right!r}: choose another way to break it"
    file.write_text(text.replace(right, wrong), encoding="utf-8")


def prepend(file: Path, text: str) -> None:
    """Put a text before all that a file holds."""
    file.write_text(text + file.read_text(encoding="utf-8"), encoding="utf-8")
