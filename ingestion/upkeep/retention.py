"""The command `ingestion retention`: deleting raw rows by age.

The offsets stay, so nothing deleted is loaded again. A full refresh of the models sees only what is left.
"""

import json
from contextlib import closing
from typing import Annotated, LiteralString

import typer
from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.contract import LOADER, OWNER
from ingestion.database.sessions import connect
from ingestion.message.tables import tables
from ingestion.migrations import require_current
from ingestion.settings import role
from ingestion.settings.pipeline import contract

_OF_STREAM = "raw.is_of_session(raw_table)"

_CONDITIONS: dict[str, LiteralString] = {
    "raw.dead_letters": _OF_STREAM,
    "angiogram_raw.dead_letters": _OF_STREAM,
    # Messages waiting for a release are never too old: nobody has seen them yet.
    "raw.unverified_dye": f"released_to is not null and {_OF_STREAM}",
}
"""Which rows of a table may be deleted. Of tables that are not named here: all."""

_AT_A_TIME = 50_000  # rows per transaction, so that no lock and no transaction lasts long


def delete_older_than(days: int) -> dict[str, int]:
    """Delete rows loaded more than `days` days ago, and entries of ended loaders of that age.

    Args:
        days: age in days.

    Returns:
        Rows deleted, by table.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
        SchemaOutdated: a migration is missing.
    """
    with closing(connect(OWNER, "ingestion retention")) as session:
        require_current(session)
        with session, session.cursor() as query:
            query.execute("set ingestion.taken_by = 'retention'")
        names = [*map(str, tables(contract()).values()), "raw.empty_offsets"]
        deleted = {table: _delete(session, table, days) for table in names}
        with session, session.cursor() as query:
            query.execute(
                "delete from raw.loaders where started_at < now() - make_interval(days => %s) "
                "and backend_pid not in (select pid from pg_stat_activity where usename = %s)",
                (days, role(LOADER).name),
            )
            deleted["raw.loaders"] = query.rowcount
            # The newest mark older than that stays: a check that goes back as far as rows are kept begins there.
            query.execute(
                "delete from raw.loaded_marks as old where exists (select from raw.loaded_marks as newer "
                'where newer.topic_id = old.topic_id and newer."partition" = old."partition" '
                "and newer.next_offset > old.next_offset and newer.reached_at < now() - make_interval(days => %s))",
                (days,),
            )
    return deleted


def _delete(session: connection, table: str, days: int) -> int:
    statement = sql.SQL(
        "with gone as (delete from {table} where ctid = any(array(select ctid from {table} "
        "where loaded_at < now() - make_interval(days => %s) and {condition} limit %s)) returning topic_id), "
        # A file's rows deleted by age do not count as missing: `ingestion bulk-load` does not restore them.
        "retired as (update raw.loaded_files set retired_at = now() "
        "where retired_at is null and topic_id in (select gone.topic_id from gone)) "
        "select count(*) from gone"
    ).format(
        table=sql.Identifier(*table.split(".")),
        condition=sql.SQL(_CONDITIONS.get(table, "true")),
    )
    deleted = 0
    while True:
        with session, session.cursor() as query:
            query.execute(statement, (days, _AT_A_TIME))
            gone = int(query.fetchall()[0][0])
            deleted += gone
            if gone < _AT_A_TIME:
                return deleted


def retention(
    older_than: Annotated[int, typer.Option(min=1, help="Age in days after which rows are deleted.")],
) -> None:
    """Delete raw and dye rows and dead letters by age. Prints the rows deleted as JSON.

    Records that belong to them are deleted too.
    """
    typer.echo(json.dumps(delete_older_than(older_than)))
