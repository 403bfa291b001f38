"""The record of runs in a file of the project, `.angiogram/local.db`, without a server.

It holds the runs from the seeds with all their differences, and tries of live runs that PostgreSQL could not record;
the next live run takes these over. git ignores the file.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, LiteralString, Self

from angiogram.core.differences import KEPT, Difference
from angiogram.core.errors import NotReady, UnknownRun
from angiogram.core.stage_id import StageId, as_json, from_json
from angiogram.core.words import COULD_NOT_RUN
from angiogram.store.kept_differences import Kept
from angiogram.store.old_reports import as_current
from angiogram.store.runs import Run

LOCAL_FILE = Path(".angiogram") / "local.db"
"""The file, below the project's folder."""

OF_SEEDS = "seeds-"
"""How the ID of a run from the seeds begins."""

MOST_DIFFERENCES = 100_000
"""Differences of one stage that the file keeps; the full count is always given."""

MOST_RUNS = 200
"""Runs that the file keeps: the newest."""

_WAIT = 30.0
"""Seconds to wait for another process that writes the file."""

_SELECT: LiteralString = "select run_id, started_at, finished_at, verdict, blockage, report from runs"

_TABLES = """
create table if not exists runs (
    run_id text primary key, started_at text not null, finished_at text, verdict text, blockage text not null,
    report text not null, waiting_for text
);
create table if not exists differences (
    run_id text not null, stage_kind text not null, stage_name text not null, number integer not null,
    difference text not null, row_key text, column_name text, expected text, actual text,
    messages text not null default '[]', unfed integer not null default 0,
    primary key (run_id, stage_kind, stage_name, number)
) without rowid;
"""


