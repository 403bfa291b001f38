"""The commands `ingestion files ...`: list loaded files, and remove a file with its record."""

import json
from contextlib import closing
from dataclasses import asdict
from datetime import date
from typing import Annotated
from uuid import UUID

import typer
from psycopg2 import sql
from rich.console import Console

from ingestion.bulk.counts import Loaded
from ingestion.contract import OWNER
from ingestion.database.copying import identifier
from ingestion.database.locks import REPLACE_DAY, lock_of_stream
from ingestion.database.sessions import connect
from ingestion.errors import InputError
from ingestion.message.tables import LIVE_ROWS, tables
from ingestion.migrations import require_current
from ingestion.settings.pipeline import contract

app = typer.Typer(no_args_is_help=True, help="Files that bulk-load loaded.")
_talk = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command("list")
def list_files(lost: Annotated[bool, typer.Option(help="Show only files with missing rows.")] = False) -> None:
    """List the loaded files, one a line. It counts all their rows, so it may take a while.

    Columns: topic id, days, rows, dead letters, missing rows, path.
    """
    with closing(connect(OWNER, "ingestion files list")) as session:
        require_current(session)
        with session, session.cursor() as query:
            query.execute(
                "select files.topic_id, files.rows, files.dead_letters, files.path, "
                "case when files.retired_at is null "
                "then files.rows + files.dead_letters - counted.stored else 0 end, "
                "array(select distinct days.day from raw.file_days as days "
                "where days.topic_id = files.topic_id and days.day is not null order by days.day) "
                "from raw.loaded_files as files "
                "inner join raw.file_rows(array(select topic_id from raw.loaded_files)) as counted "
                "on files.topic_id = counted.topic_id where raw.is_of_session(files.raw_table) "
                "order by files.path, files.loaded_at"
            )
            found: list[tuple[str, int, int, str, int, list[date]]] = query.fetchall()
    for topic_id, rows, letters, path, missing, days in found:
        if missing or not lost:
            named = ",".join(map(str, days)) or "-"
            typer.echo("\t".join((topic_id, named, str(rows), str(letters), str(missing), path)))


@app.command()
def forget(
    topic_ids: Annotated[list[UUID], typer.Argument(metavar="TOPIC_ID...", help="As `list` shows them.")],
) -> None:
    """Remove files with their rows, so that the same content can be loaded again.

    Each file is removed for every day. Prints how many files, rows and dead letters were removed.
    """
    typer.echo(json.dumps(asdict(forget_files(topic_ids))))
    _talk.print("If models hold these rows, run `dbt build --full-refresh`.")


def forget_files(topic_ids: list[UUID]) -> Loaded:
    """Remove files with their rows and records.

    Args:
        topic_ids: topic ids of the files.

    Returns:
        What was removed.

    Raises:
        InputError: a file does not exist, or another one continues it; nothing was removed.
        SettingsError, DatabaseUnavailable, SchemaOutdated: the database cannot be used, or misses a migration.
    """
    wanted = sorted({str(topic_id) for topic_id in topic_ids})
    with closing(connect(OWNER, "ingestion files forget")) as session:
        require_current(session)
        with session, session.cursor() as query:
            lock_of_stream(query, REPLACE_DAY)
            query.execute(
                "select topic_id, continues from raw.loaded_files "
                "where topic_id = any(%(wanted)s::uuid[]) or continues = any(%(wanted)s::uuid[])",
                {"wanted": wanted},
            )
            continues = dict(query.fetchall())
            if unknown := [topic_id for topic_id in wanted if topic_id not in continues]:
                raise InputError(f"No file has the topic id {', '.join(unknown)}. See `ingestion files list`.")
            if more := {topic_id: start for topic_id, start in continues.items() if topic_id not in wanted}:
                pairs = ", ".join(f"{topic_id} continues {start}" for topic_id, start in more.items())
                raise InputError(
                    f"A file has grown, and its new rows were loaded: {pairs}. Nothing was removed. Name both."
                )
            of_rows = sql.SQL("delete from {} where topic_id = any(%s::uuid[])").format(
                identifier(tables(contract())[LIVE_ROWS])
            )
            query.execute(of_rows, (wanted,))
            rows = query.rowcount
            query.execute("delete from raw.dead_letters where topic_id = any(%s::uuid[])", (wanted,))
            letters = query.rowcount
            query.execute("delete from raw.loaded_files where topic_id = any(%s::uuid[])", (wanted,))
    return Loaded(len(wanted), rows, letters)
