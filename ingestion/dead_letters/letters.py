"""Dead letters: list messages that are not storable JSON objects, and get their bytes."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.contract import OWNER
from ingestion.database.sessions import connect
from ingestion.errors import InputError
from ingestion.migrations import require_current
from ingestion.settings.pipeline import contract

_FETCH = 500  # rows held in memory at a time; a dead letter may be 10 MB


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was not loaded as a row.

    Attributes:
        topic: name of the topic.
        topic_id: id of the topic.
        partition: number of the partition.
        offset: offset in the partition.
        reason: why it was not loaded, one of `ingestion.message.rows.Reason`.
        message_at: the broker's timestamp.
        size: bytes of the value; None for a tombstone.
        value: the value, if it was asked for.
        message_key: the key.
        run_id: run id of a dye message.
        message_number: number of a dye message.
        replayed: whether it was published again.
    """

    topic: str
    topic_id: UUID
    partition: int
    offset: int
    reason: str
    message_at: datetime | None
    size: int | None
    value: bytes | None
    message_key: bytes | None
    run_id: str | None
    message_number: int | None
    replayed: bool

    def as_json(self) -> dict[str, str | int | None]:
        """The dead letter as JSON values, its bytes in base64."""
        return {
            "topic": self.topic,
            "topic_id": str(self.topic_id),
            "partition": self.partition,
            "offset": self.offset,
            "reason": self.reason,
            "message_at": self.message_at.isoformat() if self.message_at else None,
            "message_key_base64": _base64(self.message_key),
            "value_base64": _base64(self.value),
            "run_id": self.run_id,
            "message_number": self.message_number,
        }


def newest(limit: int, dye: bool = False, reason: str | None = None) -> list[DeadLetter]:
    """The latest dead letters, newest first, without their values.

    Args:
        limit: the largest number to return.
        dye: return the dye's dead letters instead of the live ones.
        reason: return only those with this reason.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
    """
    order = sql.SQL("and (%(reason)s::text is null or reason = %(reason)s) order by loaded_at desc limit %(limit)s")
    with _session() as session:
        return list(_select(session, dye, False, order, {"reason": reason, "limit": limit}))


def at(partition: int, offset: int, topic_id: UUID | None = None, dye: bool = False) -> DeadLetter:
    """The dead letter at a place on the topic, with its value.

    Args:
        partition: number of the partition.
        offset: offset in the partition.
        topic_id: needed only if a recreated topic has another dead letter at the same place.
        dye: return one of the dye instead of a live one.

    Raises:
        InputError: there is none, or more than one.
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
    """
    where = sql.SQL(
        'and "partition" = %(partition)s and "offset" = %(offset)s '
        "and (%(topic_id)s::uuid is null or topic_id = %(topic_id)s::uuid)"
    )
    wanted = {"partition": partition, "offset": offset, "topic_id": str(topic_id) if topic_id else None}
    with _session() as session:
        found = list(_select(session, dye, True, where, wanted))
    if not found:
        raise InputError(f"There is no dead letter at partition {partition}, offset {offset}. See `dead-letters list`.")
    if len(found) > 1:
        ids = ", ".join(str(letter.topic_id) for letter in found)
        raise InputError(f"There are dead letters of several topics there; choose one with --topic-id: {ids}.")
    return found[0]


def every(dye: bool = False) -> Iterator[DeadLetter]:
    """All dead letters with their values, a few in memory at a time.

    They come in the order of topic, partition and offset.

    Raises:
        SettingsError, DatabaseUnavailable, SchemaOutdated: the database cannot be used, or misses a migration.
    """
    with _session() as session:
        yield from _select(session, dye, True, sql.SQL('order by topic_id, "partition", "offset"'), {})


def not_replayed(reason: str | None = None) -> Iterator[DeadLetter]:
    """The live dead letters that were not published again; otherwise like `every`.

    Args:
        reason: return only those with this reason.

    Raises:
        As `every`.
    """
    tail = sql.SQL(
        "and replayed_at is null and (%(reason)s::text is null or reason = %(reason)s) "
        'order by topic_id, "partition", "offset"'
    )
    with _session() as session:
        yield from _select(session, False, True, tail, {"reason": reason})


@contextmanager
def _session() -> Iterator[connection]:
    """A session that is closed at the end of the block.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
        SchemaOutdated: a migration is missing.
    """
    with closing(connect(OWNER, "ingestion dead-letters")) as session:
        require_current(session)
        yield session


def _select(
    session: connection, dye: bool, with_value: bool, tail: sql.Composable, values: Mapping[str, object]
) -> Iterator[DeadLetter]:
    query_text = sql.SQL(
        'select topic, topic_id, "partition", "offset", reason, message_at, octet_length(value), '
        "{value}, message_key, {stamp}, {replayed} from {table} where raw.is_of_session(raw_table) {tail}"
    ).format(
        value=sql.SQL("value" if with_value else "null::bytea"),
        replayed=sql.SQL("false" if dye else "replayed_at is not null"),
        stamp=sql.SQL("run_id, {}").format(sql.Identifier(contract().number_column))
        if dye
        else sql.SQL("null::text, null::int"),
        table=sql.Identifier("angiogram_raw" if dye else "raw", "dead_letters"),
        tail=tail,
    )
    with session, session.cursor("dead_letters") as query:  # a server-side cursor: only a few rows are here at a time
        query.itersize = _FETCH if not with_value else 5
        query.execute(query_text, values)
        for (
            topic,
            topic_id,
            partition,
            offset,
            reason,
            message_at,
            size,
            value,
            key,
            run_id,
            message_number,
            replayed,
        ) in query:
            yield DeadLetter(
                topic,
                UUID(topic_id),
                partition,
                offset,
                reason,
                message_at,
                size,
                _bytes(value),
                _bytes(key),
                run_id,
                message_number,
                replayed,
            )


def _bytes(value: memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
