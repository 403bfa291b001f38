"""Finds keys whose messages lie on more than one partition.

Messages of one key on one partition keep their order. On two partitions, as where producers choose the partition in
different ways, an older message may be taken for the newest.
"""

from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.settings.pipeline import contract

LATEST = 10_000
"""How many of the latest offsets of each partition are looked at where nobody says from where on."""

_NAMED = 3


def split_keys(database: connection, starts: Sequence[tuple[str, int, int]] | None = None) -> str | None:
    """Name keys on two partitions of one topic, in words. None if there are none.

    Args:
        database: as a role that reads the raw tables.
        starts: topic id, partition and offset from which on messages are looked at; None: the latest ones.
    """
    promised = contract()
    with database.cursor() as query:
        if starts is None:
            query.execute(
                'select topic_id::text, "partition", greatest(next_offset - %s, 0) from raw.loaded_totals', (LATEST,)
            )
            starts = query.fetchall()
        query.execute(
            sql.SQL(
                "with starts as (select * from unnest(%s::uuid[], %s::int[], %s::bigint[])"
                ' as starts (topic_id, "partition", from_offset)),'
                ' split as (select stored.{key} as key, array_agg(distinct stored."partition") as places'
                " from {table} as stored inner join starts on stored.topic_id = starts.topic_id"
                ' and stored."partition" = starts."partition" and stored."offset" >= starts.from_offset'
                " where stored.{key} <> '' group by stored.topic_id, stored.{key}"
                ' having min(stored."partition") <> max(stored."partition"))'
                " select key, places, count(*) over () from split order by key limit %s"
            ).format(key=sql.Identifier(promised.key_field), table=sql.Identifier("raw", promised.table)),
            ([one[0] for one in starts], [one[1] for one in starts], [one[2] for one in starts], _NAMED),
        )
        found = query.fetchall()
    if not found:
        return None
    count = found[0][2]
    named = ", ".join(f"{key} (partitions {', '.join(map(str, places))})" for key, places, _ in found)
    return (
        f"{count} values of the key {promised.key_field} have messages on more than one partition: {named}"
        f"{' and others' if count > len(found) else ''}. Their order is lost, and an older version may win. Let all "
        "producers use Kafka's default partitioner and the same key; after partitions were added this passes by itself"
    )
