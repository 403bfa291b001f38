"""Mistakes in which rows come out and in which order.

They concern joins, unions, distinct, groups and sorting.
"""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed, without

_SIDES = {"": ("LEFT", "RIGHT"), "LEFT": ("", "FULL"), "RIGHT": ("", "FULL"), "FULL": ("LEFT", "RIGHT")}


def join_type(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Swap inner and outer joins."""
    if not isinstance(node, exp.Join) or node.kind not in ("", "INNER", "OUTER"):
        return
    if node.args.get("on") or node.args.get("using"):
        for side in _SIDES.get(node.side, ()):
            yield changed(node, side=side or None, kind=None)


def union(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Swap `union` and `union all`, or drop one half."""
    if isinstance(node, exp.Union):
        yield changed(node, distinct=not node.args.get("distinct"))
        if not node.args.get("with_"):
            yield node.left.copy()
            yield node.right.copy()


def distinct(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop `distinct` in a select or an aggregate."""
    if isinstance(node, exp.Select) and node.args.get("distinct"):
        yield changed(node, distinct=None)
    elif isinstance(node, exp.AggFunc) and isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1:
        yield changed(node, this=node.this.expressions[0].copy())
    elif isinstance(node, exp.Sum | exp.Count | exp.Avg) and isinstance(node.this, exp.Column):
        yield changed(node, this=exp.Distinct(expressions=[node.this.copy()]))


def group_key(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a key of `group by`. Where its column is selected, its smallest value is taken."""
    if not isinstance(node, exp.Select) or not (group := node.args.get("group")):
        return
    for number, key in enumerate(group.expressions):
        copy = node.copy()
        left = [k.copy() for i, k in enumerate(group.expressions) if i != number]
        copy.set("group", exp.Group(expressions=left) if left else None)
        for position, shown in enumerate(copy.expressions):
            if shown.unalias() == key or key == exp.Literal.number(position + 1):
                smallest = exp.Min(this=shown.unalias().copy())
                shown.replace(exp.alias_(smallest, shown.alias_or_name, quoted=True))
        yield copy


def sort_direction(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Swap ascending and descending, so that the older of two versions wins."""
    if isinstance(node, exp.Ordered):
        descending = not node.args.get("desc")
        yield changed(node, desc=descending, nulls_first=descending)


def sort_key(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a sort key."""
    if isinstance(node, exp.Order):
        yield from without(node, "expressions")


def nulls_order(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Sort nulls at the other end."""
    if isinstance(node, exp.Ordered):
        yield changed(node, nulls_first=not node.args.get("nulls_first"))


def limit(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a limit."""
    if isinstance(node, exp.Select) and node.args.get("limit"):
        yield changed(node, limit=None)
