"""Count the rows of files in the raw tables."""

from contextlib import closing
from dataclasses import dataclass

from psycopg2 import sql

from ingestion.database.copying import identifier
from ingestion.database.sessions import connect
from ingestion.message.tables import LIVE_LETTERS, LIVE_ROWS, tables
from ingestion.settings.pipeline import contract


@dataclass(frozen=True, slots=True)
class Loaded:
    """Number of files, rows and dead letters that were written or removed."""

    files: int
    rows: int
    dead_letters: int


def row_counts() -> dict[str, int]:
    """Count the rows, dead letters and files that came from files.

    It reads all rows, so it takes a while on large tables.

    Raises:
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached.
    """
    pipeline = contract()
    reader = next(iter(pipeline.model_roles))  # the loader's role may not read
    with closing(connect(reader, "ingestion row counts")) as session, session, session.cursor() as query:
        query.execute(
            sql.SQL(
                "select (select count(*) from {rows} where starts_with(topic, 'file:')), "
                "(select count(*) from {letters} where starts_with(topic, 'file:')), "
                "(select count(*) from raw.loaded_files where raw.is_of_session(raw_table))"
            ).format(
                rows=identifier(tables(pipeline)[LIVE_ROWS]),
                letters=identifier(tables(pipeline)[LIVE_LETTERS]),
            )
        )
        rows, dead_letters, files = query.fetchall()[0]
    return {"rows": rows, "dead_letters": dead_letters, "files": files}
