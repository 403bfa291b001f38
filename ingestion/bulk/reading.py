"""From a file's bytes to chunks of lines, a few megabytes at a time whatever the file's size."""

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ingestion.bulk.columns import Chunk, Place, check_names, chunk_of
from ingestion.bulk.files import SMALL_BYTES, BadFile, Format, RidesFile
from ingestion.loader.rows import NULL, DeadLetter, binary, ride_columns

_BATCH_ROWS = 16_384
_BATCH_BYTES = 4 << 20
_CSV_BLOCK = 1 << 20  # bytes; also the longest row
_LONGEST_LINE = 16 << 20  # bytes of a line of NDJSON: more than a message on the topic can have


class OpenFile:
    """A file that was read once for its topic id and is read again for its rows.

    Attributes:
        file: which it is.
        topic_id: the first 16 bytes of the SHA-256 of its content.
    """

    def __init__(self, file: RidesFile, keep: bool = True) -> None:
        """Read the content once.

        Args:
            file: which it is.
            keep: hold a small file's content, so that it need not be read again.

        Raises:
            BadFile: it cannot be read.
        """
        self.file = file
        self._content: bytes | None = None
        try:
            if not file.path.is_file():  # a pipe would be waited for without end
                raise BadFile("it is no file")
            with file.path.open("rb") as source:
                self._state = _state(source)
                if keep and self._state[0] <= SMALL_BYTES:
                    self._content = source.read()
                    digest = hashlib.sha256(self._content).digest()
                else:
                    digest = hashlib.file_digest(source, "sha256").digest()
        except OSError as error:
            raise BadFile(f"it cannot be read: {error.strerror or error}") from error
        self.topic_id = UUID(bytes=digest[:16])
        self.size = self._state[0]

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in order.

        Raises:
            BadFile: it cannot be read to its end, is cut off, changed meanwhile, or is no file of rides.
        """
        place = Place(f"file:{self.file.name}", self.topic_id, datetime.now(UTC))
        read = {Format.PARQUET: _parquet, Format.CSV: _csv, Format.NDJSON: _ndjson}[self.file.format]
        try:
            with self._reopened() as source:
                yield from read(source, place)
                if self._content is None and _state(source) != self._state:
                    raise BadFile("it changed while it was read")
        except (pa.ArrowException, OSError, ValueError, OverflowError, csv.Error) as error:
            raise BadFile(f"it cannot be read: {str(error).splitlines()[0] if str(error) else error!r}") from error

    def _reopened(self) -> BinaryIO:
        if self._content is not None:
            return io.BytesIO(self._content)
        source = self.file.path.open("rb")
        if _state(source) != self._state:
            source.close()
            raise BadFile("it changed while it was read")
        return source


def _state(source: BinaryIO) -> tuple[int, int, int]:
    state = os.fstat(source.fileno())
    return state.st_size, state.st_mtime_ns, state.st_ino


def _parquet(source: BinaryIO, place: Place) -> Iterator[Chunk]:
    # No read-ahead of whole column chunks: a row group may be larger than the memory.
    with pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 18) as parquet:
        check_names(parquet.schema_arrow.names)
        footer = parquet.metadata
        stored = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
        rows = max(64, min(_BATCH_ROWS, _BATCH_BYTES * footer.num_rows // max(stored, 1)))
        first_row = 0
        for batch in parquet.iter_batches(rows, use_threads=False):
            yield chunk_of(batch, first_row, place)
            first_row += batch.num_rows
        if first_row != footer.num_rows:
            raise BadFile(f"it holds {first_row} rows and not {footer.num_rows}, as its footer says")


def _csv(source: BinaryIO, place: Place) -> Iterator[Chunk]:
    names = _header(source)
    check_names(names)
    reader = pa_csv.open_csv(
        source,
        pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(
            check_utf8=False,  # checked later, row by row
            column_types={name: pa.binary() for name in names},
            null_values=[""],  # as COPY has it: nothing is null, "" is an empty text
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    first_row = 0
    with reader:
        for batch in reader:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                part = batch.slice(start, _BATCH_ROWS)
                yield chunk_of(part, first_row, place)
                first_row += part.num_rows


def _header(source: BinaryIO) -> list[str]:
    """The names in the first row. A file that does not end its last line is refused: it may be cut off in a value."""
    if source.seek(0, os.SEEK_END) == 0:
        raise BadFile("it is empty")
    source.seek(-1, os.SEEK_END)
    if source.read(1) not in (b"\n", b"\r"):
        raise BadFile("its last line has no end: it is cut off (if it is not, add a line end)")
    source.seek(0)
    names = next(csv.reader(io.StringIO(source.read(_CSV_BLOCK).decode("utf-8-sig", "replace"), newline="")))
    source.seek(0)
    return names


def _ndjson(source: BinaryIO, place: Place) -> Iterator[Chunk]:
    rides: list[bytes] = []
    letters: list[bytes] = []
    size = 0
    before, after = b"," + place.before_offset, place.after_offset
    number = -1
    while line := source.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise BadFile(f"line {number + 1} is longer than {_LONGEST_LINE >> 20} MiB")
        ended = line.endswith(b"\n")
        message = line[:-1] if ended else line
        try:
            rides.append(b"%b%b,%d,%b" % (ride_columns(message), before, number, after))
        except DeadLetter as letter:
            if not ended:
                raise BadFile(f"its last line, {number + 1}, is cut off") from None
            start = b",".join((binary(message), NULL, letter.reason.encode()))
            letters.append(place.line(start, number))
        size += len(line)
        if size >= _BATCH_BYTES:
            yield Chunk(b"".join(rides), len(rides), b"".join(letters), len(letters))
            rides, letters, size = [], [], 0
    if number < 0:
        raise BadFile("it is empty")
    yield Chunk(b"".join(rides), len(rides), b"".join(letters), len(letters))
