"""Turn open Parquet, CSV and NDJSON files into chunks of lines."""

import csv
import io
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ingestion.bulk.reading.columns import Chunk, RowPlace, check_names, chunk_of, with_nanoseconds
from ingestion.bulk.reading.files import BadFile, FileFormat
from ingestion.bulk.reading.rows import ALL_ROWS, RowRange
from ingestion.message.rows import NULL, NotStorable, binary

_BATCH_ROWS = 16_384
_BATCH_BYTES = 4 << 20
_CSV_BLOCK = 1 << 20  # bytes; also the size of the longest row
_CSV_END = b"-- behind the last row --"
_LONGEST_LINE = 16 << 20  # bytes of a line of NDJSON: more than a message on the topic may have
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parquet(source: BinaryIO, place: RowPlace, rows: RowRange) -> Iterator[Chunk]:
    """Read the wanted rows of a Parquet file."""
    # No read-ahead of whole column chunks: a row group may not fit in memory.
    with pq.ParquetFile(
        source, pre_buffer=False, buffer_size=1 << 18, coerce_int96_timestamp_unit="us"
    ) as parquet_file:
        check_names(parquet_file.schema_arrow.names, place)
        footer = parquet_file.metadata
        stored = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
        at_once = max(64, min(_BATCH_ROWS, _BATCH_BYTES * footer.num_rows // max(stored, 1)))
        first_row = 0
        for batch in _with_whole_times(source, parquet_file, at_once):
            for start, end in rows.of(first_row, batch.num_rows):
                yield chunk_of(batch.slice(start, end - start), first_row + start, place)
            first_row += batch.num_rows
        if first_row != footer.num_rows:
            raise BadFile(f"it holds {first_row} rows, but its footer says {footer.num_rows}")


def _with_whole_times(source: BinaryIO, parquet_file: pq.ParquetFile, at_once: int) -> "Iterator[pa.RecordBatch]":
    """The batches, with times of the old type INT96 as text.

    Arrow reads these as nanoseconds, which wrap around outside 1677-2262, or as microseconds, which lose digits.
    """
    schema = parquet_file.schema
    old = [
        schema.column(place).path
        for place in range(len(schema))
        if schema.column(place).physical_type == "INT96" and schema.column(place).path in schema.to_arrow_schema().names
    ]
    batches = parquet_file.iter_batches(at_once, use_threads=False)
    if not old:
        yield from batches
        return
    with pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 18) as again:
        for batch, fine in zip(batches, again.iter_batches(at_once, columns=old, use_threads=False), strict=True):
            if batch.num_rows != fine.num_rows:
                raise BadFile("its columns differ in length")
            for name in old:
                text = with_nanoseconds(batch.column(name), fine.column(name))
                batch = batch.set_column(batch.schema.get_field_index(name), name, text)
            yield batch


def csv_rows(source: BinaryIO, place: RowPlace, rows: RowRange) -> Iterator[Chunk]:
    """Read the wanted rows of a CSV file."""
    names = _header(source)
    check_names(names, place)
    reader = pa_csv.open_csv(
        _CsvBlocks(source, len(names)),
        pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(
            check_utf8=False,  # checked later, row by row
            column_types={name: pa.binary() for name in names},
            null_values=[""],  # as in COPY: an empty value is null, "" is an empty text
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    first_row = 0
    with reader:
        for batch in _without_last_row(reader):
            for low, high in rows.of(first_row, batch.num_rows):
                for start in range(low, high, _BATCH_ROWS):
                    part = batch.slice(start, min(_BATCH_ROWS, high - start))
                    yield chunk_of(part, first_row + start, place)
            first_row += batch.num_rows


class _CsvBlocks(io.RawIOBase):
    """A CSV file in blocks for Arrow, with a sentinel row at the end.

    No block ends with a CR: Arrow drops an LF at the start of a block if the previous block ended with a CR, even
    within quotes. Arrow also accepts a quoted value that never ends; then the sentinel row becomes part of that value.
    """

    def __init__(self, source: BinaryIO, columns: int) -> None:
        self._source = source
        self._last_row: bytes | None = _CSV_END + b"," * (columns - 1) + b"\n"

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        if not block:
            block, self._last_row = self._last_row or b"", None
        elif block == b"\r":
            block += self._source.read(1)
        elif block.endswith(b"\r"):
            self._source.seek(-1, os.SEEK_CUR)
            block = block[:-1]
        return block


def _without_last_row(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """All rows but the sentinel row of _CsvBlocks."""
    before: pa.RecordBatch | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        if before is not None:
            yield before
        before = batch
    if before is None or before.column(0)[-1].as_py() != _CSV_END:
        raise BadFile("a quoted value in its last row is not closed: the file is cut off")
    yield before.slice(0, before.num_rows - 1)


def _header(source: BinaryIO) -> list[str]:
    """Read the column names in the first row.

    A file whose last line has no end is refused: it may have been cut off within a value.
    """
    if source.seek(0, os.SEEK_END) == 0:
        raise BadFile("it is empty")
    source.seek(-1, os.SEEK_END)
    if source.read(1) not in (b"\n", b"\r"):
        raise BadFile("its last line has no line end: the file is cut off (if it is complete, add a line end)")
    source.seek(0)
    names = next(csv.reader(io.StringIO(source.read(_CSV_BLOCK).decode("utf-8-sig", "replace"), newline="")))
    source.seek(0)
    return names


def ndjson(source: BinaryIO, place: RowPlace, rows: RowRange) -> Iterator[Chunk]:
    """Read the wanted lines of a file of JSON objects."""
    taken: list[bytes] = []
    letters: list[bytes] = []
    size = 0
    before, after = b"," + place.before_offset, place.after_offset()
    time_name = msgspec.json.encode(place.time_column)
    time_of = _time_reader(place.time_column)
    from_folders = b"".join(
        msgspec.json.encode(name) + b":" + msgspec.json.encode(value) + b","
        for name, value in place.folder_columns.items()
    )
    number = -1
    while line := source.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise BadFile(f"line {number + 1} is longer than {_LONGEST_LINE >> 20} MiB")
        ended = line.endswith(b"\n")
        message = line[:-1] if ended else line
        at = place.after_offset(time_of(message)) if time_name in message else after
        try:
            columns = place.encoder.columns(_with_columns(message, from_folders) if from_folders else message)
            written, text = taken, b"%b%b,%d,%b" % (columns, before, number, at)
        except NotStorable as letter:
            if not ended:
                raise BadFile(f"its last line, {number + 1}, is cut off") from None
            start = b",".join((binary(message), NULL, letter.reason.encode()))
            written, text = letters, b"%b%b,%d,%b" % (start, before, number, at)
        if rows is ALL_ROWS or number in rows:
            written.append(text)
            size += len(line)
        if size >= _BATCH_BYTES:
            yield Chunk(b"".join(taken), len(taken), b"".join(letters), len(letters))
            taken, letters, size = [], [], 0
    if number < 0:
        raise BadFile("it is empty")
    yield Chunk(b"".join(taken), len(taken), b"".join(letters), len(letters))


def _time_reader(name: str) -> Callable[[bytes], str | None]:
    decode = msgspec.json.Decoder(msgspec.defstruct("_Timed", [("at", object, None)], rename={"at": name})).decode

    def read(message: bytes) -> str | None:
        try:
            at = getattr(decode(message), "at")  # noqa: B009  # mypy does not know a class made here
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None  # whether it can be stored is checked elsewhere
        return at if isinstance(at, str) else None

    return read


def _with_columns(message: bytes, members: bytes) -> bytes:
    """A JSON object with the folder columns put before its own members.

    If a name appears twice, the last value counts.
    """
    start, brace, rest = message.partition(b"{")
    if not brace or start.strip(b" \t\r\n"):
        return message
    if rest.lstrip(b" \t\r\n").startswith(b"}"):
        members = members[:-1]
    return start + brace + members + rest


READERS = {FileFormat.PARQUET: parquet, FileFormat.CSV: csv_rows, FileFormat.NDJSON: ndjson}
"""The reader of each format. All raise BadFile, or Arrow's own error for what it cannot read."""
