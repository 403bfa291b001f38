"""Makes snapshots comparable: without dbt's times, with the order of validity.

Each snapshot gets a temporary view for the time of a session. In place of dbt's own columns it has the number of each
version of a record, from 1, and whether the version is the current one.
"""

from typing import Any

from psycopg2 import sql

from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import VERSION, Node, unique_key
from angiogram.dbt.project import Project
from angiogram.warehouse.engines.protocol import Query, Warehouse
from angiogram.warehouse.relations import SQL_FAILED, attempted, ordered_columns

CURRENT = "dbt_is_current"
"""The column that says whether a version is the current one."""

COLUMNS_OF_DBT = frozenset({"dbt_valid_from", "dbt_valid_to", "dbt_updated_at", "dbt_scd_id"})
"""dbt's own columns, whose content differs from run to run."""


def show(database: Warehouse, project: Project) -> None:
    """Make the views of the snapshots whose tables exist. Existing views are replaced.

    Args:
        database: the session whose comparisons read the views.
        project: the project that was built.
    """
    with database.cursor() as query:
        for node in project.nodes.values():
            if node.is_snapshot:
                query.execute(sql.SQL("drop view if exists {}").format(sql.SQL(node.relation)))
                _show(query, node, node_with_id(project.manifest, node.unique_id))


def _show(query: Query, node: Node, parsed: Any) -> None:
    names = parsed.config.snapshot_meta_column_names
    own = {name: str(getattr(names, name, None) or name) for name in COLUMNS_OF_DBT}
    present = ordered_columns(query, node.table)
    if not {own["dbt_valid_from"], own["dbt_valid_to"]} <= set(present):
        return  # it was not built, or is a table of something else
    starts, ends = sql.Identifier(own["dbt_valid_from"]), sql.Identifier(own["dbt_valid_to"])
    shown = sql.SQL("").join(sql.SQL("{}, ").format(sql.Identifier(one)) for one in present if one not in own.values())
    current = sql.SQL("{} is null").format(ends)
    if until := parsed.config.dbt_valid_to_current:
        current = sql.SQL("({} or {} = {})").format(current, ends, sql.SQL(until))  # dbt takes it as SQL as well
    statement = sql.SQL(
        "create temporary view {view} as select {shown}row_number() over (partition by {key}"
        " order by {starts}, {ends} nulls last) as {version}, {current} as {is_current} from {table}"
    ).format(
        view=sql.SQL(node.relation),
        shown=shown,
        key=sql.SQL(", ").join(map(sql.SQL, unique_key(parsed))),
        starts=starts,
        ends=ends,
        version=sql.Identifier(VERSION),
        current=current,
        is_current=sql.Identifier(CURRENT),
        table=sql.SQL(node.table),
    )
    try:
        with attempted(query):
            query.execute(statement)
    except SQL_FAILED:  # without a view the comparison says that the snapshot cannot be read
        return
