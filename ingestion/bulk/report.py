"""What a bulk load did."""

from contextlib import closing
from dataclasses import dataclass, field
from uuid import UUID

from ingestion.bulk.counts import Loaded
from ingestion.bulk.store import BulkStore
from ingestion.bulk.work import GroupResult


@dataclass(slots=True)
class BulkReport:
    """What one bulk load did.

    Attributes:
        load_id: the key of its files in raw.loaded_files.
        found: files of messages in the folder (with a day to replace: those of the day).
        loaded: files loaded.
        already_loaded: files whose content was loaded before.
        rows, dead_letters: how many were written.
        replaced: what was taken away for the new files of a day; None without one.
        stays: files that are no longer of that day, with the place that their rows stay for.
        appended: by file, its rows that were loaded before; only those behind them were loaded now.
        restored: by file, rows loaded again that had been lost.
        changed: by file, the topic ids of what was loaded from its path with another content, and is still there.
        bad_files: name and reason of each file of which nothing was loaded.
        workers: worker processes.
        seconds: how long it took.
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
        """Add what became of a group of files."""
        self.already_loaded += result.already_loaded
        self.bad_files.update(result.bad)
        self.appended.update(result.appended)
        self.restored.update(result.restored)
        self.changed.update(result.changed)

    def add_loaded(self) -> None:
        """Add what the load has committed."""
        with closing(BulkStore.open()) as store:
            loaded = store.loaded_by(self.load_id)
        self.loaded, self.rows, self.dead_letters = loaded.files, loaded.rows, loaded.dead_letters
