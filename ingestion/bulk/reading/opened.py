"""An open file: read once to identify it, and again for its rows."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

import pyarrow as pa

from ingestion.bulk.reading.columns import Chunk, RowPlace
from ingestion.bulk.reading.files import SMALL_BYTES, BadFile, SourceFile, folder_columns
from ingestion.bulk.reading.formats import READERS
from ingestion.bulk.reading.rows import ALL_ROWS, RowRange
from ingestion.bulk.reading.times import TIME_COLUMN
from ingestion.contract import Contract
from ingestion.message.rows import encoder

_LINE_ENDS = (b"\n", b"\r")
_HASHED_BYTES = 1 << 20  # bytes read at a time


class OpenFile:
    """A file that was read once for its topic id and is read again for its rows.

    Attributes:
        file: the file.
        fields: the fields of its messages.
        content: the first 16 bytes of the SHA-256 of its content.
        folder_columns: columns that the names of its folders give.
        topic_id: made of its content, its format and these columns, because the same bytes read differently are other
            messages.
        size: size in bytes.
        beginnings: content hash of each requested number of first bytes.
    """

    def __init__(
        self,
        file: SourceFile,
        contract: Contract,
        keep: bool = True,
        beginnings: Iterable[int] = (),
        time_column: str = TIME_COLUMN,
    ) -> None:
        """Read the content once.

        Args:
            file: the file.
            contract: the contract that gives the fields of its messages.
            keep: keep a small file's content in memory, so that it is not read again.
            beginnings: numbers of first bytes to hash as well: where an earlier version of the file may have ended.
            time_column: the column that says when a row was sent, if there is one.

        Raises:
            BadFile: the file cannot be read, or a folder's name does not give a usable column.
        """
        self.file = file
        self.fields = contract.fields
        self.beginnings: dict[int, UUID] = {}
        self._content: bytes | None = None
        self._time_column = time_column
        self.folder_columns = folder_columns(file.path)
        try:
            if not file.path.is_file():  # reading a pipe would wait forever
                raise BadFile("it is not a file")
            with file.path.open("rb") as source:
                self._state = _state(source)
                self.size = self._state[0]
                if keep and self.size <= SMALL_BYTES:
                    self._content = source.read()
                    self.content = self._hash(io.BytesIO(self._content), beginnings)
                else:
                    self.content = self._hash(source, beginnings)
        except OSError as error:
            raise BadFile(f"it cannot be read: {error.strerror or error}") from error
        said = json.dumps([file.format, self.content.hex, self.folder_columns], sort_keys=True)
        self.topic_id = _as_id(hashlib.sha256(said.encode()).digest())

    def place(self) -> RowPlace:
        """Where its rows go: a topic of its own, sent now unless a column gives the time."""
        return RowPlace(
            f"file:{self.file.name}",
            self.topic_id,
            encoder(self.fields),
            datetime.now(UTC),
            self._time_column,
            self.folder_columns,
        )

    def chunks(self, rows: RowRange = ALL_ROWS, place: RowPlace | None = None) -> Iterator[Chunk]:
        """Read the rows, in order.

        Args:
            rows: the rows to read.
            place: another destination than the file's own topic.

        Raises:
            BadFile: it cannot be read to its end, is cut off, changed meanwhile, or is not a file of messages.
        """
        try:
            with self._reopened() as source:
                yield from READERS[self.file.format](source, place or self.place(), rows)
                if self._content is None and _state(source) != self._state:
                    raise BadFile("it changed while it was read")
        except (pa.ArrowException, OSError, ValueError, OverflowError, csv.Error) as error:
            raise BadFile(f"it cannot be read: {str(error).splitlines()[0] if str(error) else error!r}") from error

    def _hash(self, source: BinaryIO, beginnings: Iterable[int]) -> UUID:
        digest = hashlib.sha256()
        done = 0
        for end in sorted({end for end in beginnings if 0 < end < self.size}):
            _feed(digest.update, source, end - done)
            done = end
            source.seek(end - 1)
            around = source.read(2)
            source.seek(end)
            # A last line without an end may have been continued since: then it is a different line.
            if around[:1] in _LINE_ENDS or around[1:] in _LINE_ENDS:
                self.beginnings[end] = _as_id(digest.copy().digest())
        _feed(digest.update, source, None)
        return _as_id(digest.digest())

    def _reopened(self) -> BinaryIO:
        if self._content is not None:
            return io.BytesIO(self._content)
        source = self.file.path.open("rb")
        if _state(source) != self._state:
            source.close()
            raise BadFile("it changed while it was read")
        return source


def _feed(update: Callable[[bytes], None], source: BinaryIO, size: int | None) -> None:
    """Yield so many bytes, or all that are left."""
    while size is None or size > 0:
        block = source.read(_HASHED_BYTES if size is None else min(size, _HASHED_BYTES))
        if not block:
            return
        update(block)
        size = None if size is None else size - len(block)


def _as_id(digest: bytes) -> UUID:
    return UUID(bytes=digest[:16])


def _state(source: BinaryIO) -> tuple[int, int, int]:
    state = os.fstat(source.fileno())
    return state.st_size, state.st_mtime_ns, state.st_ino
