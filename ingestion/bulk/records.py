"""Read and write raw.loaded_files and raw.file_days, the records of loaded files.

They say which files are loaded, for which days, and which of them lost rows.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import cursor

from ingestion.bulk.reading.files import SourceFile
from ingestion.bulk.reading.opened import OpenFile

_COLUMNS = sql.SQL(", ").join(
    sql.Identifier("files", name)
    for name in (
        *("topic_id", "path", "content", "format", "folder_columns", "bytes", "first_row", "rows", "dead_letters"),
        *("continues", "loaded_at", "retired_at"),
    )
)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A loaded file.

    Attributes:
        topic_id: topic id of its rows.
        path: its path when the rows were written.
        content: hash of its content.
        format: the format it was read with.
        folder_columns: columns that its folder names gave; None: folder names were not read yet.
        size: size in bytes.
        first_row: the first row written; the rows before it belong to its earlier content.
        rows, dead_letters: number of rows and dead letters written.
        continues: the topic id of that earlier content; None if there is none.
        loaded_at: when it was loaded.
        retired: retention deleted rows of it.
    """

    topic_id: UUID
    path: str
    content: UUID
    format: str
    folder_columns: Mapping[str, str | None] | None
    size: int
    first_row: int
    rows: int
    dead_letters: int
    continues: UUID | None
    loaded_at: datetime
    retired: bool

    @property
    def written(self) -> int:
        """Number of rows and dead letters written."""
        return self.rows + self.dead_letters

    @property
    def end_row(self) -> int:
        """The number of the row after its last one."""
        return self.first_row + self.written

    def is_of(self, opened: OpenFile) -> bool:
        """Whether a file has this content and is read the same way."""
        return opened.content == self.content and self.is_read_as(opened)

    def is_read_as(self, opened: OpenFile) -> bool:
        """Whether a file is read the same way as this one."""
        if opened.file.format != self.format:
            return False
        if self.folder_columns is None:  # a field that was not read then makes them different messages
            return not set(opened.folder_columns) & set(opened.fields)
        return opened.folder_columns == self.folder_columns

    def is_beginning_of(self, opened: OpenFile) -> bool:
        """Whether a file is this one with more rows at the end."""
        return opened.beginnings.get(self.size) == self.content and self.is_read_as(opened)


@dataclass(frozen=True, slots=True)
class FileClaim:
    """A day that a file was requested for.

    Attributes:
        topic_id: topic id of the file.
        day: the day; None if its path names none.
        path: its path.
    """

    topic_id: UUID
    day: date | None
    path: str


def with_contents(query: cursor, contents: Iterable[UUID]) -> dict[UUID, list[FileRecord]]:
    """The loaded files with these contents, by content."""
    query.execute(
        sql.SQL("select {} from raw.loaded_files as files where files.content = any(%s::uuid[])").format(_COLUMNS),
        ([str(content) for content in contents],),
    )
    found: dict[UUID, list[FileRecord]] = defaultdict(list)
    for record in map(_record, query.fetchall()):
        found[record.content].append(record)
    return found


def with_continued(query: cursor, topic_ids: Iterable[UUID]) -> list[FileRecord]:
    """These files, and those that they continue."""
    query.execute(
        sql.SQL(
            "with recursive wanted as (select wanted.topic_id from unnest(%s::uuid[]) as wanted (topic_id) "
            "union select files.continues from raw.loaded_files as files "
            "inner join wanted on files.topic_id = wanted.topic_id where files.continues is not null) "
            "select {} from raw.loaded_files as files inner join wanted on files.topic_id = wanted.topic_id"
        ).format(_COLUMNS),
        ([str(topic_id) for topic_id in topic_ids],),
    )
    return [_record(row) for row in query.fetchall()]


def at_paths(query: cursor, files: Iterable[SourceFile]) -> dict[str, list[tuple[date | None, FileRecord]]]:
    """What was loaded from the paths of some files, by path, with the days requested."""
    query.execute(
        sql.SQL(
            "select days.path, days.day, {} from raw.file_days as days "
            "inner join raw.loaded_files as files on days.topic_id = files.topic_id where days.path = any(%s)"
        ).format(_COLUMNS),
        (list({stored_name(file) for file in files}),),
    )
    found: dict[str, list[tuple[date | None, FileRecord]]] = defaultdict(list)
    for path, day, *row in query.fetchall():
        found[path].append((day, _record(row)))
    return found


def with_lost_rows(query: cursor, records: Iterable[FileRecord]) -> list[FileRecord]:
    """Those of some files that have lost rows."""
    kept = {str(record.topic_id): record for record in records if not record.retired}
    query.execute("select topic_id, stored from raw.file_rows(%s::uuid[])", (list(kept),))
    return [kept[topic_id] for topic_id, stored in query.fetchall() if stored < kept[topic_id].written]


def missing_rows(query: cursor, topic_id: UUID) -> tuple[tuple[int, int], ...]:
    """The missing rows of a file, as ranges."""
    query.execute("select from_row, to_row from raw.missing_file_rows(%s)", (str(topic_id),))
    return tuple(query.fetchall())


def add_record(
    query: cursor, load_id: UUID, opened: OpenFile, rows: int, dead_letters: int, continues: FileRecord | None
) -> None:
    """Record that a file is loaded, in the transaction of its rows."""
    query.execute(
        "insert into raw.loaded_files (topic_id, path, content, format, folder_columns, bytes, first_row, rows, "
        "dead_letters, continues, load_id) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            str(opened.topic_id),
            stored_name(opened.file),
            str(opened.content),
            str(opened.file.format),
            json.dumps(opened.folder_columns),
            opened.size,
            continues.end_row if continues else 0,
            rows,
            dead_letters,
            str(continues.topic_id) if continues else None,
            str(load_id),
        ),
    )


def add_claims(query: cursor, load_id: UUID, claims: Sequence[FileClaim]) -> None:
    """Record the days that files, and those that they continue, were requested for."""
    query.execute(
        "with recursive asked (topic_id, day, path) as ("
        "select * from unnest(%s::uuid[], %s::date[], %s::text[]) union "
        "select files.continues, asked.day, asked.path from raw.loaded_files as files "
        "inner join asked on files.topic_id = asked.topic_id where files.continues is not null) "
        "insert into raw.file_days (topic_id, day, path, load_id) "
        "select topic_id, day, path, %s from asked on conflict do nothing",
        (
            [str(claim.topic_id) for claim in claims],
            [claim.day for claim in claims],
            [claim.path for claim in claims],
            str(load_id),
        ),
    )


def stored_name(file: SourceFile) -> str:
    """A file's name as the tables store it."""
    return file.name.replace("\x00", "")


def _record(row: Sequence[object]) -> FileRecord:
    topic_id, path, content, kind, columns, size, first_row, rows, dead_letters, continues, loaded_at, retired_at = row
    return FileRecord(
        UUID(str(topic_id)),
        str(path),
        UUID(str(content)),
        str(kind),
        columns,  # type: ignore[arg-type]  # psycopg2 returns jsonb as Python values
        int(str(size)),
        int(str(first_row)),
        int(str(rows)),
        int(str(dead_letters)),
        UUID(str(continues)) if continues else None,
        loaded_at,  # type: ignore[arg-type]  # and timestamptz as a datetime
        retired_at is not None,
    )
