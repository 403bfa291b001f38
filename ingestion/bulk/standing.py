"""What a file is to what was loaded before: new, known, appended to, changed, or known with rows that were lost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from psycopg2.extensions import cursor

from ingestion.bulk import records
from ingestion.bulk.reading.opened import OpenFile
from ingestion.bulk.reading.rows import ALL_ROWS, Rows
from ingestion.bulk.records import Claim, Record

Earlier = Mapping[str, Sequence[tuple[date | None, Record]]]
"""What was loaded from some paths before, by path, with the days that it was asked for under."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a file.

    Attributes:
        opened: the file.
        record: the same, if it is loaded.
        continues: if it is not, its earlier content, to which rows were appended.
        is_claimed: it was asked for under its day before, from the same path.
        lost: of `record` or `continues` and what these continue those with rows that are no longer there.
        changed: if it is not loaded, what was loaded from its path under its day and is no beginning of it.
    """

    opened: OpenFile
    record: Record | None
    continues: Record | None
    is_claimed: bool
    lost: tuple[Record, ...]
    changed: tuple[Record, ...]

    @property
    def rows(self) -> Rows:
        """Its rows that are to be loaded."""
        return Rows(((self.continues.end_row, None),)) if self.continues else ALL_ROWS

    @property
    def kept(self) -> UUID | None:
        """The file already loaded that it stands for or continues."""
        loaded = self.record or self.continues
        return loaded.topic_id if loaded else None

    def claim(self) -> Claim:
        """That it was asked for under its day."""
        file = self.opened.file
        topic_id = self.record.topic_id if self.record else self.opened.topic_id
        return Claim(topic_id, file.day, records.stored_name(file))


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What replacing a day takes away.

    Attributes:
        goes: the files that go, with their rows.
        stays: those that stay although they are no longer of the day, each with a path and a day (or none) that it
            lies under too.
    """

    goes: tuple[Record, ...]
    stays: tuple[tuple[Record, str, date | None], ...]


def standings(query: cursor, opened: Sequence[OpenFile], earlier: Earlier) -> list[Standing]:
    """What is known of each of some files.

    Args:
        query: of a session as the loader's role.
        opened: the files.
        earlier: what was loaded from their paths.
    """
    contents = records.with_contents(query, {each.content for each in opened})
    known = [next((record for record in contents[each.content] if record.is_of(each)), None) for each in opened]
    before = [earlier.get(records.stored_name(each.file), ()) for each in opened]
    continued = [
        None if record else max((r for _, r in found if r.is_beginning_of(each)), key=_end, default=None)
        for each, record, found in zip(opened, known, before, strict=True)
    ]
    ids = {record.topic_id for record in (*known, *continued) if record}
    by_id = {record.topic_id: record for record in records.with_continued(query, ids)}
    lost = {record.topic_id for record in records.with_lost_rows(query, by_id.values())}
    found_out = []
    for each, record, start, found in zip(opened, known, continued, before, strict=True):
        chain = list(_chain(record or start, by_id))
        own = {link.topic_id for link in chain}
        others = {r.topic_id: r for day, r in found if day == each.file.day and r.topic_id not in own}
        found_out.append(
            Standing(
                opened=each,
                record=record,
                continues=start,
                is_claimed=record is not None and (each.file.day, record) in found,
                lost=tuple(link for link in chain if link.topic_id in lost),
                changed=() if record else tuple(others.values()),
            )
        )
    return found_out


def plan_of_day(query: cursor, day: date, kept: Iterable[UUID]) -> DayPlan:
    """What replacing a day by files that are loaded takes away.

    Args:
        query: of a session as the loader's role.
        day: the day.
        kept: topic ids of its files that stay.
    """
    staying = {record.topic_id for record in records.with_continued(query, kept)}
    query.execute(
        "select distinct on (days.topic_id) days.topic_id, others.path, others.day, others.topic_id is not null "
        "from raw.file_days as days left join raw.file_days as others "
        "on days.topic_id = others.topic_id and others.day is distinct from days.day "
        "where days.day = %s and days.topic_id <> all(%s::uuid[]) order by days.topic_id, others.day, others.path",
        (day, [str(topic_id) for topic_id in staying]),
    )
    found = {UUID(topic_id): (path, other) if stays else None for topic_id, path, other, stays in query.fetchall()}
    leaving = [record for record in records.with_continued(query, found) if record.topic_id in found]
    leaving.sort(key=lambda record: record.path)
    goes = tuple(record for record in leaving if found[record.topic_id] is None)
    return DayPlan(goes, tuple((record, *place) for record in leaving if (place := found[record.topic_id])))


def _end(record: Record) -> int:
    return record.end_row


def _chain(record: Record | None, by_id: Mapping[UUID, Record]) -> Iterator[Record]:
    while record:
        yield record
        record = by_id.get(record.continues) if record.continues else None
