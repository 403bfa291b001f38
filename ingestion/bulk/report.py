"""The report on a bulk load."""

from contextlib import closing
from dataclasses import dataclass, field
from uuid import UUID

from ingestion.bulk.counts import Loaded
from ingestion.bulk.store import BulkStore
from ingestion.bulk.work import GroupResult


@dataclass(slots=True)
class BulkReport:
    """The result of one bulk load.

    Attributes:
        load_id: the key of its files in raw.loaded_files.
        found: number of files of messages in the folder (with a day to replace: those of the day).
        loaded: number of files loaded.
        already_loaded: number of files whose content was loaded before.
        rows, dead_letters: number of rows and dead letters written.
        replaced: what was removed in favour of the new files of a day; None if no day is replaced.
        stays: files that no longer belong to that day, with the place that their rows stay for.
        appended: by file, the number of its rows that were loaded before; only later ones were loaded now.
        restored: by file, the number of lost rows that were loaded again.
        changed: by file, the topic ids of other contents that were loaded from its path and are still there.
        bad_files: name and error of each file that was not loaded.
        workers: number of worker processes.
        seconds: duration of the load.
    """

    load_id: UUID
    found: int
    workers: int
    loaded: int = 0
    already_loaded: int = 0
    rows: int = 0
    dead_letters: int = 0
    replaced: Loaded | None = None
    stays: dict[str, str] = field(default_factory=dict)
    appended: dict[str, int] = field(default_factory=dict)
    restored: dict[str, int] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    bad_files: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, result: GroupResult) -> None:
        """Add the result for a group of files."""
        self.already_loaded += result.already_loaded
        self.bad_files.update(result.bad)
        self.appended.update(result.appended)
        self.restored.update(result.restored)
        self.changed.update(result.changed)

    def add_loaded(self) -> None:
        """Add the rows that the load has committed."""
        with closing(BulkStore.open()) as store:
            loaded = store.loaded_by(self.load_id)
        self.loaded, self.rows, self.dead_letters = loaded.files, loaded.rows, loaded.dead_letters
