"""Mistakes in columns: one used for another of its type."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope
from angiogram.warehouse.engines.scratch import Columns

NEIGHBOURS = 3
"""How many columns replace a column: those with the most similar names."""


def column(node: exp.Expr, scope: Scope) -> Iterator[exp.Expr]:
    """Replace a column with one of the same relation and type and a similar name."""
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        return
    for name in similar(node.name, _columns_beside(node, scope)):
        yield exp.column(name, table=node.table or None, quoted=True)


def similar(name: str, columns: Columns) -> list[str]:
    """Return the columns of the same type as `name`, the most similar names first."""
    type_name = next((kind for column, kind in columns if column == name), None)
    others = [column for column, kind in columns if kind == type_name and column != name]
    return sorted(others, key=lambda other: (-SequenceMatcher(None, name, other).ratio(), other))[:NEIGHBOURS]


def _columns_beside(node: exp.Column, scope: Scope) -> Columns:
    """Columns of the relation that the column comes from. Empty if that is not certain."""
    select = node.parent_select
    while select is not None:
        relations = scope.relations.get(id(select), {})
        if node.table:
            if node.table in relations:
                return relations[node.table]
        else:
            holders = [columns for columns in relations.values() if any(name == node.name for name, _ in columns)]
            if holders:
                return holders[0] if len(holders) == 1 else ()
        select = select.parent_select
    return ()
