"""Store how far each partition is loaded, and account for each of its offsets.

Both are updated in the transaction of the rows. raw.loaded_offsets says where to continue reading. raw.loaded_totals
counts every offset since the first load exactly once, and a constraint refuses totals that do not add up. If the two
disagree, something other than the loader wrote one of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from psycopg2.extensions import cursor
from psycopg2.extras import execute_values

from ingestion.errors import Fenced, OffsetsSetBack
from ingestion.loader.batch import Batch, Last, Move
from ingestion.loader.losses import Why
from ingestion.message.tables import Kind

MARK_EVERY = 100_000
"""Number of offsets after which the totals are marked, even within a minute."""


class Place(NamedTuple):
    """Where to continue reading a partition.

    Attributes:
        next_offset: the next offset to load.
        stored_as: topic id of its rows.
        last: the last message loaded; None if there is none.
    """

    next_offset: int
    stored_as: UUID
    last: Last | None


def places(query: cursor, topic: str, topic_id: UUID, partitions: Iterable[int]) -> dict[int, Place]:
    """Where to continue reading partitions; a new partition starts at 0.

    Raises:
        OffsetsSetBack: the stored offsets differ from what was loaded.
    """
    wanted = {"topic": topic, "id": str(topic_id), "numbers": list(partitions)}
    query.execute(
        'insert into raw.loaded_totals (topic_id, topic, "partition", kafka_topic_id) '
        "select %(id)s, %(topic)s, number, %(id)s from unnest(%(numbers)s::int[]) as number on conflict do nothing",
        wanted,
    )
    query.execute(
        'insert into raw.loaded_offsets (topic_id, topic, "partition", next_offset, stored_as) '
        "select %(id)s, %(topic)s, number, 0, %(id)s from unnest(%(numbers)s::int[]) as number where not exists ("
        'select from raw.loaded_totals as known where known.kafka_topic_id = %(id)s and known."partition" = number '
        "and known.next_offset > 0) on conflict do nothing",
        wanted,
    )
    query.execute(
        "select number, stored.next_offset, stored.stored_as, totals.next_offset, totals.last_offset, "
        "totals.last_timestamp, totals.last_digest from unnest(%(numbers)s::int[]) as number "
        'left join raw.loaded_offsets as stored on stored.topic_id = %(id)s and stored."partition" = number '
        "left join lateral (select * from raw.loaded_totals as counted where counted.kafka_topic_id = %(id)s "
        'and counted."partition" = number and counted.topic_id = coalesce(stored.stored_as, counted.topic_id) '
        "order by counted.began_at desc limit 1) as totals on true",
        wanted,
    )
    found = query.fetchall()
    if wrong := {number: (stored, loaded) for number, stored, _, loaded, *_ in found if stored != loaded}:
        raise OffsetsSetBack(set_back(topic, "; ".join(unlike(number, *wrong[number]) for number in sorted(wrong))))
    return {
        number: Place(stored, UUID(stored_as), None if last is None else Last(last, timestamp, bytes(digest)))
        for number, stored, stored_as, _, last, timestamp, digest in found
    }


def unlike(partition: int, stored: int | None, loaded: int | None) -> str:
    """Describe a partition whose stored offset differs from what was loaded."""
    return (
        f"partition {partition}: {'none' if stored is None else stored} in raw.loaded_offsets, "
        f"{'none' if loaded is None else loaded} in raw.loaded_totals"
    )


def set_back(topic: str, where: str) -> str:
    """The error message for stored offsets that differ from what was loaded."""
    return (
        f"The stored offsets of {topic} differ from what was loaded ({where}): raw.loaded_offsets or "
        "raw.loaded_totals were truncated, set back or restored from another time. Nothing was loaded. Run `ingestion "
        "offsets repair`, which finds the next offsets from the stored rows, and load again."
    )


def lock(query: cursor, batch: Batch) -> dict[int, UUID]:
    """Lock the stored offsets of a batch's partitions.

    Returns:
        The topic id of each partition's rows.

    Raises:
        Fenced: an offset is not where this loader left it.
        OffsetsSetBack: an offset differs from what was loaded.
    """
    query.execute(
        'select stored."partition", stored.next_offset, stored.stored_as, totals.next_offset '
        "from raw.loaded_offsets as stored left join raw.loaded_totals as totals "
        'on stored.stored_as = totals.topic_id and stored."partition" = totals."partition" '
        'where stored.topic_id = %s and stored."partition" = any(%s) order by stored."partition" for update of stored',
        (str(batch.topic_id), list(batch.moves)),
    )
    found = {number: (stored, stored_as, loaded) for number, stored, stored_as, loaded in query.fetchall()}
    for partition, move in batch.moves.items():
        stored, _, loaded = found.get(partition, (None, None, None))
        if stored != move.before:
            raise Fenced(
                f"The next offset of {batch.topic}, partition {partition}, is {stored} and not {move.before}, where "
                "this loader left it: another process moved it. None of the batch was written. Find out what else "
                "writes raw.loaded_offsets, then start the loader again."
            )
        if loaded != move.before:
            raise OffsetsSetBack(set_back(batch.topic, unlike(partition, stored, loaded)))
    return {partition: UUID(stored_as) for partition, (_, stored_as, _) in found.items()}


def move(query: cursor, batch: Batch, stored_as: Mapping[int, UUID]) -> None:
    """Advance offsets and totals to the end of a batch, and mark where they were a minute ago."""
    numbers = list(batch.moves)
    ids = [str(stored_as[number]) for number in numbers]
    moves = [batch.moves[number] for number in numbers]
    query.execute(
        "update raw.loaded_offsets as stored set next_offset = moved.next_offset, updated_at = now() "
        "from unnest(%s::int[], %s::bigint[]) as moved (number, next_offset) "
        'where stored.topic_id = %s and stored."partition" = moved.number',
        (numbers, [to.after for to in moves], str(batch.topic_id)),
    )
    query.execute(_MOVE_TOTALS, _totals(batch, numbers, ids, moves))
    if gaps := [(ids[at], number, moves[at].before) for at, number in enumerate(numbers) if moves[at].gap]:
        execute_values(
            query,
            "update raw.gaps as gap set passed_at = now() from (values %s) as passed (topic_id, number, from_offset) "
            'where gap.topic_id = passed.topic_id::uuid and gap."partition" = passed.number '
            "and gap.from_offset = passed.from_offset and gap.passed_at is null",
            gaps,
        )
    if compacted := [
        (ids[at], batch.topic, number, *lost, Why.COMPACTED)
        for at, (number, to) in enumerate(zip(numbers, moves, strict=True))
        for lost in to.compacted
    ]:
        execute_values(
            query,
            'insert into raw.gaps (topic_id, topic, "partition", from_offset, to_offset, reason, passed_at) values %s',
            compacted,
            "(%s, %s, %s, %s, %s, %s, now())",
        )
    if empty := [
        (ids[at], number, to.before + to.gap, to.after, to.empty)
        for at, (number, to) in enumerate(zip(numbers, moves, strict=True))
        if to.empty
    ]:
        execute_values(
            query,
            'insert into raw.empty_offsets (topic_id, "partition", from_offset, to_offset, empty) values %s',
            empty,
        )


_MOVE_TOTALS = """
with moved as (
    select * from unnest(
        %(ids)s::uuid[], %(numbers)s::int[], %(after)s::bigint[], %(live_rows)s::bigint[],
        %(live_dead_letters)s::bigint[], %(dye_rows)s::bigint[], %(dye_dead_letters)s::bigint[],
        %(unverified_dye)s::bigint[], %(gaps)s::bigint[], %(empty)s::bigint[], %(offsets)s::bigint[],
        %(timestamps)s::bigint[], %(digests)s::bytea[]
    ) as given (
        topic_id, number, after, live_rows, live_dead_letters, dye_rows, dye_dead_letters, unverified_dye, gaps, empty,
        last_offset, last_timestamp, last_digest
    )
),
marked as (
    insert into raw.loaded_marks (
        topic_id, "partition", next_offset, reached_at, live_rows, live_dead_letters, dye_rows, dye_dead_letters,
        unverified_dye, gaps, empty_offsets, not_counted
    )
    select
        t.topic_id, t."partition", t.next_offset, t.updated_at, t.live_rows, t.live_dead_letters, t.dye_rows,
        t.dye_dead_letters, t.unverified_dye, t.gaps, t.empty_offsets, t.not_counted
    from raw.loaded_totals as t
    inner join moved on t.topic_id = moved.topic_id and t."partition" = moved.number
    where
        t.next_offset > t.first_offset
        and (
            t.marked_at is null or t.marked_at < now() - interval '1 minute'
            or t.next_offset - t.marked_offset >= %(mark_every)s
        )
    on conflict do nothing
    returning topic_id, "partition", next_offset
)
update raw.loaded_totals as t set
    next_offset = moved.after,
    live_rows = t.live_rows + moved.live_rows,
    live_dead_letters = t.live_dead_letters + moved.live_dead_letters,
    dye_rows = t.dye_rows + moved.dye_rows,
    dye_dead_letters = t.dye_dead_letters + moved.dye_dead_letters,
    unverified_dye = t.unverified_dye + moved.unverified_dye,
    gaps = t.gaps + moved.gaps,
    empty_offsets = t.empty_offsets + moved.empty,
    last_offset = coalesce(moved.last_offset, t.last_offset),
    last_timestamp = case when moved.last_offset is null then t.last_timestamp else moved.last_timestamp end,
    last_digest = case when moved.last_offset is null then t.last_digest else moved.last_digest end,
    marked_at = case when marked.next_offset is null then t.marked_at else now() end,
    marked_offset = coalesce(marked.next_offset, t.marked_offset),
    updated_at = now()
