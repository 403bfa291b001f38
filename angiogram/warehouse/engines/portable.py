"""The comparison's SQL for engines that cannot look up columns within a statement."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2


def portable_differences(
    actual: str,
    expected: str,
    key: Sequence[str],
    excluded: Sequence[str],
    where: str | None,
    actual_columns: Mapping[str, str],
    expected_columns: Mapping[str, str],
) -> str:
    """Return the statement that finds the differences.

    Its columns are those of the macro `differences`.

    Args:
        actual, expected: the relations, quoted.
        key: the columns that identify a row.
        excluded: the columns that are not compared.
        where: SQL condition for the rows of `actual` that are compared. None: all rows.
        actual_columns, expected_columns: the types of their columns by name, in order.
    """
    sides = [[{"name": name, "type": kind} for name, kind in one.items()] for one in (actual_columns, expected_columns)]
    return str(_macros().portable_differences(actual, expected, list(key), list(excluded), where, *sides))


def json_text(expression: str, type_name: str) -> str:
    """Return the expression for a value as JSON text, as the comparison writes a cell."""
    return str(_macros().json_text(expression, type_name))


@cache
def _macros() -> Any:
    text = files("angiogram.warehouse").joinpath("macros", "portable_differences.sql").read_text(encoding="utf-8")
    # SQL, not HTML: nothing to escape.
    return jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined).from_string(text).module  # noqa: S701
