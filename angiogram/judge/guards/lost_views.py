"""Reports users' views on live tables that a live build dropped and did not restore."""

from angiogram.core.findings import Notice
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse

LOST_VIEW = "lost_view"


def notices(database: Warehouse, pipeline: str) -> list[Notice]:
    """Return a notice for each such view.

    There are none if live builds keep no notes that the session's role may read.

    Args:
        database: as the role of the dye target, in autocommit.
        pipeline: name of the dbt project; views that another one's builds noted are left out.
    """
    if not engine_of(database).keeps_notes:
        return []
    with database.cursor() as query:
        query.execute("select set_config('angiogram.pipeline', %s, false)", (pipeline,))
        query.execute(
            "select has_schema_privilege(pg_namespace.oid, 'usage') and has_table_privilege(pg_class.oid, 'select')"
            " from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            " where nspname = 'angiogram' and relname = 'noted_views'"
        )
        if query.fetchone() != (True,):
            return []
        query.execute(
            "select format('%I.%I', schema_name, name), owner, lost_because, notes from angiogram.noted_views"
            " where (schema_name, name) not in (select nspname, relname from pg_class"
            " join pg_namespace on pg_namespace.oid = relnamespace) order by 1"
        )
        return [_notice(*row) for row in query.fetchall()]


def _notice(view: str, owner: str, lost_because: str | None, notes: str) -> Notice:
    why = f"could not recreate it: {lost_because}" if lost_because else "has not yet recreated it; the next build will"
    return Notice(
        LOST_VIEW,
        f"The view {view}, owned by {owner}, is missing: a live build dropped it with a relation that it reads, and "
        f"{why}. The statements that create it are in {notes}. Each build retries until the view exists or its row is "
        "deleted.",
    )
