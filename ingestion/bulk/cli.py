"""The command `ingestion bulk-load`."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ingestion.bulk.reading.times import TIME_COLUMN
from ingestion.extras import require
from ingestion.stop import on_signals

if TYPE_CHECKING:
    from ingestion.bulk.report import BulkReport
    from ingestion.bulk.run import Progress

talk = Console(stderr=True, highlight=False, soft_wrap=True)

_LINE_SECONDS = 10.0  # between two lines of progress when there is no terminal


def bulk_load_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of .parquet, .csv, .ndjson and .jsonl files.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes (default: one per core).")] = None,
    replace_day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Load only the files whose path names this day, and remove what was loaded for that day before.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --replace-day: show what would be removed without changing anything."),
    ] = False,
    time_column: Annotated[
        str, typer.Option(help="Column that says when a row was sent. Rows without it count as sent when loaded.")
    ] = TIME_COLUMN,
) -> None:
    """Load files of messages into the raw tables, each content once. Prints a JSON summary.

    A bad file is skipped as a whole and listed at the end. All others are loaded, and the exit code is 1.
    """
    if dry_run and replace_day is None:
        raise typer.BadParameter("needs --replace-day", param_hint="--dry-run")
    require("pyarrow")
    from ingestion.bulk.run import bulk_load  # imports Arrow, which other commands do not need

    logging.basicConfig(format="%(asctime)s %(message)s")
    stop = on_signals()
    with _shown() as shown:
        report = bulk_load(
            folder,
            workers,
            replace_day.date() if replace_day else None,
            stop,
            shown.update,
            time_column=time_column,
            dry_run=dry_run,
            tell=lambda sentence: talk.print(sentence, markup=False),
        )
    _tell(report)
    typer.echo(json.dumps({**asdict(report), "rows_per_second": _rate(report)}, default=str))
    if report.bad_files:
        raise typer.Exit(1)


def _rate(report: "BulkReport") -> int:
    return round(report.rows / max(report.seconds, 0.001))


def _tell(report: "BulkReport") -> None:
    if report.replaced:
        gone = report.replaced
        talk.print(f"Taken away: {gone.files:,} files, {gone.rows:,} rows, {gone.dead_letters:,} dead letters.")
        if gone.files:
            talk.print("The dbt models still hold them: run `dbt build --full-refresh`.")
    for name, rows in sorted(report.restored.items()):
        talk.print(f"{rows:,} rows of {name} were missing from the tables and are loaded again.", markup=False)
    if report.restored:
        talk.print("If models were built without these rows, run `dbt build --full-refresh`.")
    for name, rows in sorted(report.appended.items()):
        talk.print(
            f"{name} has grown: its first {rows:,} rows were loaded before, and the rest is loaded now.", markup=False
        )
    for name, topic_ids in sorted(report.changed.items()):
        ids = " ".join(topic_ids)
        talk.print(
            f"{name} was loaded before with another content, whose rows are still there. "
            f"If the new one replaces it, remove these: ingestion files forget {ids}",
            markup=False,
        )
    talk.print(
        f"{report.loaded:,} files loaded with {report.rows:,} rows and {report.dead_letters:,} dead letters in "
        f"{report.seconds:.1f} s; {report.already_loaded:,} were loaded before."
    )
    for name, reason in sorted(report.bad_files.items()):
        talk.print(f"Bad file {name}: {reason}", markup=False)
    if report.bad_files:
        talk.print(f"{len(report.bad_files):,} bad files of {report.found:,}; none of their rows were loaded.")


class _Shown:
    """Shows progress as a bar on a terminal, as plain lines elsewhere."""

    def __init__(self, bar: Bar | None) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._started = self._told = time.monotonic()

    def update(self, progress: "Progress") -> None:
        """Show the current progress."""
        now = time.monotonic()
        rate = progress.written / max(now - self._started, 0.001)
        words = f"{progress.files_done:,} of {progress.files:,} files, {progress.written:,} rows, {rate:,.0f}/s"
        if self._bar:
            if self._task is None:
                self._task = self._bar.add_task("", total=progress.size)
            self._bar.update(self._task, completed=progress.size_done, description=words, refresh=True)
        elif now - self._told >= _LINE_SECONDS or progress.files_done == progress.files:
            self._told = now
            share = progress.size_done / max(progress.size, 1)
            left = (now - self._started) * (1 - share) / max(share, 1e-9)
            typer.echo(f"{datetime.now(UTC):%H:%M:%S} {words}, {left:,.0f} s left", err=True)


@contextmanager
def _shown() -> Iterator[_Shown]:
    if not talk.is_terminal:
        yield _Shown(None)
        return
    # No thread for the bar: the workers are forked from this process.
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=talk, auto_refresh=False
    ) as bar:
        yield _Shown(bar)
