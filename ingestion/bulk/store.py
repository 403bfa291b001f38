"""The bulk load's session in PostgreSQL: a group of files, rows and record together, is one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Self
from uuid import UUID

from psycopg2.extensions import connection, cursor

from ingestion.bulk.columns import Chunk
from ingestion.bulk.files import RidesFile
from ingestion.loader.batch import LIVE_LETTERS, LIVE_RIDES, Table
from ingestion.loader.store import copy_statement
from ingestion.migrations import require_current
from ingestion.settings import connect

_COPY_BYTES = 8 << 20  # lines gathered for one COPY


@dataclass(frozen=True, slots=True)
class Source:
    """A file to load: which it is, its topic id, its size in bytes, and its rows."""

    file: RidesFile
    topic_id: UUID
    size: int
    chunks: Iterable[Chunk]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load wrote: files, rides and dead letters."""

    files: int
    rides: int
    dead_letters: int


class BulkStore:
    """One session as role taxi_loader, which may add files but take nothing away but through raw.forget_files."""

    def __init__(self, session: connection) -> None:
        self._session = session

    @classmethod
    def open(cls) -> Self:
        """Connect and check the migrations.

        Raises:
            SettingsError: address or password is not set.
            DatabaseUnavailable: PostgreSQL cannot be reached.
            SchemaOutdated: a migration is missing.
        """
        session = connect("taxi_loader", "ingestion bulk-load")
        try:
            require_current(session)
        except BaseException:
            session.close()
            raise
        return cls(session)

    def close(self) -> None:
        """End the session; what was not committed is gone."""
        self._session.close()

    def known(self, topic_ids: Iterable[UUID]) -> set[UUID]:
        """Which of these contents are loaded."""
        with self._session, self._session.cursor() as query:
            return _known(query, topic_ids)

    def loaded_by(self, load_id: UUID) -> Loaded:
        """What a load has committed."""
        with self._session, self._session.cursor() as query:
            query.execute(
                "select count(*), coalesce(sum(rides), 0)::bigint, coalesce(sum(dead_letters), 0)::bigint "
                "from raw.loaded_files where load_id = %s",
                (str(load_id),),
            )
            return Loaded(*query.fetchall()[0])

    def load(self, load_id: UUID, sources: Sequence[Source]) -> int:
        """Write files in one transaction; those that are loaded already, also meanwhile by another, are left out.

        Returns:
            Rides and dead letters written.

        Raises:
            BadFile: from a source's chunks; nothing was written.
            psycopg2.Error: nothing was written, or (if the connection broke) all of it.
        """
        wanted = {source.topic_id: source for source in sources}
        with self._session, self._session.cursor() as query:
            query.execute("select pg_advisory_xact_lock_shared(hashtext('ingestion'), hashtext('replace day'))")
            for topic_id in sorted(wanted):  # in one order, so that two loads of the same files cannot lock each other
                query.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (str(topic_id),))
            for topic_id in _known(query, wanted):
                del wanted[topic_id]
            return _write(query, load_id, wanted.values())

    def replace_day(self, load_id: UUID, day: date, sources: Sequence[Source]) -> Loaded:
        """Exchange the files of a day for these in one transaction; files that stay the same are not touched.

        Returns:
            The files, rides and dead letters that were taken away.

        Raises:
            BadFile: from a source's chunks; nothing was changed.
            psycopg2.Error: nothing was changed, or (if the connection broke) all of it.
        """
        wanted = {source.topic_id: source for source in sources}
        with self._session, self._session.cursor() as query:
            query.execute("select pg_advisory_xact_lock(hashtext('ingestion'), hashtext('replace day'))")
            query.execute(
                "select files, rides, dead_letters from raw.forget_files(%s, %s::uuid[])",
                (day, [str(topic_id) for topic_id in wanted]),
            )
            forgotten = Loaded(*query.fetchall()[0])
            for topic_id in _known(query, wanted):
                del wanted[topic_id]
            _write(query, load_id, wanted.values())
        return forgotten


def _known(query: cursor, topic_ids: Iterable[UUID]) -> set[UUID]:
    query.execute(
        "select topic_id::text from raw.loaded_files where topic_id = any(%s::uuid[])",
        ([str(topic_id) for topic_id in topic_ids],),
    )
    return {UUID(topic_id) for (topic_id,) in query.fetchall()}


def _write(query: cursor, load_id: UUID, sources: Iterable[Source]) -> int:
    pending = _Pending(query)
    rows = 0
    for source in sources:
        rides = letters = 0
        for chunk in source.chunks:
            rides += chunk.ride_count
            letters += chunk.letter_count
            pending.add(chunk)
        rows += rides + letters
        query.execute(
            "insert into raw.loaded_files (topic_id, path, day, bytes, rides, dead_letters, load_id) "
            "values (%s, %s, %s, %s, %s, %s, %s)",
            (
                str(source.topic_id),
                source.file.name.replace("\x00", ""),
                source.file.day,
                source.size,
                rides,
                letters,
                str(load_id),
            ),
        )
    pending.copy()
    return rows


class _Pending:
    """Lines gathered until a COPY is worth its start."""

    def __init__(self, query: cursor) -> None:
        self._query = query
        self._chunks: list[Chunk] = []
        self._size = 0

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._size += chunk.size
        if self._size >= _COPY_BYTES:
            self.copy()

    def copy(self) -> None:
        self._copy(LIVE_RIDES, (chunk.rides for chunk in self._chunks))
        self._copy(LIVE_LETTERS, (chunk.letters for chunk in self._chunks))
        self._chunks.clear()
        self._size = 0

    def _copy(self, table: Table, lines: Iterator[bytes | memoryview]) -> None:
        if data := b"".join(lines):
            self._query.copy_expert(copy_statement(table), BytesIO(data), size=1 << 18)
