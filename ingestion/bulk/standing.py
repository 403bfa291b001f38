"""Compare files with what was loaded before.

A file is new, known, appended to, changed, or known with rows that were lost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from psycopg2.extensions import cursor

from ingestion.bulk import records
from ingestion.bulk.reading.opened import OpenFile
from ingestion.bulk.reading.rows import ALL_ROWS, RowRange
from ingestion.bulk.records import FileClaim, FileRecord

Earlier = Mapping[str, Sequence[tuple[date | None, FileRecord]]]
"""What was loaded from some paths before, by path, with the days it was requested for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a file relates to what was loaded before.

    Attributes:
        opened: the file.
        record: its record, if it is loaded.
        continues: if it is not loaded, its earlier content, to which rows were appended.
        is_claimed: it was requested for its day before, from the same path.
        lost: among `record` or `continues` and what these continue, the files with missing rows.
        changed: if it is not loaded, other contents loaded from its path for its day that are not a beginning of it.
    """

    opened: OpenFile
    record: FileRecord | None
    continues: FileRecord | None
    is_claimed: bool
    lost: tuple[FileRecord, ...]
    changed: tuple[FileRecord, ...]

    @property
    def rows(self) -> RowRange:
        """The rows to load."""
        return RowRange(((self.continues.end_row, None),)) if self.continues else ALL_ROWS

    @property
    def kept(self) -> UUID | None:
        """The loaded file with the same content, or the one it continues."""
        loaded = self.record or self.continues
        return loaded.topic_id if loaded else None

    def claim(self) -> FileClaim:
        """The claim that the file was requested for its day."""
        file = self.opened.file
        topic_id = self.record.topic_id if self.record else self.opened.topic_id
        return FileClaim(topic_id, file.day, records.stored_name(file))


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What replacing a day removes.

    Attributes:
        goes: the files to remove, with their rows.
        stays: files that no longer belong to the day but stay, each with another path and day (or none) it lies under.
    """

    goes: tuple[FileRecord, ...]
    stays: tuple[tuple[FileRecord, str, date | None], ...]


def standings(query: cursor, opened: Sequence[OpenFile], earlier: Earlier) -> list[Standing]:
    """Compare each of some files with what was loaded before.

    Args:
        query: cursor of a session as the loader's role.
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
    """Plan what is removed when the loaded files of a day replace all others.

    Args:
        query: cursor of a session as the loader's role.
        day: the day.
        kept: topic ids of the day's files that stay.
    """
    staying = {record.topic_id for record in records.with_continued(query, kept)}
    query.execute(
        "select distinct on (days.topic_id) days.topic_id, others.path, others.day, others.topic_id is not null "
        "from raw.file_days as days left join raw.file_days as others "
        "on days.topic_id = others.topic_id and others.day is distinct from days.day "
        "where days.day = %s and exists (select from raw.loaded_files as files "
        "where files.topic_id = days.topic_id and raw.is_of_session(files.raw_table)) "
        "and days.topic_id <> all(%s::uuid[]) "
        "order by days.topic_id, others.day, others.path",
        (day, [str(topic_id) for topic_id in staying]),
    )
    found = {UUID(topic_id): (path, other) if stays else None for topic_id, path, other, stays in query.fetchall()}
    leaving = [record for record in records.with_continued(query, found) if record.topic_id in found]
    leaving.sort(key=lambda record: record.path)
    goes = tuple(record for record in leaving if found[record.topic_id] is None)
    return DayPlan(goes, tuple((record, *place) for record in leaving if (place := found[record.topic_id])))


def _end(record: FileRecord) -> int:
    return record.end_row


def _chain(record: FileRecord | None, by_id: Mapping[UUID, FileRecord]) -> Iterator[FileRecord]:
    while record:
        yield record
        record = by_id.get(record.continues) if record.continues else None
