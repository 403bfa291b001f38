"""Repair the loader's offsets after something else wrote them.

For example, they were truncated, set back or restored from another time. What is stored decides: the next offset of a
partition is the one after its last row, dead letter, passed gap or empty offset. Messages are missing if the totals say
that they were loaded, but they are neither stored nor were removed by a command.
"""

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from ingestion.contract import OWNER
from ingestion.database.sessions import connect
from ingestion.message.tables import Kind, tables
from ingestion.migrations import require_current
from ingestion.settings.pipeline import contract

LOSS_ACCEPTED = "accepted"
"""The reason in raw.taken_away for an accepted loss."""

_Key = tuple[UUID, int]

_EVIDENCE: LiteralString = (
    'select e.topic_id, max(e.topic) as topic, e."partition", max(e.to_offset) as to_offset from ('
    'select topic_id, null as topic, "partition", to_offset from raw.empty_offsets union all '
    'select topic_id, topic, "partition", to_offset from raw.gaps where passed_at is not null '
    "and reason in ('deleted_before_loaded', 'corrupt', 'compacted_before_loaded')) as e "
    'group by e.topic_id, e."partition"'
)


@dataclass(slots=True)
class _Partition:
    """What is known about a partition under one topic id."""

    topic: str | None = None
    kafka_topic_id: UUID | None = None
    first_offset: int = 0
    was: int | None = None  # the next offset according to the totals
    behind: int = 0  # the offset after everything stored or passed
    stored: dict[str, int] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    explained: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gaps: int = 0
    empty: int = 0


@dataclass(frozen=True, slots=True)
class Repaired:
    """The result of repairing one partition.

    Attributes:
        topic: name of the topic.
        topic_id: Kafka's id of the topic.
        partition: number of the partition.
        stored_offset: the next offset in raw.loaded_offsets before the repair; None if there was none.
        next_offset: the next offset now.
        missing: number of messages that were loaded and are not stored.
    """

    topic: str
    topic_id: UUID
    partition: int
    stored_offset: int | None
    next_offset: int
    missing: int


def repair(accept_loss: bool = False) -> list[Repaired]:
    """Set offsets and totals to what is stored. Counts everything that was ever loaded.

    Args:
        accept_loss: `angiogram live` no longer reports messages that were loaded and are not stored.

    Returns:
        One entry for each partition that is still read.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
        SchemaOutdated: a migration is missing.
    """
    with closing(connect(OWNER, "ingestion offsets repair")) as session:
        require_current(session)
        with session, session.cursor(cursor_factory=RealDictCursor) as query:
            # Loaders wait in the meantime; a running one stops if it finds that its offset has moved.
            query.execute("lock table raw.loaded_offsets, raw.loaded_totals in exclusive mode")
            query.execute('select topic_id, topic, "partition", next_offset, stored_as from raw.loaded_offsets')
            offsets = {(UUID(row["topic_id"]), row["partition"]): row for row in query.fetchall()}
            others = _of_other_streams(query)
            found = {key: part for key, part in _known(query, offsets).items() if key[0] not in others}
            continued = _continued(query)
            missing = {key: _write_totals(query, key, part, continued, accept_loss) for key, part in found.items()}
            return [
                _write_offset(query, key, part, offsets, missing[key])
                for key, part in sorted(found.items(), key=lambda item: (item[1].topic or "", item[0][1]))
                if key not in continued
            ]


def _known(query: RealDictCursor, offsets: dict[_Key, Any]) -> dict[_Key, _Partition]:
    """Everything that the tables record, by topic id of the rows and partition."""
    found: dict[_Key, _Partition] = defaultdict(_Partition)
    for kind, table in tables(contract()).items():
        query.execute(
            sql.SQL(
                'select topic_id, max(topic) as topic, "partition", count(*) as messages, '
                'max("offset") + 1 as to_offset from {} '
                "where not starts_with(topic, 'file:') and topic_id not in ("
                "select released_as from raw.unverified_dye where released_as is not null) "
                'group by topic_id, "partition"'
            ).format(sql.Identifier(table.schema, table.name))
        )
        for row in query.fetchall():
            part = found[UUID(row["topic_id"]), row["partition"]]
            part.topic, part.stored[kind] = row["topic"], row["messages"]
            part.behind = max(part.behind, row["to_offset"])
    query.execute(_EVIDENCE)
    for row in query.fetchall():
        part = found[UUID(row["topic_id"]), row["partition"]]
        part.topic, part.behind = part.topic or row["topic"], max(part.behind, row["to_offset"])
    query.execute(
        'select topic_id, "partition", sum(to_offset - from_offset)::bigint as gaps from raw.gaps '
        "where passed_at is not null and reason in ('deleted_before_loaded', 'corrupt', 'compacted_before_loaded') "
        "group by 1, 2"
    )
    for row in query.fetchall():
        found[UUID(row["topic_id"]), row["partition"]].gaps = row["gaps"]
    query.execute('select topic_id, "partition", sum(empty)::bigint as empty from raw.empty_offsets group by 1, 2')
    for row in query.fetchall():
        found[UUID(row["topic_id"]), row["partition"]].empty = row["empty"]
    query.execute(
        'select topic_id, "partition", kind, sum(messages)::bigint as messages from raw.taken_away '
        "where by_command <> '' group by topic_id, \"partition\", kind"
    )
    for row in query.fetchall():
        found[UUID(row["topic_id"]), row["partition"]].explained[row["kind"]] = row["messages"]
    query.execute("select * from raw.loaded_totals")
    for row in query.fetchall():
        part = found[UUID(row["topic_id"]), row["partition"]]
        part.topic, part.kafka_topic_id = row["topic"], UUID(row["kafka_topic_id"])
        part.first_offset, part.was = row["first_offset"], row["next_offset"]
        part.loaded = {kind: row[kind] for kind in Kind}
        part.gaps, part.empty = max(part.gaps, row["gaps"]), max(part.empty, row["empty_offsets"])
        part.behind = max(part.behind, row["next_offset"])
    for row in offsets.values():  # used only if nothing else is known, for example after retention deleted everything
        part = found[UUID(row["stored_as"]), row["partition"]]
        if part.was is None:
            part.topic = part.topic or row["topic"]
            part.behind = max(part.behind, row["next_offset"])
    return {key: part for key, part in found.items() if part.topic is not None}


