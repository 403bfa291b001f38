"""The comparison's SQL for engines that cannot look up columns within a statement."""

from collections.abc import Mapping, Sequence
from typing import Any

from angiogram.dbt.package.rendering import macro


def portable_differences(
    engine: str,
    actual: str,
    expected: str,
    key: Sequence[str],
    excluded: Sequence[str],
    columns: tuple[Mapping[str, str], Mapping[str, str]],
    where: str | None = None,
    **how: Any,
) -> str:
    """Return the statement that finds the differences.

    Its columns are those of the macro `differences`.

    Args:
        engine: dbt's name of the engine.
        actual, expected: the relations, quoted.
        key: the columns that identify a row.
        excluded: the columns that are not compared.
        where: SQL condition for the rows of `actual` that are compared. None: all rows.
        columns: the types of the columns of both by name, in order.
        how: only, precision, types and column_order, as in the macro `differences`.
    """
    sides = [[{"name": name, "type": kind} for name, kind in one.items()] for one in columns]
    return macro("portable_differences", engine)(actual, expected, list(key), list(excluded), where, *sides, **how)


def json_text(engine: str, expression: str, type_name: str) -> str:
    """Return the expression for a value as JSON text, as the comparison writes a cell.

    A null becomes null.
    """
    return macro("json_text", engine)(expression, type_name)
