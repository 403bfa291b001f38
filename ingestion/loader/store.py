"""The loader's session in PostgreSQL: who owns which partition, and the one transaction that a batch is.

A partition belongs to the session that holds its advisory lock. PostgreSQL frees the lock the moment the session ends,
so a killed loader's partitions are free at once, and a loader whose session was cut cannot commit: it is fenced.
"""

import os
import socket
from collections.abc import Iterable
from io import BytesIO
from typing import Self
from uuid import UUID

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import execute_values

from ingestion.errors import DatabaseRefused, DatabaseUnavailable, Fenced
from ingestion.loader.batch import UNVERIFIED, Batch, Table
from ingestion.migrations import require_current
from ingestion.settings import connect

_COPY_BUFFER = 1 << 20  # bytes handed to libpq at a time; small pieces would fight the reading thread for the GIL

_OUTAGE_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
# connection, rollback by the server, out of resources, lock not free, shutdown, system error
_READ_ONLY = "25006"  # after a failover: the session is on a standby


def is_outage(error: psycopg2.Error) -> bool:
    """Whether the error is about the server and not about what was written: waiting helps."""
    if isinstance(error, psycopg2.InterfaceError):  # the connection is already closed
        return True
    if error.pgcode is None:
        return isinstance(error, psycopg2.OperationalError)
    return error.pgcode == _READ_ONLY or error.pgcode[:2] in _OUTAGE_CLASSES


def in_our_words(error: psycopg2.Error) -> DatabaseUnavailable | DatabaseRefused:
    """What an error of the driver's means: the server is away for now, or what was written is refused for good."""
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    if not is_outage(error):
        return DatabaseRefused(
            f"PostgreSQL refused a statement: {said} (SQLSTATE {error.pgcode}). Nothing of it was written; "
            "waiting does not help. Missing rights and tables come with `ingestion bootstrap` and `ingestion migrate`."
        )
    if error.pgcode == _READ_ONLY:
        said += ", as on a standby; PGHOST must name the primary"
    return DatabaseUnavailable(f"PostgreSQL failed: {said}.")


