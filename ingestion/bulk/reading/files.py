"""The files of a folder: which hold messages, what day their path names, and which are loaded together."""

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ingestion.errors import InputError

SMALL_BYTES = 1 << 20
"""Files up to this size share a transaction; a larger one has its own and is streamed."""

_GROUP_BYTES = 2 << 20  # about 30,000 messages: enough to make the commit cheap, little enough to hold in memory
_GROUP_FILES = 64

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_DAY = re.compile(r"(?<!\d)(\d{4})([-_/]?)(\d{2})\2(\d{2})(?!\d)")


class BadFile(Exception):  # a signal inside the bulk load: told as the file's reason, at the end
    """The file cannot be loaded; nothing of it was."""


class Format(StrEnum):
    """How a file holds its messages."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"


_ENDINGS = {".parquet": Format.PARQUET, ".csv": Format.CSV, ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of messages.

    Attributes:
        path: where it is.
        name: its path below the folder, as text.
        format: how it holds its messages.
        size: bytes.
        day: the day that its name, or else the folder that was asked for, names; None if none.
    """

    path: Path
    name: str
    format: Format
    size: int
    day: date | None


def source_files(folder: Path) -> list[SourceFile]:
    """The files of messages in a folder and those below it, links followed, by name; hidden and others are left out.

    Raises:
        InputError: there is no such folder, it cannot be read, or it holds no such file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Name a folder with {', '.join(_ENDINGS)} files.")
    found = sorted(_walk(folder), key=lambda file: file.name)
    if not found:
        raise InputError(f"{folder} holds no file that ends in {', '.join(_ENDINGS)}.")
    return found


def day_named(name: str) -> date | None:
    """The first calendar day that a path names: 2026-01-31, 2026_01_31, 2026/01/31 or 20260131."""
    return next(_days_named(name), None)


def folder_columns(path: Path) -> dict[str, str | None]:
    """The columns that the names of a file's folders give, as Hive and Spark lay them out: region=EU.

    Raises:
        BadFile: a column is named twice, or a value is no text that can be stored.
    """
    columns: dict[str, str | None] = {}
    for folder in path.absolute().parts[:-1]:
        if "=" not in folder[1:]:
            continue
        name, _, value = (_unescaped(part) for part in folder.partition("="))
        if name in columns:
            raise BadFile(f"two of its folders give the column {name}")
        columns[name] = None if value == _HIVE_NULL else value
    return columns


def _days_named(name: str) -> Iterator[date]:
    for match in _DAY.finditer(name):
        try:
            yield date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue


def _unescaped(name: str) -> str:
    try:
        text = unquote_to_bytes(os.fsencode(name)).decode()
    except UnicodeDecodeError:
        raise BadFile(f"the name of its folder, {name!a}, is not UTF-8") from None
    if "\x00" in text:
        raise BadFile(f"the name of its folder, {name}, holds a NUL character, which no column can")
    return text


def groups(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    """What is loaded together: each large file alone and first, so that none is left over at the end; small ones by
    name."""
    small: list[SourceFile] = []
    large: list[SourceFile] = []
    for file in files:
        (small if file.size <= SMALL_BYTES else large).append(file)
    for file in sorted(large, key=lambda file: -file.size):
        yield [file]
    group: list[SourceFile] = []
    size = 0
    for file in small:
        if group and (size + file.size > _GROUP_BYTES or len(group) == _GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group


def _walk(folder: Path) -> Iterator[SourceFile]:
    folder_day = deque(_days_named(str(folder.absolute())), 1)  # the last: what lies nearest to the files
    for place, names in _places(folder):
        for file_name in names:
            path = Path(place, file_name)
            kind = _ENDINGS.get(path.suffix.lower())
            if kind is None or file_name.startswith("."):
                continue
            name = os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")
            try:
                size = path.stat().st_size
            except OSError:  # a dangling link: reading it will say so
                size = 0
            yield SourceFile(path, name, kind, size, day_named(name) or next(iter(folder_day), None))


def _places(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder below one, once, with the names of its files: by its own path, or else by a link to it."""
    seen: set[tuple[int, int]] = set()
    tops = [str(folder)]
    for top in tops:  # which grows by the links that are found on the way
        for place, folders, names in os.walk(top, onerror=_refuse):
            state = os.stat(place)
            if (state.st_dev, state.st_ino) in seen:  # also where a link leads back up
                folders.clear()
                continue
            seen.add((state.st_dev, state.st_ino))
            yield place, names
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            tops += [link for name in folders if os.path.islink(link := os.path.join(place, name))]


def _refuse(error: OSError) -> None:
    raise InputError(f"A folder cannot be read: {error}.") from error
