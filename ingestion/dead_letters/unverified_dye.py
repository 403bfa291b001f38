"""Messages with dye headers that do not verify: list them, and release them.

The loader keeps such a message apart. It may be dye (test records with known results) signed with a key that the loader
did not know, or a live message with forged headers. A release copies it to the live tables or to the dye's, with a
topic id of its own, because the models take only what lies beyond the highest offset that they have of a topic and
partition. The row that was kept apart stays: it accounts for the offset.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg2 import sql
from psycopg2.extensions import connection, cursor

from ingestion.command_line import who
from ingestion.contract import OWNER, Contract
from ingestion.database.copying import copy_into
from ingestion.database.locks import lock_of_stream
from ingestion.database.sessions import connect
from ingestion.errors import InputError
from ingestion.loader.batch import Batch
from ingestion.message.stamp import DYE_HEADERS, DyeStamp, Unverified, dye_stamp
from ingestion.message.tables import tables
from ingestion.migrations import require_current
from ingestion.settings import DyeKeys, KafkaSettings
from ingestion.settings.pipeline import contract

LIVE, DYE = "live", "dye"
"""The sides to which a message can be released."""

_AT_A_TIME = 500  # rows of one transaction; a message may be 10 MB
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_HEADERS: LiteralString = "dye_run_id, dye_message_number, dye_sent_at, dye_signature"
_CHOSEN: LiteralString = (
    "released_to is null and (%(reason)s::text is null or reason = %(reason)s)"
    " and (%(run_id)s::bytea is null or dye_run_id = %(run_id)s)"
    ' and (%(partition)s::int is null or "partition" = %(partition)s)'
    ' and (%(offset)s::bigint is null or "offset" = %(offset)s)'
    " and (%(topic_id)s::uuid is null or topic_id = %(topic_id)s::uuid)"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The messages of one partition that wait for a release.

    Attributes:
        topic: name of the topic.
        partition: number of the partition.
        messages: number of messages.
        first_offset, last_offset: the lowest and the highest offset.
        reasons: why they did not verify.
    """

    topic: str
    partition: int
    messages: int
    first_offset: int
    last_offset: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        several = self.messages > 1
        where = f"offsets {self.first_offset} to {self.last_offset}" if several else f"offset {self.first_offset}"
        return f"{self.messages} in {self.topic}, partition {self.partition}, {where} ({', '.join(self.reasons)})"


