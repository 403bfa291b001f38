"""Compares the live models with the raw tables, and with each other.

What the models make of a message is the business of the dye, a set of test records with known results. Here messages
are only counted: those in raw, those that the models have taken, and what became of them.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection, cursor

from angiogram.dye.checkpoints import ACCEPTED, CHECKED, Checkpoint, count_accounted
from ingestion.settings.pipeline import contract

TAKEN = "taken"
"""What the first model accounts for (meta.accounts_for): each message that the models have taken, by its position."""

IN_RAW, IN_CHECKED = "messages in raw = taken by the models", "taken = checked"
NOT_IN_RAW = "no message taken that raw does not hold"
FILES = "rows of files ever loaded = kept"
"""Names of checkpoints."""


class _Part(NamedTuple):
    """A partition of a topic, or a file, from an offset on."""

    topic_id: str
    partition: int
    from_offset: int
    name: str


class _Model(NamedTuple):
    """A live model as production built it last."""

    name: str
    relation: str
    accounts_for: str | None
    counts: str | None
    is_as_new_as_accepted: bool


def check_models(
    database: connection, pipeline: str, loaded: Sequence[Mapping[str, Any]], since: timedelta | None
) -> tuple[list[Checkpoint], list[str]]:
    """Count what the live models account for; nothing before production has built them.

    Args:
        database: as the role of the live models.
        pipeline: name of the dbt project; models that another one built are not counted.
        loaded: rows of raw.loaded_counts, which say from which offset of each partition to count.
        since: how far back files are looked at; None: all.

    Returns:
        The checkpoints, and where they do not hold, in words.
    """
    models = _models(database, pipeline)
    relations = {model.accounts_for: model.relation for model in models if model.accounts_for}
    points: list[Checkpoint] = []
    told: list[str] = []
    if CHECKED in relations:
        checked = _count(database, relations[CHECKED])
        if TAKEN in relations:
            parts = [*_partitions(database, loaded), *_files(database, since)]
            of_raw, told, taken = _compare(database, relations[TAKEN], parts)
            points += [*of_raw, Checkpoint(IN_CHECKED, taken, {"checked": checked})]
        points.append(
            Checkpoint("checked = accepted + superseded + rejected", checked, count_accounted(database, relations))
        )
    if ACCEPTED in relations:
        points += _marts(database, models, _count(database, relations[ACCEPTED]))
    return points, told


def check_files(database: connection, since: timedelta | None) -> tuple[list[Checkpoint], list[str]]:
    """Check that every row of a file is still stored, unless a command deleted it.

    Args:
        database: as the role of the live models.
        since: how far back files are looked at; None: all.
    """
    with database.cursor() as query:
        query.execute(
            "with files as (select topic_id, path, rows + dead_letters as loaded from raw.loaded_files"
            " where retired_at is null and raw.is_of_session(raw_table)"
            " and loaded_at >= coalesce(clock_timestamp() - %s::interval, '-infinity'))"
            " select files.path, files.loaded, coalesce(stored.stored, 0) from files"
            " left join raw.file_rows((select array_agg(topic_id) from files)) as stored (topic_id, stored)"
            " on files.topic_id = stored.topic_id order by files.path",
            (since,),
        )
        found = query.fetchall()
    told = [
        f"file {path}: {loaded - stored} of its {loaded} rows are not stored any more. Load it again: "
        "`ingestion bulk-load`"
        for path, loaded, stored in found
        if stored < loaded
    ]
    kept = sum(min(stored, loaded) for _, loaded, stored in found)
    return [Checkpoint(FILES, sum(loaded for _, loaded, _ in found), {"kept": kept})] if found else [], told


def _models(database: connection, pipeline: str) -> list[_Model]:
    with database.cursor() as query:
        query.execute(
            "with built as (select * from angiogram.live_nodes where pipeline in ('', %s))"
            " select name, relation, accounts_for, counts, coalesce(built_at >= ("
            "select max(built_at) from built where accounts_for = %s), true)"
            " from built where accounts_for is not null or counts is not null order by name",
            (pipeline, ACCEPTED),
        )
        return [_Model(*row) for row in query.fetchall()]


def _count(database: connection, relation: str) -> int:
    with database.cursor() as query:
        # dbt has quoted its relations already.
        query.execute(sql.SQL("select count(*) from {}").format(sql.SQL(relation)))
        return int(query.fetchall()[0][0])


def _partitions(database: connection, loaded: Sequence[Mapping[str, Any]]) -> list[_Part]:
    """Partitions, each from the offset from which raw holds everything."""
    with database.cursor() as query:
        query.execute(
            'select topic_id::text, "partition", max(to_offset) from raw.taken_away'
            " where by_command <> '' group by 1, 2"
        )
        taken_away = {(topic_id, partition): offset for topic_id, partition, offset in query.fetchall()}
    return [
        _Part(
            str(row["topic_id"]),
            row["partition"],
            max(row["from_offset"], taken_away.get((str(row["topic_id"]), row["partition"]), 0)),
            f"partition {row['partition']} of {row['topic']}",
        )
        for row in loaded
    ]


def _files(database: connection, since: timedelta | None) -> list[_Part]:
    with database.cursor() as query:
        query.execute(
            "select topic_id::text, path from raw.loaded_files"
            " where retired_at is null and raw.is_of_session(raw_table)"
            " and loaded_at >= coalesce(clock_timestamp() - %s::interval, '-infinity')",
            (since,),
        )
        return [_Part(topic_id, 0, 0, f"file {path}") for topic_id, path in query.fetchall()]


def _compare(database: connection, taken: str, parts: Sequence[_Part]) -> tuple[list[Checkpoint], list[str], int]:
    """Compare messages in raw with those that the models have taken.

    Messages beyond the highest offset taken are for the next build. Messages of a topic id that nobody
    knows are those of a replaced file.

    Returns:
        The checkpoints, where they do not hold, and how many messages the models have taken in all.
    """
    table = sql.Identifier("raw", contract().table)
    with database.cursor() as query:
        found = _counted(query, taken, table, parts)
        query.execute(
            sql.SQL(
                "with taken as (select source_topic_id as topic_id, count(*) as held from {} group by 1)"
                " select sum(held)::bigint, coalesce(sum(held) filter (where"
                " not exists (select from raw.loaded_totals as t where t.topic_id = taken.topic_id)"
                " and not exists (select from raw.loaded_files as f where f.topic_id = taken.topic_id)"
                " and not exists (select from {} as r where r.topic_id = taken.topic_id)), 0)::bigint from taken"
            ).format(sql.SQL(taken), table)
        )
        ((all_taken, replaced),) = query.fetchall()
    told = [
        f"{part.name}: raw holds {stored} messages up to offset {highest} that the models have reached, but the models "
        f"{held}. `dbt build --full-refresh` builds them from raw again"
        for part, highest, stored, held in found
        if stored != held
    ]
    if replaced:
        told.append(
            f"the models hold {replaced} messages of files that were replaced or taken away since. "
            "`dbt build --full-refresh` builds them from raw again"
        )
    kept = sum(min(stored, held) for *_, stored, held in found)
    points = [Checkpoint(IN_RAW, sum(stored for *_, stored, _ in found), {"taken": kept})]
    if unexpected := sum(max(held - stored, 0) for *_, stored, held in found) + replaced:
        points.append(Checkpoint(NOT_IN_RAW, 0, {"taken": unexpected}))
    return points, told, all_taken or 0


def _counted(
    query: cursor, taken: str, table: sql.Composable, parts: Sequence[_Part]
) -> list[tuple[_Part, int, int, int]]:
    """Per part: the highest offset taken, the messages of raw up to there, those of the models."""
    by_place = {(part.topic_id, part.partition): part for part in parts}
    query.execute(
        sql.SQL(
            "with parts as (select * from unnest(%s::uuid[], %s::int[], %s::bigint[])"
            ' as parts (topic_id, "partition", from_offset)),'
            ' held as (select parts.topic_id, parts."partition", parts.from_offset, max(source_offset) as highest,'
            " count(*) filter (where source_offset >= parts.from_offset) as messages from {taken} as taken"
            " inner join parts on taken.source_topic_id = parts.topic_id"
            ' and taken.source_partition = parts."partition" group by 1, 2, 3)'
            ' select topic_id::text, "partition", highest, (select count(*) from {table} as stored'
            ' where stored.topic_id = held.topic_id and stored."partition" = held."partition"'
            ' and stored."offset" between held.from_offset and held.highest), messages from held order by 1, 2'
        ).format(taken=sql.SQL(taken), table=table),
        ([part.topic_id for part in parts], [part.partition for part in parts], [part.from_offset for part in parts]),
    )
    return [(by_place[topic_id, partition], *counts) for topic_id, partition, *counts in query.fetchall()]


def _marts(database: connection, models: Sequence[_Model], accepted: int) -> list[Checkpoint]:
    """Compare marts with the accepted messages; an older one, such as a held one, is left out."""
    return [
        Checkpoint(f"accepted = {model.counts} of {model.name}", accepted, {"counted": _sum(database, model)})
        for model in models
        if model.counts and model.is_as_new_as_accepted
    ]


def _sum(database: connection, model: _Model) -> int:
    with database.cursor() as query:
        query.execute(
            sql.SQL("select coalesce(sum({}), 0)::bigint from {}").format(
                sql.Identifier(model.counts or ""), sql.SQL(model.relation)
            )
        )
        return int(query.fetchall()[0][0])