def _of_other_streams(query: RealDictCursor) -> set[UUID]:
    """Topic ids with rows in the raw table of another stream, which is not looked at here."""
    query.execute("select topic_id, kafka_topic_id from raw.loaded_totals where not raw.is_of_session(raw_table)")
    return {UUID(topic_id) for row in query.fetchall() for topic_id in row.values()}


def _continued(query: RealDictCursor) -> dict[_Key, UUID]:
    """The topic id under which a partition continues after the broker lost its end."""
    query.execute('select topic_id, "partition", continued_as from raw.gaps where continued_as is not null')
    return {(UUID(row["topic_id"]), row["partition"]): UUID(row["continued_as"]) for row in query.fetchall()}


def _write_totals(
    query: RealDictCursor, key: _Key, part: _Partition, continued: dict[_Key, UUID], accept_loss: bool
) -> int:
    """Bring a partition's totals up to what is stored; return the number of missing messages."""
    stored_as, partition = key
    if part.kafka_topic_id is None:
        before = {(new, number): old for (old, number), new in continued.items()}
        part.kafka_topic_id = stored_as
        while earlier := before.get((part.kafka_topic_id, partition)):
            part.kafka_topic_id = earlier
    there = {kind: part.stored.get(kind, 0) + part.explained[kind] for kind in Kind}
    loaded = {kind: max(there[kind], part.loaded.get(kind, 0)) for kind in Kind}
    counted = sum(loaded.values()) + part.gaps + part.empty
    query.execute(
        'insert into raw.loaded_totals as t (topic_id, topic, "partition", kafka_topic_id, first_offset, next_offset, '
        "live_rows, live_dead_letters, dye_rows, dye_dead_letters, unverified_dye, gaps, empty_offsets, not_counted) "
        "values (%(id)s, %(topic)s, %(partition)s, %(kafka)s, %(first)s, %(next)s, %(live_rows)s, "
        "%(live_dead_letters)s, %(dye_rows)s, %(dye_dead_letters)s, %(unverified_dye)s, %(gaps)s, %(empty)s, "
        '%(not_counted)s) on conflict (topic_id, "partition") do update set next_offset = excluded.next_offset, '
        "live_rows = excluded.live_rows, live_dead_letters = excluded.live_dead_letters, dye_rows = excluded.dye_rows, "
        "dye_dead_letters = excluded.dye_dead_letters, unverified_dye = excluded.unverified_dye, gaps = excluded.gaps, "
        "empty_offsets = excluded.empty_offsets, not_counted = excluded.not_counted, updated_at = now(), "
        "last_offset = case when t.next_offset = excluded.next_offset then t.last_offset end",
        loaded
        | {
            **{"id": str(stored_as), "topic": part.topic, "partition": partition, "kafka": str(part.kafka_topic_id)},
            **{"first": part.first_offset, "next": part.behind, "gaps": part.gaps, "empty": part.empty},
            "not_counted": part.behind - part.first_offset - counted,
        },
    )
    missing = {kind: loaded[kind] - there[kind] for kind in Kind}
    query.execute(
        "delete from raw.taken_away where topic_id = %s and \"partition\" = %s and by_command = ''",
        (str(stored_as), partition),
    )
    for kind, messages in missing.items():
        if messages:
            query.execute(
                'insert into raw.taken_away as a (topic_id, "partition", kind, by_command, from_offset, to_offset, '
                "messages) values (%s, %s, %s, %s, %s, %s, %s) "
                'on conflict (topic_id, "partition", kind, by_command) do update set '
                "messages = a.messages + excluded.messages, last_at = clock_timestamp(), "
                "from_offset = least(a.from_offset, excluded.from_offset), "
                "to_offset = greatest(a.to_offset, excluded.to_offset)",
                (
                    *(str(stored_as), partition, kind, LOSS_ACCEPTED if accept_loss else ""),
                    *(part.first_offset, part.behind, messages),
                ),
            )
    return 0 if accept_loss else sum(missing.values())


def _write_offset(
    query: RealDictCursor, key: _Key, part: _Partition, offsets: dict[_Key, Any], missing: int
) -> Repaired:
    """Set the next offset of a partition that is still read."""
    stored_as, partition = key
    kafka_topic_id = part.kafka_topic_id or stored_as
    query.execute(
        'insert into raw.loaded_offsets as o (topic_id, topic, "partition", next_offset, stored_as) '
        'values (%(id)s, %(topic)s, %(partition)s, %(next)s, %(stored_as)s) on conflict (topic_id, "partition") '
        "do update set next_offset = excluded.next_offset, stored_as = excluded.stored_as, updated_at = now() "
        "where (o.next_offset, o.stored_as) is distinct from (excluded.next_offset, excluded.stored_as)",
        {
            **{"id": str(kafka_topic_id), "topic": part.topic, "partition": partition},
            **{"next": part.behind, "stored_as": str(stored_as)},
        },
    )
    was = offsets.get((kafka_topic_id, partition))
    return Repaired(
        part.topic or "", kafka_topic_id, partition, None if was is None else was["next_offset"], part.behind, missing
    )
