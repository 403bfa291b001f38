"""Deletes a pipeline's old runs and their dye.

Row level security does not bind the owner, so each statement names the pipeline. The newest verdict and the newest
healthy one are kept whatever their age.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import LiteralString

import psycopg2
from psycopg2 import sql

from ingestion.contract import OWNER
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable
from ingestion.settings.pipeline import pipeline

_OLD_RUNS: LiteralString = (
    "delete from angiogram.runs where not in_hand and pipeline in ('', %(pipeline)s)"
    " and coalesce(finished_at, started_at) < clock_timestamp() - make_interval(days => %(days)s)"
    " and not exists (select from angiogram.last_verified where runs.run_id in (verified_run_id, last_run_id))"
)
_OLD_DYE: LiteralString = (
    "delete from {} where loaded_at < clock_timestamp() - make_interval(days => %(days)s)"
    " and run_id not in (select run_id from angiogram.runs where in_hand or pipeline not in ('', %(pipeline)s))"
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """Numbers of deleted rows: runs, and messages of the dye, including dead letters."""

    runs: int
    messages: int


def prune(days: int) -> Pruned:
    """Delete this pipeline's runs that ended, and dye that was loaded, over `days` days ago.

    The active run is kept, and every run of another pipeline with its dye.

    Raises:
        SettingsError: the owner's password is not set: only the owner of the raw schemas may delete.
        DatabaseUnavailable: PostgreSQL cannot be reached, or the connection was lost.
    """
    works_for = pipeline()
    values, promised = {"days": days, "pipeline": works_for.name}, works_for.contract()
    with closing(connect(OWNER, "angiogram prune")) as database:
        try:
            with database, database.cursor() as query:
                messages = 0
                query.execute("set local ingestion.taken_by = 'prune'")
                for table in (promised.table, "dead_letters"):
                    query.execute(sql.SQL(_OLD_DYE).format(sql.Identifier("angiogram_raw", table)), values)
                    messages += query.rowcount
                query.execute(_OLD_RUNS, values)
                return Pruned(query.rowcount, messages)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise DatabaseUnavailable(
                f"PostgreSQL was lost while old runs were deleted: {str(error).strip()}. Nothing was deleted."
            ) from error
