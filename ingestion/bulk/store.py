"""The bulk load's PostgreSQL session: one transaction for a group of files and its records."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from io import BytesIO
from typing import Self
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection, cursor

from ingestion.bulk import records
from ingestion.bulk.counts import Loaded
from ingestion.bulk.reading.columns import Chunk, RowPlace
from ingestion.bulk.reading.files import SourceFile
from ingestion.bulk.reading.opened import OpenFile
from ingestion.bulk.reading.rows import RowRange
from ingestion.bulk.records import FileClaim, FileRecord
from ingestion.bulk.standing import DayPlan, Earlier, Standing, plan_of_day, standings
from ingestion.contract import LOADER, Contract
from ingestion.database.copying import copy_into
from ingestion.database.locks import REPLACE_DAY, lock_of_stream
from ingestion.database.sessions import connect
from ingestion.message.tables import LIVE_LETTERS, LIVE_ROWS, Kind, RawTable, tables
from ingestion.migrations import require_current
from ingestion.settings.pipeline import contract

Read = Callable[[OpenFile, RowRange, RowPlace | None], Iterator[Chunk]]
"""Reads the wanted rows of a file; see OpenFile.chunks."""

_Tables = Mapping[Kind, RawTable]

_COPY_BYTES = 8 << 20  # lines gathered for one COPY


class Outrun(Exception):  # a signal inside the bulk load: compare again
    """Another command has removed a file that was found a moment ago; nothing was written."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file to load: its identity, its rows, and the file it continues."""

    opened: OpenFile
    chunks: Iterable[Chunk]
    continues: FileRecord | None = None


@dataclass(slots=True)
class Replaced:
    """The result of replacing a day.

    Attributes:
        gone: what was removed.
        already_loaded: number of unchanged files.
        restored: by file, the number of lost rows that were loaded again.
        appended: by file, the number of its rows that were loaded before.
    """

    gone: Loaded
    already_loaded: int = 0
    restored: dict[str, int] = field(default_factory=dict)
    appended: dict[str, int] = field(default_factory=dict)


class BulkStore:
    """A session as the loader's role.

    The role may add files; it may remove them only through raw.forget_files.
    """

    def __init__(self, session: connection, contract: Contract) -> None:
        self._session = session
        self._tables = tables(contract)

    @classmethod
    def open(cls, application_name: str = "ingestion bulk-load") -> Self:
        """Connect and check the migrations.

        Args:
            application_name: the session's name in pg_stat_activity.

        Raises:
            SettingsError: address or password is not set.
            DatabaseUnavailable: PostgreSQL cannot be reached.
            SchemaOutdated: a migration is missing.
        """
        session = connect(LOADER, application_name)
        try:
            require_current(session)
        except BaseException:
            session.close()
            raise
        return cls(session, contract())

    def close(self) -> None:
        """End the session; uncommitted work is rolled back."""
        self._session.close()

    def earlier(self, files: Iterable[SourceFile]) -> Earlier:
        """What was loaded from the paths of some files."""
        with self._session, self._session.cursor() as query:
            return records.at_paths(query, files)

    def standings(self, opened: Sequence[OpenFile], earlier: Earlier) -> list[Standing]:
        """Compare files with what was loaded before; `earlier` is what was loaded from their paths."""
        with self._session, self._session.cursor() as query:
            return standings(query, opened, earlier)

    def plan(self, day: date, opened: Sequence[OpenFile], earlier: Earlier) -> DayPlan:
        """What replacing a day by these files removes."""
        with self._session, self._session.cursor() as query:
            return plan_of_day(query, day, _kept(standings(query, opened, earlier)))

    def loaded_by(self, load_id: UUID) -> Loaded:
        """What a load has committed."""
        with self._session, self._session.cursor() as query:
            query.execute(
                "select count(*), coalesce(sum(rows), 0)::bigint, coalesce(sum(dead_letters), 0)::bigint "
                "from raw.loaded_files where load_id = %s",
                (str(load_id),),
            )
            return Loaded(*query.fetchall()[0])

    def load(self, load_id: UUID, sources: Sequence[FileSource], claims: Sequence[FileClaim]) -> int:
        """Write files in one transaction, leaving out those that are already loaded.

        A file that another command loads in the meantime is left out too.

        Args:
            load_id: the key of the command that loads them.
            sources: the files.
            claims: days that these files, and others that are loaded already, were requested for.

        Returns:
            RowRange and dead letters written.

        Raises:
            BadFile: from a source's chunks; nothing was written.
            Outrun: a file that is continued or claimed here was removed; nothing was written.
            psycopg2.Error: nothing was written, or (if the connection broke) all of it.
        """
        with _outrun(), self._session, self._session.cursor() as query:
            _lock(query, [source.opened for source in sources])
            known = records.with_contents(query, {source.opened.content for source in sources})
            pending = _Pending(query, self._tables)
            for source in sources:
                if not any(record.is_of(source.opened) for record in known[source.opened.content]):
                    _write(query, load_id, source, pending)
            pending.copy()
            records.add_claims(query, load_id, claims)
        return pending.rows

    def restore(self, standing: Standing, read: Read) -> int:
        """Load the missing rows of a file again, in one transaction.

        Returns:
            RowRange and dead letters written.

        Raises:
            As `load`.
        """
        with self._session, self._session.cursor() as query:
            _lock(query, [standing.opened])
            return _restore(query, standing, read, self._tables)

    def replace_day(
        self, load_id: UUID, day: date, opened: Sequence[OpenFile], earlier: Earlier, read: Read
    ) -> Replaced:
        """Replace the files of a day in one transaction; unchanged files are not touched.

        Args:
            load_id: the key of the command.
            day: the day.
            opened: its files.
            earlier: what was loaded from their paths.
            read: their rows.

        Raises:
            BadFile: from a file's rows; nothing was changed.
            psycopg2.Error: nothing was changed, or (if the connection broke) all of it.
        """
        with self._session, self._session.cursor() as query:
            lock_of_stream(query, REPLACE_DAY)
            found = standings(query, opened, earlier)
            query.execute(
                "select gone.files, gone.rows, gone.dead_letters "
                "from raw.forget_files(%s, %s::uuid[]) as gone (files, rows, dead_letters)",
                (day, [str(topic_id) for topic_id in _kept(found)]),
            )
            done = Replaced(Loaded(*query.fetchall()[0]))
            pending = _Pending(query, self._tables)
            seen: set[UUID] = set()
            for standing in found:
                name = standing.opened.file.name
                if standing.opened.topic_id in seen:
                    done.already_loaded += 1
                    continue
                seen.add(standing.opened.topic_id)
                if restored := _restore(query, standing, read, self._tables):
                    done.restored[name] = restored
                if standing.record:
                    done.already_loaded += 1
                    continue
                if standing.continues:
                    done.appended[name] = standing.continues.end_row
                rows = read(standing.opened, standing.rows, None)
                _write(query, load_id, FileSource(standing.opened, rows, standing.continues), pending)
            pending.copy()
            records.add_claims(query, load_id, [standing.claim() for standing in found])
        return done