@dataclass(frozen=True, slots=True)
class Claim:
    """One message that is kept apart.

    Attributes:
        topic: name of the topic.
        topic_id: id of the topic.
        partition: number of the partition.
        offset: offset in the partition.
        reason: why it did not verify, one of `ingestion.message.stamp.Unverified`.
        message_at: the broker's timestamp.
        value: its bytes; None for a tombstone.
        message_key: its key.
        headers: its dye headers.
    """

    topic: str
    topic_id: UUID
    partition: int
    offset: int
    reason: str
    message_at: datetime | None
    value: bytes | None
    message_key: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def run_id(self) -> str:
        """The run id in its header, in printable characters."""
        return dict(self.headers).get(DYE_HEADERS[0], b"").decode("ascii", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Choice:
    """Selects waiting messages; None selects any value.

    Attributes:
        reason: why the message did not verify.
        run_id: the run id in its header.
        partition, offset, topic_id: its place.
    """

    reason: Unverified | None = None
    run_id: str | None = None
    partition: int | None = None
    offset: int | None = None
    topic_id: UUID | None = None

    def values(self) -> dict[str, Any]:
        """The choice as parameters of a statement."""
        return {
            "reason": self.reason,
            "run_id": None if self.run_id is None else self.run_id.encode(),
            "partition": self.partition,
            "offset": self.offset,
            "topic_id": None if self.topic_id is None else str(self.topic_id),
        }


@dataclass(frozen=True, slots=True)
class Released:
    """The result of a release.

    Attributes:
        released: number of messages copied to the requested side.
        left: number of messages that still wait: no known key verifies them (dye), or a known key does (live).
    """

    released: int
    left: int


@dataclass(slots=True)
class _Record:
    """A message as `Batch` expects it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def waiting(session: connection) -> list[Waiting]:
    """The messages that wait for a release, by topic and partition.

    Requires select on the place and reason columns of raw.unverified_dye.
    """
    with session.cursor() as query:
        query.execute(
            'select topic, "partition", count(*), min("offset"), max("offset"),'
            " array_agg(distinct reason order by reason)"
            " from raw.unverified_dye where released_to is null and raw.is_of_session(raw_table)"
            ' group by topic, "partition" order by topic, "partition"'
        )
        return [
            Waiting(topic, partition, messages, first, last, tuple(reasons))
            for topic, partition, messages, first, last, reasons in query.fetchall()
        ]


def in_words(found: list[Waiting]) -> str:
    """Say in a sentence or two which messages wait, where, and what to do."""
    count = sum(part.messages for part in found)
    return (
        f"{count:,} message{'s' if count > 1 else ''} with dye headers that do not verify: "
        f"{'; '.join(map(str, found))}. No model includes them until they are "
        "released: see `ingestion unverified-dye list`."
    )


def claims(choice: Choice, limit: int | None = None) -> list[Claim]:
    """Messages that wait for a release, in the order of their places.

    Args:
        choice: which of them.
        limit: the largest number to return.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
        SchemaOutdated: a migration is missing.
    """
    with _session() as session, session, session.cursor() as query:
        return list(_select(query, choice, (None, -1, -1), limit))


def release(side: str, choice: Choice) -> Released:
    """Copy messages to the dye's tables if a known key verifies them now, or to the live ones.

    Messages of another topic are left: they may belong to another pipeline.

    Args:
        side: LIVE or DYE.
        choice: which of the waiting messages.

    Raises:
        SettingsError, DatabaseUnavailable, SchemaOutdated: as `claims`, or DYE_KEY is not set.
        InputError: none of the chosen messages waits.
    """
    keys, topic = DyeKeys.from_environment().accepted(), KafkaSettings.from_environment().topic
    pipeline = contract()
    ids: dict[UUID, UUID] = {}
    released = left = 0
    place: tuple[str | None, int, int] = (None, -1, -1)
    with _session() as session:
        while True:
            with session, session.cursor() as query:
                lock_of_stream(query, "unverified-dye")
                found = list(_select(query, choice, place, _AT_A_TIME, topic))
                if not found:
                    break
                right = [claim for claim in found if _is_dye(claim, keys) == (side == DYE)]
                for claim in right:
                    ids.setdefault(claim.topic_id, uuid4())
                _copy(query, right, side, keys, ids, pipeline)
                released += len(right)
                left += len(found) - len(right)
                place = str(found[-1].topic_id), found[-1].partition, found[-1].offset
    if not released and not left:
        if elsewhere := sorted({claim.topic for claim in claims(choice)}):
            raise InputError(
                f"The chosen messages are of the topic {', '.join(elsewhere)}, and KAFKA_TOPIC is {topic}. Nothing was "
                "released. Set KAFKA_TOPIC to their topic and retry."
            )
        raise InputError("No such message is waiting for release. See `ingestion unverified-dye list`.")
    return Released(released, left)


def _is_dye(claim: Claim, keys: list[bytes]) -> bool:
    return isinstance(dye_stamp(claim.headers, claim.value, keys), DyeStamp)


def _copy(
    query: cursor, found: list[Claim], side: str, keys: list[bytes], ids: dict[UUID, UUID], pipeline: Contract
) -> None:
    """Copy messages and record their new place, in the caller's transaction."""
    for claim in found:
        batch = Batch(claim.topic, ids[claim.topic_id], keys, pipeline)
        headers = claim.headers if side == DYE else []
        batch.add(claim.partition, [_Record(claim.offset, _stamp(claim), claim.message_key, claim.value, headers)])
        for kind, lines in batch.lines.items():
            if lines:
                copy_into(query, tables(pipeline)[kind], BytesIO(b"\n".join(lines) + b"\n"))
        query.execute(
            "update raw.unverified_dye set released_to = %s, released_as = %s, released_at = now(), released_by = %s"
            ' where topic_id = %s and "partition" = %s and "offset" = %s',
            (side, str(ids[claim.topic_id]), who(), str(claim.topic_id), claim.partition, claim.offset),
        )


def _stamp(claim: Claim) -> int:
    """The message's time in milliseconds, as in Kafka; an invalid time if it has none."""
    return -1 if claim.message_at is None else (claim.message_at - _EPOCH) // timedelta(milliseconds=1)


def _select(
    query: cursor,
    choice: Choice,
    beyond: tuple[str | None, int, int],
    limit: int | None,
    of: str | None = None,
) -> Iterator[Claim]:
    topic_id, partition, offset = beyond
    query.execute(
        sql.SQL(
            'select topic, topic_id, "partition", "offset", reason, message_at, value, message_key, {headers}'
            " from raw.unverified_dye where {chosen} and raw.is_of_session(raw_table)"
            " and (%(of)s::text is null or topic = %(of)s)"
            " and (%(after)s::uuid is null"
            ' or (topic_id, "partition", "offset") > (%(after)s::uuid, %(after_partition)s, %(after_offset)s))'
            ' order by topic_id, "partition", "offset" limit %(limit)s'
        ).format(headers=sql.SQL(_HEADERS), chosen=sql.SQL(_CHOSEN)),
        choice.values()
        | {"after": topic_id, "after_partition": partition, "after_offset": offset, "limit": limit, "of": of},
    )
    for topic, of_topic, at_partition, at_offset, reason, message_at, value, key, *headers in query.fetchall():
        yield Claim(
            topic,
            UUID(of_topic),
            at_partition,
            at_offset,
            reason,
            message_at,
            None if value is None else bytes(value),
            None if key is None else bytes(key),
            [(name, bytes(text)) for name, text in zip(DYE_HEADERS, headers, strict=True) if text is not None],
        )


def _session() -> closing[connection]:
    session = connect(OWNER, "ingestion unverified-dye")
    try:
        require_current(session)
    except BaseException:
        session.close()
        raise
    return closing(session)


def as_json(claim: Claim) -> str:
    """A message's place and the reason why it waits, as a line of JSON."""
    return json.dumps(
        {
            "topic": claim.topic,
            "topic_id": str(claim.topic_id),
            "partition": claim.partition,
            "offset": claim.offset,
            "reason": claim.reason,
            "message_at": claim.message_at.isoformat() if claim.message_at else None,
            "run_id": claim.run_id,
            "bytes": None if claim.value is None else len(claim.value),
        }
    )
