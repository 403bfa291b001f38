"""Find the files of messages in a folder, read the day in their paths, and group them."""

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
"""Files up to this size share a transaction; a larger file is streamed in its own."""

_GROUP_BYTES = 2 << 20  # about 30,000 messages: enough to make the commit cheap, few enough to fit in memory
_GROUP_FILES = 64

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_DAY = re.compile(r"(?<!\d)(\d{4})([-_/]?)(\d{2})\2(\d{2})(?!\d)")


class BadFile(Exception):  # a signal inside the bulk load, reported at the end as the file's reason
    """The file cannot be loaded; no row of it was."""


class FileFormat(StrEnum):
    """The format of a file."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"


_ENDINGS = {
    ".parquet": FileFormat.PARQUET,
    ".csv": FileFormat.CSV,
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of messages.

    Attributes:
        path: path of the file.
        name: path below the folder, as text.
        format: the file's format.
        size: size in bytes.
        day: the day in the file's name, else in the name of the folder that was asked for; None if neither has one.
    """

    path: Path
    name: str
    format: FileFormat
    size: int
    day: date | None


def source_files(folder: Path) -> list[SourceFile]:
    """Find the files of messages in a folder and below it, sorted by name.

    Links are followed. Hidden files and other kinds of files are left out.

    Raises:
        InputError: the folder does not exist, cannot be read, or holds no file of messages.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Name a folder with {', '.join(_ENDINGS)} files.")
    found = sorted(_walk(folder), key=lambda file: file.name)
    if not found:
        raise InputError(f"{folder} holds no file that ends in {', '.join(_ENDINGS)}.")
    return found


def day_named(name: str) -> date | None:
    """The first calendar day in a path: 2026-01-31, 2026_01_31, 2026/01/31 or 20260131."""
    return next(_days_named(name), None)


def folder_columns(path: Path) -> dict[str, str | None]:
    """Read the columns in a file's folder names, as Hive and Spark write them: region=EU.

    Raises:
        BadFile: a column is named twice, or a value cannot be stored as text.
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
    """Group the files that are loaded together.

    Each large file is a group of its own and comes first, so that none is left over at the end. Small files follow by
    name.
    """
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
    folder_day = deque(_days_named(str(folder.absolute())), 1)  # the last one: the nearest to the file
    for place, names in _places(folder):
        for file_name in names:
            path = Path(place, file_name)
            kind = _ENDINGS.get(path.suffix.lower())
            if kind is None or file_name.startswith("."):
                continue
            name = os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")
            try:
                size = path.stat().st_size
            except OSError:  # a dangling link: reading it will report that
                size = 0
            yield SourceFile(path, name, kind, size, day_named(name) or next(iter(folder_day), None))


def _places(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder below one, once, with the names of its files.

    A folder is listed under its own path if it has one here, else under a link to it.
    """
    seen: set[tuple[int, int]] = set()
    tops = [str(folder)]
    for top in tops:  # grows by the links found on the way
        for place, folders, names in os.walk(top, onerror=_refuse):
            state = os.stat(place)
            if (state.st_dev, state.st_ino) in seen:  # ends even where a link leads back up
                folders.clear()
                continue
            seen.add((state.st_dev, state.st_ino))
            yield place, names
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            tops += [link for name in folders if os.path.islink(link := os.path.join(place, name))]


def _refuse(error: OSError) -> None:
    raise InputError(f"A folder cannot be read: {error}.") from error
