"""The loader's PostgreSQL session: which partitions it owns, and one transaction per batch.

A partition belongs to the session that holds its advisory lock. PostgreSQL releases the lock the moment the session
ends: a killed loader's partitions are free at once, and a loader whose session was cut cannot commit: it is fenced.
"""

import os
import socket
from collections.abc import Iterable
from io import BytesIO
from typing import Self
from uuid import UUID

from psycopg2.extensions import connection

from ingestion.contract import LOADER
from ingestion.database.copying import copy_into
from ingestion.database.sessions import connect
from ingestion.errors import OffsetsSetBack
from ingestion.loader import ledger
from ingestion.loader.batch import Batch
from ingestion.loader.ledger import Place
from ingestion.message.tables import UNVERIFIED, tables
from ingestion.migrations import require_current
from ingestion.settings import KafkaSettings

_COPY_BUFFER = 1 << 20  # bytes handed to libpq at a time; smaller pieces would fight the reading thread for the GIL


class Store:
    """A loader's session, as the loader's role."""

    def __init__(self, session: connection, loader_id: UUID, topic: str, topic_id: UUID) -> None:
        self._session = session
        self._loader_id = loader_id
        self._topic = topic
        self._topic_id = topic_id

    @classmethod
    def open(cls, loader_id: UUID, mode: str, fingerprints: list[str], topic: str, topic_id: UUID) -> Self:
        """Connect, check the migrations, and publish which loader runs with which dye keys.

        Raises:
            SettingsError: address or password is not set.
            DatabaseUnavailable: PostgreSQL cannot be reached.
            SchemaOutdated: a migration is missing.
        """
        session = connect(LOADER, f"ingestion load {mode}")
        try:
            require_current(session)
            with session, session.cursor() as query:
                # A machine that vanishes must not hold its partitions for hours.
                query.execute("set tcp_keepalives_idle = 4")
                query.execute("set tcp_keepalives_interval = 2")
                query.execute("set tcp_keepalives_count = 2")
                query.execute(
                    "insert into raw.loaders (loader_id, host, pid, backend_pid, mode, key_fingerprints) "
                    "values (%s, %s, %s, pg_backend_pid(), %s, %s) "
                    "on conflict (loader_id) do update set backend_pid = excluded.backend_pid",
                    (str(loader_id), socket.gethostname(), os.getpid(), mode, fingerprints),
                )
                if mode == "follow":
                    query.execute(
                        "select pg_advisory_lock_shared(hashtext('ingestion'), hashtext(%s))", (_follow_lock(topic),)
                    )
                    query.execute("select pg_advisory_lock_shared(hashtext(%s), -1)", (str(topic_id),))
        except BaseException:
            session.close()
            raise
        return cls(session, loader_id, topic, topic_id)

    def close(self) -> None:
        """End the session, which frees its partitions."""
        self._session.close()

    def followers(self) -> int:
        """Number of loaders that follow this topic, this one included."""
        with self._session, self._session.cursor() as query:
            query.execute(
                "select count(distinct pid) from pg_locks where locktype = 'advisory' and granted and objsubid = 2 "
                "and database = (select oid from pg_database where datname = current_database()) "
                "and classid = hashtext(%s)::oid and objid = (-1)::oid",
                (str(self._topic_id),),
            )
            return int(query.fetchall()[0][0])

    def try_to_own(self, partition: int) -> bool:
        """Take a partition unless another loader holds it."""
        with self._session, self._session.cursor() as query:
            query.execute("select pg_try_advisory_lock(hashtext(%s), %s)", (str(self._topic_id), partition))
            return bool(query.fetchall()[0][0])

    def holders(self, partitions: Iterable[int]) -> dict[int, str]:
        """The session that holds each of these partitions; a free one is left out."""
        with self._session, self._session.cursor() as query:
            query.execute(
                "select locks.objid::int, format('backend %%s (%%s)', locks.pid, activity.application_name) "
                "from pg_locks as locks left join pg_stat_activity as activity on locks.pid = activity.pid "
                "where locks.locktype = 'advisory' and locks.granted and locks.objsubid = 2 "
                "and locks.database = (select oid from pg_database where datname = current_database()) "
                "and locks.classid = hashtext(%s)::oid and locks.objid = any(%s::oid[])",
                (str(self._topic_id), list(partitions)),
            )
            return dict(query.fetchall())

    def give_up(self, partition: int) -> None:
        """Free a partition for other loaders."""
        with self._session, self._session.cursor() as query:
            query.execute("select pg_advisory_unlock(hashtext(%s), %s)", (str(self._topic_id), partition))

    def next_offsets(self, partitions: Iterable[int]) -> dict[int, int]:
        """The next offset to load of each partition; a new partition starts at 0.

        Raises:
            OffsetsSetBack: the stored offsets differ from what was loaded.
        """
        return {partition: place.next_offset for partition, place in self.places(partitions).items()}

    def places(self, partitions: Iterable[int]) -> dict[int, Place]:
        """Where to continue reading each partition; otherwise like `next_offsets`."""
        with self._session, self._session.cursor() as query:
            return ledger.places(query, self._topic, self._topic_id, partitions)

    def record_gap(self, partition: int, place: Place, to_offset: int, reason: str) -> None:
        """Record that the topic does not hold what is next; a gap not passed yet grows."""
        with self._session, self._session.cursor() as query:
            ledger.record_gap(query, self._topic, partition, place, to_offset, reason)

    def ranges(self, partition: int) -> list[tuple[UUID, int]]:
        """The topic ids under which a partition's offsets are stored, newest first.

        Each comes with its first offset.
        """
        with self._session, self._session.cursor() as query:
            return ledger.ranges(query, self._topic_id, partition)

    def stored_hash(self, stored_as: UUID, partition: int, from_offset: int, up_to: int) -> tuple[int, str] | None:
        """The highest message stored in a range of offsets, with the hash of its stored form."""
        with self._session, self._session.cursor() as query:
            return ledger.stored_hash(query, stored_as, partition, from_offset, up_to)

    def start_anew(self, partition: int, place: Place, from_offset: int) -> Place:
        """Continue a partition from an offset whose messages the broker lost, with a new topic id.

        Raises:
            Fenced: the stored offset is not where this loader found it.
        """
        with self._session, self._session.cursor() as query:
            return ledger.start_anew(query, self._topic, self._topic_id, partition, place, from_offset)

    def require_nothing_beyond(self, partition: int, place: Place) -> None:
        """Make sure that nothing is stored from the next offset on.

        Raises:
            OffsetsSetBack: something is.
        """
        with self._session, self._session.cursor() as query:
            query.execute("select raw.highest_stored(%s, %s)", (str(place.stored_as), partition))
            highest: int | None = query.fetchall()[0][0]
        if highest is not None and highest >= place.next_offset:
            where = (
                f"partition {partition}: offset {place.next_offset} is next, but messages up to {highest} are stored"
            )
            raise OffsetsSetBack(ledger.set_back(self._topic, where))

    def note_missing(self, stored_as: UUID, partition: int) -> int:
        """Check that the last message loaded is stored.

        If not, record permanently how many are missing, and report it.
        """
        with self._session, self._session.cursor() as query:
            query.execute("select raw.note_missing(%s, %s)", (str(stored_as), partition))
            return int(query.fetchall()[0][0])

    def commit(self, batch: Batch) -> None:
        """Write rows, dead letters, offsets and totals in one transaction.

        Raises:
            Fenced, OffsetsSetBack: a stored offset is not where this loader left it; nothing was written.
            psycopg2.Error: see `is_outage`.
        """
        with self._session, self._session.cursor() as query:
            stored_as = ledger.lock(query, batch)
            for kind, lines in batch.lines.items():
                if lines:
                    table = tables(batch.contract)[kind]
                    copy_into(query, table, BytesIO(b"\n".join(lines) + b"\n"), _COPY_BUFFER)
            ledger.move(query, batch, stored_as)
            if claims := len(batch.lines[UNVERIFIED]):
                query.execute(
                    "update raw.loaders set unverified_dye = unverified_dye + %s where loader_id = %s",
                    (claims, str(self._loader_id)),
                )