@contextmanager
def _outrun() -> Iterator[None]:
    try:
        yield
    except psycopg2.errors.ForeignKeyViolation as error:  # in the records; rows have no such key
        raise Outrun from error


def _lock(query: cursor, opened: Iterable[OpenFile]) -> None:
    """Lock out other loads of these files and replacements of a day."""
    lock_of_stream(query, REPLACE_DAY, "pg_advisory_xact_lock_shared")
    for content in sorted({each.content for each in opened}):  # in one order, so that two loads cannot deadlock
        query.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (str(content),))


def _kept(found: Iterable[Standing]) -> list[UUID]:
    return [standing.kept for standing in found if standing.kept]


def _restore(query: cursor, standing: Standing, read: Read, tables: _Tables) -> int:
    pending = _Pending(query, tables)
    opened = standing.opened
    for record in standing.lost:
        if missing := records.missing_rows(query, record.topic_id):
            # Keep their original age: what has replaced them since stays the newer version.
            place = replace(
                opened.place(), topic=f"file:{record.path}", topic_id=record.topic_id, message_at=record.loaded_at
            )
            for chunk in read(opened, RowRange(missing), place):
                pending.add(chunk)
    pending.copy()
    return pending.rows


def _write(query: cursor, load_id: UUID, source: FileSource, pending: "_Pending") -> None:
    rows = letters = 0
    for chunk in source.chunks:
        rows += chunk.row_count
        letters += chunk.letter_count
        pending.add(chunk)
    records.add_record(query, load_id, source.opened, rows, letters, source.continues)


class _Pending:
    """Lines collected until a COPY pays off.

    Attributes:
        rows: number of rows and dead letters added.
    """

    def __init__(self, query: cursor, tables: _Tables) -> None:
        self._query = query
        self._tables = tables
        self._chunks: list[Chunk] = []
        self._size = 0
        self.rows = 0

    def add(self, chunk: Chunk) -> None:
        self.rows += chunk.row_count + chunk.letter_count
        self._chunks.append(chunk)
        self._size += chunk.size
        if self._size >= _COPY_BYTES:
            self.copy()

    def copy(self) -> None:
        self._copy(self._tables[LIVE_ROWS], (chunk.rows for chunk in self._chunks))
        self._copy(self._tables[LIVE_LETTERS], (chunk.letters for chunk in self._chunks))
        self._chunks.clear()
        self._size = 0

    def _copy(self, table: RawTable, lines: Iterator[bytes | memoryview]) -> None:
        if data := b"".join(lines):
            copy_into(self._query, table, BytesIO(data), 1 << 18)