class Store:
    """One session of a loader, as role taxi_loader."""

    def __init__(self, session: connection, loader_id: UUID, topic: str, topic_id: UUID) -> None:
        self._session = session
        self._loader_id = loader_id
        self._topic = topic
        self._topic_id = topic_id

    @classmethod
    def open(cls, loader_id: UUID, mode: str, fingerprints: list[str], topic: str, topic_id: UUID) -> Self:
        """Connect, check the migrations, and publish who is at work with which keys.

        Raises:
            SettingsError: address or password is not set.
            DatabaseUnavailable: PostgreSQL cannot be reached.
            SchemaOutdated: a migration is missing.
        """
        session = connect("taxi_loader", f"ingestion load {mode}")
        try:
            require_current(session)
            with session, session.cursor() as query:
                # A machine that vanishes without a word must not hold its partitions for hours.
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
                    query.execute("select pg_advisory_lock_shared(hashtext('ingestion'), hashtext('follow'))")
                    query.execute("select pg_advisory_lock_shared(hashtext(%s), -1)", (str(topic_id),))
        except BaseException:
            session.close()
            raise
        return cls(session, loader_id, topic, topic_id)

    def close(self) -> None:
        """End the session; its partitions are free."""
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
        """Take a partition unless another loader has it."""
        with self._session, self._session.cursor() as query:
            query.execute("select pg_try_advisory_lock(hashtext(%s), %s)", (str(self._topic_id), partition))
            return bool(query.fetchall()[0][0])

    def holders(self, partitions: Iterable[int]) -> dict[int, str]:
        """Which session has each of these partitions; one that is free is left out."""
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
        """The next offset to load of each partition; one never seen before starts at 0."""
        wanted = list(partitions)
        with self._session, self._session.cursor() as query:
            query.execute(
                'insert into raw.loaded_offsets (topic_id, topic, "partition", next_offset) '
                "select %s, %s, number, 0 from unnest(%s::int[]) as number on conflict do nothing",
                (str(self._topic_id), self._topic, wanted),
            )
            query.execute(
                'select "partition", next_offset from raw.loaded_offsets where topic_id = %s and "partition" = any(%s)',
                (str(self._topic_id), wanted),
            )
            return dict(query.fetchall())

    def record_gap(self, partition: int, from_offset: int, to_offset: int, reason: str) -> None:
        """Record offsets that the topic no longer holds, unless they lie in a gap that is recorded already."""
        with self._session, self._session.cursor() as query:
            query.execute(
                'insert into raw.gaps (topic_id, topic, "partition", from_offset, to_offset, reason) '
                "select %(topic_id)s, %(topic)s, %(partition)s, %(from)s, %(to)s, %(reason)s where not exists ("
                'select from raw.gaps where topic_id = %(topic_id)s and "partition" = %(partition)s '
                "and reason = %(reason)s and from_offset <= %(from)s and to_offset >= %(to)s)",
                {
                    "topic_id": str(self._topic_id),
                    "topic": self._topic,
                    "partition": partition,
                    "from": from_offset,
                    "to": to_offset,
                    "reason": reason,
                },
            )

    def lost_before(self, partition: int, offset: int) -> int | None:
        """Where a gap begins that ends at an offset which was stored before the broker lost all from there on."""
        with self._session, self._session.cursor() as query:
            query.execute(
                'select min(from_offset) from raw.gaps where topic_id = %s and "partition" = %s '
                "and to_offset = %s and reason = 'stored_offset_beyond_end'",
                (str(self._topic_id), partition, offset),
            )
            found: int | None = query.fetchall()[0][0]
            return found

    def commit(self, batch: Batch) -> None:
        """Write rows, dead letters, offsets and which of these are empty in one transaction.

        Raises:
            Fenced: a stored offset is not where this loader left it; nothing was written.
            psycopg2.Error: see `is_outage`.
        """
        with self._session, self._session.cursor() as query:
            query.execute(
                'select "partition", next_offset from raw.loaded_offsets '
                'where topic_id = %s and "partition" = any(%s) order by "partition" for update',
                (str(batch.topic_id), list(batch.moves)),
            )
            self._refuse_moved(batch, dict(query.fetchall()))
            for table, lines in batch.lines.items():
                if lines:
                    query.copy_expert(copy_statement(table), BytesIO(b"\n".join(lines) + b"\n"), size=_COPY_BUFFER)
            query.execute(
                "update raw.loaded_offsets as stored set next_offset = moved.next_offset, updated_at = now() "
                "from unnest(%s::int[], %s::bigint[]) as moved (number, next_offset) "
                'where stored.topic_id = %s and stored."partition" = moved.number',
                (list(batch.moves), [after for _, after in batch.moves.values()], str(batch.topic_id)),
            )
            if batch.empty:
                execute_values(
                    query,
                    'insert into raw.empty_offsets (topic_id, "partition", from_offset, to_offset, empty) values %s',
                    [(str(batch.topic_id), *found) for found in batch.empty],
                )
            if claims := len(batch.lines[UNVERIFIED]):
                query.execute(
                    "update raw.loaders set unverified_dye = unverified_dye + %s where loader_id = %s",
                    (claims, str(self._loader_id)),
                )

    def _refuse_moved(self, batch: Batch, stored: dict[int, int]) -> None:
        for partition, (before, _) in batch.moves.items():
            if stored.get(partition) != before:
                raise Fenced(
                    f"The next offset of {batch.topic}, partition {partition}, is {stored.get(partition)} and not "
                    f"{before}, where this loader left it: something else moved it. Nothing of the batch was written. "
                    "Find out what else writes raw.loaded_offsets, then start the loader again."
                )


def copy_statement(table: Table) -> sql.Composed:
    """The COPY that takes a table's lines."""
    return sql.SQL("copy {} ({}) from stdin (format csv, null 'null')").format(
        sql.Identifier(table.schema, table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )


def follower_alive(database_connection: connection) -> bool:
    """Whether a loader that follows the topic is at work: one holds the follow lock. Any role may ask."""
    with database_connection.cursor() as query:
        query.execute(
            "select exists (select from pg_locks where locktype = 'advisory' and granted and objsubid = 2 "
            "and database = (select oid from pg_database where datname = current_database()) "
            "and classid = hashtext('ingestion')::oid and objid = hashtext('follow')::oid)"
        )
        return bool(query.fetchall()[0][0])


def follower_key_fingerprints(database_connection: connection) -> list[list[str]]:
    """The dye keys that each living follower accepts, as fingerprints. Needs select on raw.loaders."""
    with database_connection.cursor() as query:
        query.execute(
            "select distinct on (loaders.backend_pid) loaders.key_fingerprints from raw.loaders as loaders "
            "inner join pg_locks as locks on loaders.backend_pid = locks.pid "
            "where loaders.mode = 'follow' and locks.locktype = 'advisory' and locks.granted and locks.objsubid = 2 "
            "and locks.database = (select oid from pg_database where datname = current_database()) "
            "and locks.classid = hashtext('ingestion')::oid and locks.objid = hashtext('follow')::oid "
            "order by loaders.backend_pid, loaders.started_at desc"
        )
        return [fingerprints for (fingerprints,) in query.fetchall()]
