"""Files of a project that commands write.

Each keeps its form (byte order mark, line ends). They are written all or none, and never over an edit.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from angiogram.core.errors import SeedNotWritten
from angiogram.dbt.seeds.file_journal import FileChange, content_of, replace_together, require_unchanged

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
            may_be_absent: whether the file need not exist yet.

        Raises:
            SeedNotWritten: it cannot be read.
        """
        try:
            return cls(path, content_of(path) if may_be_absent else path.read_bytes())
        except OSError as error:
            raise SeedNotWritten(f"{path} cannot be read: {error.strerror}. Nothing is written.") from error

    @property
    def text(self) -> str:
        """Return its text, without the byte order mark."""
        return (self.content or b"").decode("utf-8-sig")

    def as_stored(self, text: str) -> bytes:
        """Encode a new text in the form of this file: its byte order mark and its line ends.

        Args:
            text: lines that end in LF; line ends within quoted fields stay as they are.
        """
        end = _LINE_END.search(self.text)
        if end and end[0] != "\n":
            text = _QUOTED_OR_END.sub(lambda found: end[0] if found[0] == "\n" else found[0], text)
        return (_BOM if (self.content or b"").startswith(_BOM) else b"") + text.encode()


def replace_all(directory: Path, changes: Sequence[tuple[StoredSeed, bytes]]) -> list[Path]:
    """Give files new contents, all of them or none, and return those files.

    This holds even if the process is killed: each is written beside its place and then renamed, so that no reader ever
    sees half of a file.

    Args:
        directory: the project's folder.
        changes: files as they were read, and their new contents.

    Raises:
        SeedNotWritten: one was changed since it was read, or cannot be written. All are unchanged.
    """
    intended = [FileChange(stored.path, stored.content, content) for stored, content in changes]
    require_unchanged(intended)
    for change in intended:
        if change.before is not None and not os.access(change.place, os.W_OK):
            raise SeedNotWritten(f"You may not write {change.path}. Nothing is written.")
    try:
        replace_together(directory, intended)
    except OSError as error:
        raise SeedNotWritten(
            f"{error.filename or 'A file'} cannot be written: {error.strerror}. Nothing is written."
        ) from error
    return [stored.path for stored, _ in changes]
