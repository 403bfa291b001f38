"""Tells how dbt puts later batches into a model's table."""

from dataclasses import dataclass
from typing import Any

from angiogram.core.errors import UnsupportedProject


@dataclass(frozen=True, slots=True)
class Incremental:
    """How dbt puts later batches into a model's table.

    Attributes:
        sql: the model's SQL where is_incremental() holds.
        strategy: append, delete+insert or merge.
        unique_key: the columns that identify a row. Empty if there are none.
        on_schema_change: what dbt does when the columns differ.
        update_columns: the columns that a merge updates in an existing row. Empty: all but exclude_columns.
        exclude_columns: the columns that a merge does not update.
        predicates: more SQL conditions that an existing row must meet to be replaced.
    """

    sql: str
    strategy: str
    unique_key: tuple[str, ...]
    on_schema_change: str
    update_columns: tuple[str, ...] = ()
    exclude_columns: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()


def incremental_of(node: Any, later: str) -> Incremental | None:
    """How dbt adds later batches to a node's table. None if dbt rebuilds the table.

    Raises:
        UnsupportedProject: the node's strategy cannot be run here.
    """
    config = node.config
    if config.materialized != "incremental" or config.full_refresh:
        return None
    key = config.unique_key or ()
    unique_key = (key,) if isinstance(key, str) else tuple(key)
    strategy = config.incremental_strategy
    if strategy in (None, "default"):
        strategy = "delete+insert" if unique_key else "append"
    if strategy not in ("append", "delete+insert", "merge"):
        raise UnsupportedProject(
            f"{node.name} has the incremental strategy {strategy}, which sensitivity cannot run. "
            "Use append, delete+insert or merge under the dye target."
        )
    return Incremental(
        sql=later,
        strategy=strategy,
        unique_key=unique_key,
        on_schema_change=config.on_schema_change or "ignore",
        update_columns=tuple(config.get("merge_update_columns") or ()),
        exclude_columns=tuple(config.get("merge_exclude_columns") or ()),
        predicates=tuple(config.get("predicates") or config.get("incremental_predicates") or ()),
    )