from moved
left join marked on moved.topic_id = marked.topic_id and moved.number = marked."partition"
where t.topic_id = moved.topic_id and t."partition" = moved.number
"""


def _totals(batch: Batch, numbers: Sequence[int], ids: Sequence[str], moves: Sequence[Move]) -> dict[str, object]:
    """Parameters of _MOVE_TOTALS."""
    last = [batch.last.get(number) for number in numbers]
    counted = {
        kind.value: [batch.counts[number][kind] if number in batch.counts else 0 for number in numbers] for kind in Kind
    }
    return counted | {
        "ids": ids,
        "numbers": numbers,
        "after": [to.after for to in moves],
        "gaps": [to.lost for to in moves],
        "empty": [to.empty for to in moves],
        "offsets": [one and one.offset for one in last],
        "timestamps": [one and one.timestamp for one in last],
        "digests": [one and one.digest for one in last],
        "mark_every": MARK_EVERY,
    }


def ranges(query: cursor, topic_id: UUID, partition: int) -> list[tuple[UUID, int]]:
    """The topic ids under which a partition's offsets are stored, newest first.

    Each comes with its first offset.
    """
    query.execute(
        'select topic_id, first_offset from raw.loaded_totals where kafka_topic_id = %s and "partition" = %s '
        "order by began_at desc",
        (str(topic_id), partition),
    )
    return [(UUID(stored_as), first) for stored_as, first in query.fetchall()]


def stored_hash(
    query: cursor, stored_as: UUID, partition: int, from_offset: int, up_to_offset: int
) -> tuple[int, str] | None:
    """The highest message stored in a range of offsets, with the hash of its stored form.

    None if there is none.
    """
    query.execute(
        'select "offset", message_hash from raw.stored_hash(%s, %s, %s, %s)',
        (str(stored_as), partition, from_offset, up_to_offset),
    )
    found: tuple[int, str] | None = query.fetchone()
    return found


def record_gap(query: cursor, topic: str, partition: int, place: Place, to_offset: int, reason: str) -> None:
    """Record that the topic does not hold what is next; a gap not passed yet grows."""
    query.execute(
        'insert into raw.gaps as gap (topic_id, topic, "partition", from_offset, to_offset, reason) '
        "values (%s, %s, %s, %s, %s, %s) "
        "on conflict (topic_id, \"partition\", from_offset) where reason in ('deleted_before_loaded', 'corrupt') "
        "do update set to_offset = greatest(gap.to_offset, excluded.to_offset), reason = excluded.reason",
        (str(place.stored_as), topic, partition, place.next_offset, to_offset, reason),
    )


def start_anew(query: cursor, topic: str, topic_id: UUID, partition: int, place: Place, from_offset: int) -> Place:
    """Continue a partition from an offset whose messages the broker lost, with a new topic id.

    Rows already stored for these offsets stay. The broker assigns the same offsets to other messages.

    Raises:
        Fenced: the stored offset is not where this loader found it.
    """
    stored_as = uuid4()
    named = {
        "id": str(topic_id),
        "topic": topic,
        "partition": partition,
        "before": place.next_offset,
        "was": str(place.stored_as),
        "from": from_offset,
        "now": str(stored_as),
    }
    query.execute(
        "update raw.loaded_offsets set next_offset = %(from)s, stored_as = %(now)s, updated_at = now() "
        'where topic_id = %(id)s and "partition" = %(partition)s and next_offset = %(before)s and stored_as = %(was)s',
        named,
    )
    if not query.rowcount:
        raise Fenced(
            f"The next offset of {topic}, partition {partition}, is not {place.next_offset} any more: something else "
            "moved it. Start the loader again."
        )
    query.execute(
        'insert into raw.loaded_totals (topic_id, topic, "partition", kafka_topic_id, first_offset, next_offset) '
        "values (%(now)s, %(topic)s, %(partition)s, %(id)s, %(from)s, %(from)s)",
        named,
    )
    query.execute(
        'insert into raw.gaps (topic_id, topic, "partition", from_offset, to_offset, reason, passed_at, continued_as) '
        "values (%(was)s, %(topic)s, %(partition)s, %(from)s, %(before)s, 'lost_by_broker', now(), %(now)s)",
        named,
    )
    return Place(from_offset, stored_as, None)
