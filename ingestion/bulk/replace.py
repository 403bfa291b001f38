"""Replace all files of a day by others, in one transaction and one process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Event
from uuid import UUID

import psycopg2

from ingestion.bulk.reading.columns import Chunk, RowPlace
from ingestion.bulk.reading.files import BadFile, SourceFile
from ingestion.bulk.reading.opened import OpenFile
from ingestion.bulk.reading.rows import RowRange
from ingestion.bulk.records import FileRecord
from ingestion.bulk.report import BulkReport
from ingestion.bulk.standing import DayPlan, Earlier
from ingestion.bulk.store import BulkStore
from ingestion.bulk.work import beginnings
from ingestion.contract import LOADER
from ingestion.database.outages import in_our_words
from ingestion.database.waits import watched
from ingestion.errors import InputError, Interrupted
from ingestion.settings.pipeline import contract
from ingestion.words import counted

_NAMED = 10  # most files that a sentence names


def replace_day(
    load_id: UUID,
    folder: Path,
    files: Sequence[SourceFile],
    day: date,
    stop: Event,
    time_column: str,
    dry_run: bool,
    tell: Callable[[str], None],
) -> BulkReport:
    """Replace the files of a day by those of a folder; see `ingestion.bulk.run.bulk_load`."""
    of_day = [file for file in files if file.day == day]
    if not of_day:
        raise InputError(
            f"No file in {folder} names the day {day} in its path (2026-01-31, 2026_01_31, 2026/01/31 or 20260131). "
            "Nothing was replaced."
        )
    report = BulkReport(load_id, len(of_day), workers=1)
    name = f"ingestion bulk-load {load_id.hex[:8]}"
    with closing(BulkStore.open(name)) as store, watched(LOADER, name, tell):
        try:
            earlier = store.earlier(of_day)
            opened = _opened(of_day, earlier, time_column, report, day, stop)
            if report.bad_files:
                return report
            others = [file for file in files if file.day != day]
            _tell_plan(store.plan(day, opened, earlier), day, others, report, tell)
            if dry_run:
                return report
            done = store.replace_day(load_id, day, opened, earlier, _Reading(report.bad_files, day, stop).read)
        except BadFile:
            return report
        except psycopg2.DataError as error:
            raise InputError(
                f"PostgreSQL refused a row of {day}: {error.diag.message_primary}. Nothing was replaced. "
                "Load the files without --replace-day to learn which one it is."
            ) from error
        except psycopg2.Error as error:
            told = in_our_words(error)
            raise type(told)(
                f"While {day} was replaced: {told} The day was replaced completely or not at all. Run the command "
                "again."
            ) from error
    report.replaced = done.gone
    report.already_loaded = done.already_loaded
    report.restored = done.restored
    report.appended = done.appended
    report.add_loaded()
    return report


def _opened(
    files: Iterable[SourceFile], earlier: Earlier, time_column: str, report: BulkReport, day: date, stop: Event
) -> list[OpenFile]:
    """The files that can be opened; the errors of the others are recorded."""
    opened = []
    for file in files:
        _heed(stop, day)
        try:
            # All files of a day are too much to keep in memory.
            starts = beginnings(file, earlier)
            opened.append(OpenFile(file, contract(), keep=False, beginnings=starts, time_column=time_column))
        except BadFile as bad:
            report.bad_files[file.name] = str(bad)
    return opened


def _tell_plan(
    plan: DayPlan, day: date, others: Sequence[SourceFile], report: BulkReport, tell: Callable[[str], None]
) -> None:
    """Report what will be removed, before it is."""
    if plan.goes:
        rows = sum(record.rows for record in plan.goes)
        letters = sum(record.dead_letters for record in plan.goes)
        tell(
            f"Replacing {day} takes away {counted(len(plan.goes), 'file')} with {counted(rows, 'row')} and "
            f"{counted(letters, 'dead letter')}: "
            f"{_names(record.path for record in plan.goes)}."
        )
    for record, path, other in plan.stays:
        report.stays[record.path] = path
        under = f"the day {other}" if other else "no day"
        tell(f"{record.path} is no longer of {day}, but its rows stay: it was loaded under {under} too, as {path}.")
    for path, record in _same_elsewhere(plan.goes, others).items():
        tell(
            f"{path} holds the same content as {record.path}, whose rows go, and was never loaded from there. "
            "Load it afterwards with `ingestion bulk-load`."
        )


def _same_elsewhere(goes: Iterable[FileRecord], others: Iterable[SourceFile]) -> Mapping[str, FileRecord]:
    """Files in the folder under another day, or none, whose content is about to be removed.

    Only files with a matching size are read.
    """
    by_size: dict[int, list[FileRecord]] = {}
    for record in goes:
        by_size.setdefault(record.size, []).append(record)
    found: dict[str, FileRecord] = {}
    for file in others:
        if alike := by_size.get(file.size):
            try:
                opened = OpenFile(file, contract(), keep=False)
            except BadFile:
                continue  # it is not part of the day: its error is reported when it is loaded
            found.update((file.name, record) for record in alike if record.is_of(opened))
    return found


def _names(paths: Iterable[str]) -> str:
    listed = list(paths)
    more = f" and {len(listed) - _NAMED:,} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the files of a day until told to stop, and remembers a bad file."""

    bad_files: dict[str, str]
    day: date
    stop: Event

    def read(self, opened: OpenFile, rows: RowRange, place: RowPlace | None) -> Iterator[Chunk]:
        try:
            for chunk in opened.chunks(rows, place):
                _heed(self.stop, self.day)
                yield chunk
        except BadFile as bad:
            self.bad_files[opened.file.name] = str(bad)
            raise


def _heed(stop: Event, day: date) -> None:
    if stop.is_set():
        raise Interrupted(f"Stopped by a signal while {day} was replaced. The day is unchanged; run the command again.")
