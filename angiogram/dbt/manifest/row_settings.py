"""Lists the settings that, besides its SQL, decide what a table of dbt holds.

Materializations, strategies and macros of a project may read any setting. So all of them count but those that are
compared elsewhere, or that cannot change a row.
"""

from collections.abc import Iterator
from typing import Any

_TABLES = ("table", "view", "materialized_view")
"""Materializations that hold the same rows."""

_ELSEWHERE = ("schema", "database", "alias", "enabled", "grants", "pre-hook", "post-hook", "contract")
"""Settings that are compared, or watched, by themselves."""

_HARMLESS = (
    *("tags", "group", "access", "docs", "persist_docs", "packages", "freshness", "static_analysis"),
    *("indexes", "unlogged", "on_configuration_change", "concurrent_batches"),
)
"""Settings that do not change what a table holds."""

_INCREMENTAL = (
    *("incremental_strategy", "unique_key", "on_schema_change", "incremental_predicates", "predicates"),
    *("merge_update_columns", "merge_exclude_columns", "batch_size", "begin", "lookback"),
)
"""Settings that only a later build of an incremental model reads."""

_APART = ("materialized", "sql_header", "full_refresh", "column_types")
"""Settings that are listed in a form of their own."""


def of_model(node: Any) -> Iterator[str]:
    """Yield a model's settings, one a line."""
    materialized = node.config.materialized
    yield f"materialized: {'table or view' if materialized in _TABLES else materialized}"
    if header := node.config.get("sql_header"):
        yield f"sql_header: {' '.join(header.split())}"
    if node.config.get("full_refresh"):  # false only forbids what neither target does by itself
        yield "full_refresh: True"
    left_out = _INCREMENTAL if materialized in _TABLES else ()
    yield from _others(node, left_out)
    if node.config.contract.enforced:  # the table gets these columns, and its rows are cast to their types
        yield "contract: enforced"
        for column in node.columns.values():
            yield f"contract: {column.name} {column.data_type}{_constraints(column)}"
        if constraints := _constraints(node):
            yield f"contract:{constraints}"


def of_seed(seed: Any, other: Any) -> Iterator[str]:
    """Yield a seed's settings, one a line, and its file if the other target has other content.

    Args:
        seed: the seed under one target.
        other: the same seed under the other target.
    """
    if seed.checksum != other.checksum:
        yield f"file: {seed.original_file_path.removeprefix('./')}"
    yield from _others(seed, _INCREMENTAL)
    yield from (f"column_types: {name} {kind}" for name, kind in sorted(seed.config.column_types.items()))


def _others(node: Any, left_out: tuple[str, ...]) -> Iterator[str]:
    passed_over = {*_ELSEWHERE, *_HARMLESS, *_APART, *left_out}
    for name, value in sorted(node.config.to_dict(omit_none=True).items()):
        if name not in passed_over and value not in (None, [], {}, ""):
            yield f"{name}: {' '.join(str(value).split())}"


def _constraints(of: Any) -> str:
    return "".join(f" {constraint.to_dict(omit_none=True)}" for constraint in of.constraints)