class LocalRecord:
    """The file, opened."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def opened(cls, project: Path) -> Iterator[Self]:
        """Open the file of a project, and make it if there is none.

        All is written at the end, or nothing.

        Args:
            project: its folder.

        Raises:
            NotReady: the file cannot be read or written.
        """
        file = project / LOCAL_FILE
        try:
            file.parent.mkdir(exist_ok=True)
            ignored = file.parent / ".gitignore"
            if not ignored.exists():
                ignored.write_text("/local.db*\n/.gitignore\n", encoding="utf-8")
            with closing(sqlite3.connect(file, timeout=_WAIT)) as database, database:
                database.executescript(_TABLES)
                yield cls(database)
        except (sqlite3.Error, OSError) as error:
            raise NotReady(
                f"The local record of runs, {file}, cannot be used: {error}. Make its folder writable; a file that is "
                "broken can be deleted: with it go the reports of earlier runs from the seeds."
            ) from error

    def kept(self, run_id: str) -> "LocalKept":
        """Return where the differences of a run are kept."""
        return LocalKept(self._database, run_id)

    def put(self, run: Run, waiting_for: str | None = None) -> None:
        """Store a run, and delete those that are too old.

        Args:
            run: with its report.
            waiting_for: the database whose next live run takes it over. None: none does.
        """
        self._database.execute(
            "insert or replace into runs values (?, ?, ?, ?, ?, ?, ?)",
            (
                *(run.run_id, run.started_at.isoformat(), run.finished_at and run.finished_at.isoformat()),
                *(run.verdict, json.dumps(as_json(run.blockage or [])), json.dumps(run.report), waiting_for),
            ),
        )
        self._database.execute(
            "delete from runs where run_id not in"
            " (select run_id from runs order by started_at desc, rowid desc limit ?)",
            (MOST_RUNS,),
        )
        self._database.execute("delete from differences where run_id not in (select run_id from runs)")

    def last(self, limit: int) -> list[Run]:
        """Return the runs that started last, newest first."""
        return self._runs(_SELECT + " order by started_at desc, rowid desc limit ?", limit)

    def read(self, run_id: str) -> Run:
        """Return one run.

        Raises:
            UnknownRun: there is no run with this ID.
        """
        if not (found := self._runs(_SELECT + " where run_id = ?", run_id)):
            raise UnknownRun(f"No run has the id {run_id} in {LOCAL_FILE}. `angiogram runs` lists the latest.")
        return found[0]

    def waiting(self, database: str) -> list[Run]:
        """Return the tries that a database of PostgreSQL could not record, oldest first."""
        return self._runs(_SELECT + " where waiting_for = ? order by started_at, rowid", database)

    def taken_over(self, run_ids: Iterable[str]) -> None:
        """Note that PostgreSQL has recorded these tries."""
        self._database.executemany("update runs set waiting_for = null where run_id = ?", [(one,) for one in run_ids])

    def differences(
        self, run_id: str, order: Sequence[StageId], stage: StageId | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield all differences of a run that the file keeps.

        Args:
            run_id: the run.
            order: the stages in order; others follow.
            stage: only this stage; None: all.
        """
        rows = self._database.execute(
            "select distinct stage_kind, stage_name from differences where run_id = ?", (run_id,)
        )
        stages = [StageId(*row) for row in rows]
        places = {one: place for place, one in enumerate(order)}
        for one in sorted(stages, key=lambda found: (places.get(found, len(places)), found)):
            if stage in (None, one):
                for found in self.kept(run_id).each(one):
                    yield {"stage": one.as_json(), **found}

    def _runs(self, statement: LiteralString, *values: Any) -> list[Run]:
        rows = self._database.execute(statement, values)
        return [_run(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class LocalKept:
    """The differences of one run in the local file.

    Attributes:
        database: the file, opened.
        run_id: the run.
    """

    database: sqlite3.Connection
    run_id: str

    def put(self, stage: StageId, found: Iterable[Difference]) -> None:
        """Store the differences of a stage, replacing those of an earlier try."""
        self.forget(stage)
        rows = (
            (
                *(self.run_id, *stage, number, one.difference),
                None if one.row_key is None else json.dumps(one.row_key, ensure_ascii=False),
                *(one.column, one.expected, one.actual),
            )
            for number, one in enumerate(islice(found, MOST_DIFFERENCES), start=1)
        )
        self.database.executemany(
            "insert into differences (run_id, stage_kind, stage_name, number, difference, row_key, column_name,"
            " expected, actual) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def forget(self, stage: StageId) -> None:
        """Delete the differences of a stage."""
        self.database.execute(
            "delete from differences where run_id = ? and stage_kind = ? and stage_name = ?", (self.run_id, *stage)
        )

    def rename(self, stage: StageId, other: StageId) -> None:
        """Move the differences of a stage to another one that is to blame."""
        self.forget(other)
        self.database.execute(
            "update differences set stage_kind = ?, stage_name = ?"
            " where run_id = ? and stage_kind = ? and stage_name = ?",
            (*other, self.run_id, *stage),
        )

    def row_keys(self, stage: StageId) -> list[str]:
        """The keys of the rows that differ, each once, as JSON text."""
        rows = self.database.execute(
            "select distinct row_key from differences where run_id = ? and stage_kind = ? and stage_name = ?"
            " and row_key is not null",
            (self.run_id, *stage),
        )
        return [key for (key,) in rows]

    def name_messages(self, stage: StageId, messages: dict[str, list[str]], may_be_unfed: bool) -> None:
        """Add the messages that feed the rows of a stage.

        Args:
            stage: the stage.
            messages: their names by the row's key as JSON text.
            may_be_unfed: whether a missing row without messages is one that only an expected seed has.
        """
        self.database.executemany(
            "update differences set messages = ?"
            " where run_id = ? and stage_kind = ? and stage_name = ? and row_key = ?",
            [(json.dumps(names, ensure_ascii=False), self.run_id, *stage, key) for key, names in messages.items()],
        )
        if may_be_unfed:
            self.database.execute(
                "update differences set unfed = 1 where run_id = ? and stage_kind = ? and stage_name = ?"
                " and difference = 'missing' and row_key is not null and messages = '[]'",
                (self.run_id, *stage),
            )

    def first(self, stage: StageId) -> list[dict[str, Any]]:
        """Return as many differences of a stage as a report shows, with their messages."""
        return list(islice(self.each(stage), KEPT))

    def each(self, stage: StageId) -> Iterator[dict[str, Any]]:
        """Yield the differences of a stage that the file keeps, with their messages."""
        rows = self.database.execute(
            "select difference, row_key, column_name, expected, actual, messages, unfed from differences"
            " where run_id = ? and stage_kind = ? and stage_name = ? order by number",
            (self.run_id, *stage),
        )
        for difference, row_key, column, expected, actual, messages, unfed in rows:
            found = Difference(difference, row_key and json.loads(row_key), column, expected, actual)
            yield asdict(found) | {"messages": json.loads(messages), "unfed": bool(unfed)}


SomeKept = Kept | LocalKept
"""Where the differences of a run are kept: in PostgreSQL or in the local file."""


def unrecorded(run_id: str, began: datetime, report: dict[str, Any]) -> Run:
    """Return a try that could not run, for the local file."""
    return Run(
        run_id=run_id,
        in_hand=False,
        batch=0,
        lease_until=None,
        owner=None,
        started_at=began,
        finished_at=datetime.now(UTC),
        verdict=COULD_NOT_RUN,
        blockage=[],
        report=report,
    )


def _run(run_id: str, started_at: str, finished_at: str | None, verdict: str | None, blockage: str, report: str) -> Run:
    return Run(
        run_id=run_id,
        in_hand=False,
        batch=0,
        lease_until=None,
        owner=None,
        started_at=datetime.fromisoformat(started_at),
        finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
        verdict=verdict,
        blockage=from_json(json.loads(blockage)),
        report=as_current(json.loads(report)),
    )
