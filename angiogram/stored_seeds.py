"""The files that accept writes: read with their form, and written all or none, never over somebody else's edit."""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from angiogram.errors import SeedNotWritten

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"\r\n|\n|\r")
_QUOTED_OR_END = re.compile(r'"[^"]*"|\n')


@dataclass(frozen=True, slots=True)
class StoredSeed:
    """The file of a seed as it was read.

    Attributes:
        path: the file.
        content: its bytes.
    """

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: Path) -> "StoredSeed":
        """Read a file.

        Raises:
            SeedNotWritten: it cannot be read.
        """
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            raise SeedNotWritten(f"{path} cannot be read: {error.strerror}. Nothing is written.") from error

    @property
    def text(self) -> str:
        """Its text, without the mark of its byte order."""
        return self.content.decode("utf-8-sig")

    def as_stored(self, text: str) -> bytes:
        """A new text in the form of this file: with its mark of the byte order and its line ends.

        Args:
            text: lines that end in LF; in quoted fields line ends stay as they are.
        """
        end = _LINE_END.search(self.text)
        if end and end[0] != "\n":
            text = _QUOTED_OR_END.sub(lambda found: end[0] if found[0] == "\n" else found[0], text)
        return (_BOM if self.content.startswith(_BOM) else b"") + text.encode()

    def is_unchanged(self) -> bool:
        """Whether the file still has the same bytes."""
        try:
            return self.path.read_bytes() == self.content
        except OSError:
            return False


def replace_all(changes: Sequence[tuple[StoredSeed, bytes]]) -> list[Path]:
    """Give files new contents, all of them or none; the files.

    Each is written beside its place and then renamed, so that nobody ever reads half of one.

    Args:
        changes: files as they were read, and their new contents.

    Raises:
        SeedNotWritten: one was changed since it was read, or cannot be written. All are as they were.
    """
    _require_unchanged(changes)
    written: list[tuple[Path, Path, bytes]] = []
    replaced: list[tuple[Path, bytes]] = []
    try:
        for stored, content in changes:
            place = stored.path.resolve()  # a link stays one
            if not os.access(place, os.W_OK):
                raise SeedNotWritten(f"{stored.path} may not be written by you. Nothing is written.")
            written.append((place, _beside(place, content), stored.content))
        _require_unchanged(changes)
        for place, new, before in written:
            replaced.append((place, before))
            new.replace(place)
    except BaseException as error:
        for place, before in replaced:
            if place.read_bytes() != before:
                _beside(place, before).replace(place)
        if isinstance(error, OSError):
            raise SeedNotWritten(
                f"{error.filename or 'A file'} cannot be written: {error.strerror}. Nothing is written."
            ) from error
        raise
    finally:
        for _, new, _ in written:
            new.unlink(missing_ok=True)
    return [stored.path for stored, _ in changes]


@contextmanager
def new_file(path: Path, content: bytes) -> Iterator[None]:
    """Make a file, and its folder, which stays only if the block ends without an error.

    Raises:
        SeedNotWritten: it is there, or cannot be made.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise SeedNotWritten(f"{path} cannot be made: {error.strerror}. Nothing is written.") from error
    try:
        yield
    except BaseException:
        path.unlink()
        raise


def _require_unchanged(changes: Sequence[tuple[StoredSeed, bytes]]) -> None:
    if changed := [str(stored.path) for stored, _ in changes if not stored.is_unchanged()]:
        raise SeedNotWritten(
            f"{', '.join(changed)} {'was' if len(changed) == 1 else 'were'} changed after the models were compared "
            "with it. Nothing is written. Accept again: the new text is compared then."
        )


def _beside(place: Path, content: bytes) -> Path:
    """A new file in the folder of another one, with its rights; dbt takes it for no seed."""
    name = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, place.stat().st_mode & 0o7777)
    except OSError as error:
        if name:
            Path(name).unlink()
        raise OSError(error.errno, error.strerror, str(place)) from error
    return Path(name)
