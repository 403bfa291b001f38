"""How many rows of files the raw tables hold: counted, not remembered."""

from contextlib import closing
from dataclasses import dataclass

from ingestion.database.sessions import connect


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was written, or taken away: files, rides and dead letters."""

    files: int
    rides: int
    dead_letters: int


def row_counts() -> dict[str, int]:
    """Rows that came from files: rides, dead letters and files. Counts the rows, so it takes a while on large tables.

    Raises:
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached.
    """
    with closing(connect("dbt_prod", "ingestion row counts")) as session, session, session.cursor() as query:
        query.execute(
            "select (select count(*) from raw.taxi_rides where starts_with(topic, 'file:')), "
            "(select count(*) from raw.dead_letters where starts_with(topic, 'file:')), "
            "(select count(*) from raw.loaded_files)"
        )
        rides, dead_letters, files = query.fetchall()[0]
    return {"rides": rides, "dead_letters": dead_letters, "files": files}
