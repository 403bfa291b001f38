"""The operators of sensitivity: each yields replacements for a node of a SQL tree.

An operator is a function of a node and its Scope, and stands for one kind of mistake. It yields whole replacements for
that node, built from copies: the tree itself is never changed. Most operators yield nothing for most nodes.
"""

from sqlglot import exp

from angiogram.sensitivity.operators import (
    aggregates,
    columns,
    logic,
    nulls,
    numbers,
    patterns,
    rows,
    texts,
    times,
    windows,
)
from angiogram.sensitivity.operators.kinds import Operator, Scope

OPERATORS: dict[str, Operator] = {
    "comparison": logic.comparison,
    "logical": logic.logical,
    "negation": logic.negation,
    "condition": logic.condition,
    "join_condition": logic.join_condition,
    "in_list": logic.in_list,
    "join_type": rows.join_type,
    "union": rows.union,
    "distinct": rows.distinct,
    "group_key": rows.group_key,
    "sort_direction": rows.sort_direction,
    "sort_key": rows.sort_key,
    "nulls_order": rows.nulls_order,
    "limit": rows.limit,
    "aggregate": aggregates.aggregate,
    "window_function": windows.window_function,
    "window_partition": windows.window_partition,
    "window_frame": windows.window_frame,
    "arithmetic": numbers.arithmetic,
    "operand": numbers.operand,
    "literal": numbers.literal,
    "rounding": numbers.rounding,
    "cast": numbers.cast,
    "null_handling": nulls.null_handling,
    "case_branch": nulls.case_branch,
    "string_literal": texts.string_literal,
    "string_function": texts.string_function,
    "pattern": patterns.pattern,
    "time_zone": times.time_zone,
    "date_part": times.date_part,
    "interval": times.interval,
    "date_literal": times.date_literal,
    "time_format": times.time_format,
    "column": columns.column,
}
"""Every operator by its name."""

__all__ = ["OPERATORS", "Operator", "Scope", "exp"]
