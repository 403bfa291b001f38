"""Writes several files of a project all or none, even if the process is killed meanwhile.

A journal exists in the project's folder from before the first file is replaced until after the last one. Whatever opens
the project finds the journal and completes the changes, or undoes them if one of the files has been edited since.
"""

import fcntl
import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from angiogram.core.errors import SeedNotWritten

JOURNAL = Path(".angiogram", "writing.journal")
"""The journal's path in the project's folder."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file and its new content.

    Attributes:
        path: the file; a link stays a link.
        before: its current bytes; None if it is to be created.
        after: its new bytes.
    """

    path: Path
    before: bytes | None
    after: bytes

    @property
    def place(self) -> Path:
        """Return the file itself where the path is a link."""
        return self.path.resolve()

    def put(self, content: bytes | None) -> None:
        """Write the file's content or delete the file, so that no reader ever sees half of it."""
        if content is None:
            self.place.unlink(missing_ok=True)
        else:
            beside(self.place, content).replace(self.place)


def replace_together(directory: Path, changes: Sequence[FileChange]) -> None:
    """Give files their new contents, all of them or none.

    Args:
        directory: the project's folder, where the journal is kept meanwhile.
        changes: of files that still have the content in `before`.

    Raises:
        OSError: a file cannot be written. All files are unchanged.
        SeedNotWritten: a file no longer has its earlier content. None is written.
    """
    written: list[Path] = []
    begun: list[FileChange] = []
    try:
        for change in changes:
            written.append(beside(change.place, change.after))
        require_unchanged(changes)
        with _journal(directory, changes):
            try:
                for change, new in zip(changes, written, strict=True):
                    begun.append(change)
                    new.replace(change.place)
            except BaseException:
                for change in begun:
                    if content_of(change.place) != change.before:
                        change.put(change.before)
                raise
    finally:
        for new in written:
            new.unlink(missing_ok=True)


def settle(directory: Path, say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)) -> None:
    """Complete what a killed process started to write, or undo it if a file was edited since.

    Args:
        directory: the project's folder.
        say: called with what was done; not called if there is no journal.

    Raises:
        SeedNotWritten: a file cannot be written.
    """
    directory = directory.resolve()
    journal = directory / JOURNAL
    try:
        file = journal.open("rb")
    except FileNotFoundError:
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # a process that is still writing releases the lock when it is done
        if not journal.exists() or not os.path.samestat(journal.stat(), os.fstat(file.fileno())):
            return
        changes = _read(directory, journal, file)
        edited = [change for change in changes if content_of(change.place) not in (change.before, change.after)]
        try:
            for change in changes:
                wanted = change.before if edited else change.after
                if change not in edited and content_of(change.place) != wanted:
                    change.put(wanted)
                for left in change.place.parent.glob(f".{change.place.name}.*.new"):
                    left.unlink(missing_ok=True)
        except OSError as error:
            raise SeedNotWritten(
                f"A command was killed while it wrote {_named(changes)}, and this cannot be completed: "
                f"{error.filename or 'a file'} cannot be written: {error.strerror}. Correct that, then retry."
            ) from error
        _delete(journal)
    if edited:
        say(
            f"A command was killed while it wrote {_named(changes)}. What it wrote is undone, since "
            f"{_named(edited)} was edited meanwhile and stays as edited. Accept again."
        )
    else:
        say(f"A command was killed while it wrote {_named(changes)}. All of them are written now.")


def require_unchanged(changes: Sequence[FileChange]) -> None:
    """Require that files are unchanged.

    Raises:
        SeedNotWritten: some have changed.
    """
    if changed := [change for change in changes if content_of(change.place) != change.before]:
        raise SeedNotWritten(
            f"{_named(changed)} {'was' if len(changed) == 1 else 'were'} changed after the models were compared "
            "with it. Nothing is written. Accept again to compare the new text."
        )


def content_of(place: Path) -> bytes | None:
    """Return the content of a file, or None if it does not exist."""
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def beside(place: Path, content: bytes) -> Path:
    """Create a file beside another one, with its permissions. dbt does not take it for a seed."""
    new = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        place.parent.mkdir(exist_ok=True)
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if place.exists():
                os.fchmod(file.fileno(), place.stat().st_mode & 0o7777)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(place)) from error
    return new


@contextmanager
def _journal(directory: Path, changes: Sequence[FileChange]) -> Iterator[None]:
    """Keep a journal of changes while they are made.

    It remains if this process is killed or cannot undo the changes.
    """
    journal = directory / JOURNAL
    entries = [
        {
            "file": os.path.relpath(change.place, directory.resolve()),
            "before": None if change.before is None else b64encode(change.before).decode(),
            "after": b64encode(change.after).decode(),
        }
        for change in changes
    ]
    new = beside(journal, json.dumps(entries).encode())
    with new.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        new.replace(journal)
        _sync(journal.parent)
        try:
            yield
        except BaseException:
            if all(content_of(change.place) == change.before for change in changes):
                _delete(journal)
            raise
        for folder in {change.place.parent for change in changes}:
            _sync(folder)
        _delete(journal)


def _read(directory: Path, journal: Path, file: IO[bytes]) -> list[FileChange]:
    try:
        entries: list[dict[str, Any]] = json.load(file)
        return [
            FileChange(
                Path(os.path.normpath(directory / entry["file"])),
                None if entry["before"] is None else b64decode(entry["before"]),
                b64decode(entry["after"]),
            )
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise SeedNotWritten(
            f"{journal} was not left by a killed command that was writing seeds. Check the "
            "changes to the seeds and the surface, then delete it."
        ) from error


def _delete(journal: Path) -> None:
    journal.unlink()
    if not any(journal.parent.iterdir()):
        journal.parent.rmdir()


def _sync(folder: Path) -> None:
    """Sync a folder, so that renames in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _named(changes: Sequence[FileChange]) -> str:
    return ", ".join(str(change.path) for change in changes)