def _follow_lock(topic: str) -> str:
    """Return the name of the lock that every loader holds while it follows a topic."""
    return f"follow {topic}"


def follower_alive(database_connection: connection, topic: str | None = None) -> bool:
    """Whether a loader that follows the topic is running: one holds the follow lock.

    Any role may ask.

    Args:
        database_connection: to the database that it loads into.
        topic: its name; by default that of the environment.
    """
    topic = topic or KafkaSettings.from_environment().topic
    with database_connection.cursor() as query:
        query.execute(
            "select exists (select from pg_locks where locktype = 'advisory' and granted and objsubid = 2 "
            "and database = (select oid from pg_database where datname = current_database()) "
            "and classid = hashtext('ingestion')::oid and objid = hashtext(%s)::oid)",
            (_follow_lock(topic),),
        )
        return bool(query.fetchall()[0][0])


def follower_key_fingerprints(database_connection: connection, topic: str | None = None) -> list[list[str]]:
    """Fingerprints of the dye keys that each running follower of the topic accepts.

    Requires select on raw.loaders.

    Args:
        database_connection: to the database that it loads into.
        topic: its name; by default that of the environment.
    """
    topic = topic or KafkaSettings.from_environment().topic
    with database_connection.cursor() as query:
        query.execute(
            "select distinct on (loaders.backend_pid) loaders.key_fingerprints from raw.loaders as loaders "
            "inner join pg_locks as locks on loaders.backend_pid = locks.pid "
            "where loaders.mode = 'follow' and locks.locktype = 'advisory' and locks.granted and locks.objsubid = 2 "
            "and locks.database = (select oid from pg_database where datname = current_database()) "
            "and locks.classid = hashtext('ingestion')::oid and locks.objid = hashtext(%s)::oid "
            "order by loaders.backend_pid, loaders.started_at desc",
            (_follow_lock(topic),),
        )
        return [fingerprints for (fingerprints,) in query.fetchall()]
