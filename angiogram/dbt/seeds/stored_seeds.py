"""Files of a project that commands write: read with their form, written all or none, never over an edit."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from angiogram.core.errors import SeedNotWritten
from angiogram.dbt.seeds.file_journal import Change, content_of, replace_together, require_unchanged

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"\r\n|\n|\r")
_QUOTED_OR_END = re.compile(r'"[^"]*"|\n')


@dataclass(frozen=True, slots=True)
class StoredSeed:
    """The file of a seed as it was read.

    Attributes:
        path: the file.
        content: its bytes; None if there was no such file.
    """

    path: Path
    content: bytes | None

    @classmethod
    def read(cls, path: Path, may_be_absent: bool = False) -> "StoredSeed":
        """Read a file.

        Args:
            path: the file.
            may_be_absent: whether it may still have to be made.

        Raises:
            SeedNotWritten: it cannot be read.
        """
        try:
            return cls(path, content_of(path) if may_be_absent else path.read_bytes())
        except OSError as error:
            raise SeedNotWritten(f"{path} cannot be read: {error.strerror}. Nothing is written.") from error

    @property
    def text(self) -> str:
        """Its text, without the mark of its byte order."""
        return (self.content or b"").decode("utf-8-sig")

    def as_stored(self, text: str) -> bytes:
        """A new text in the form of this file: with its mark of the byte order and its line ends.

        Args:
            text: lines that end in LF; in quoted fields line ends stay as they are.
        """
        end = _LINE_END.search(self.text)
        if end and end[0] != "\n":
            text = _QUOTED_OR_END.sub(lambda found: end[0] if found[0] == "\n" else found[0], text)
        return (_BOM if (self.content or b"").startswith(_BOM) else b"") + text.encode()


def replace_all(directory: Path, changes: Sequence[tuple[StoredSeed, bytes]]) -> list[Path]:
    """Give files new contents, all of them or none, also if this process is killed; the files.

    Each is written beside its place and then renamed, so that nobody ever reads half of one.

    Args:
        directory: the project's folder.
        changes: files as they were read, and their new contents.

    Raises:
        SeedNotWritten: one was changed since it was read, or cannot be written. All are as they were.
    """
    intended = [Change(stored.path, stored.content, content) for stored, content in changes]
    require_unchanged(intended)
    for change in intended:
        if change.before is not None and not os.access(change.place, os.W_OK):
            raise SeedNotWritten(f"{change.path} may not be written by you. Nothing is written.")
    try:
        replace_together(directory, intended)
    except OSError as error:
        raise SeedNotWritten(
            f"{error.filename or 'A file'} cannot be written: {error.strerror}. Nothing is written."
        ) from error
    return [stored.path for stored, _ in changes]
