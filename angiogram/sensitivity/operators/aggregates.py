"""Mistakes in aggregates."""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope

_OTHERS: dict[type[exp.Expr], tuple[type[exp.AggFunc], ...]] = {
    exp.Sum: (exp.Max, exp.Min, exp.Avg),
    exp.Avg: (exp.Sum, exp.Max, exp.Min),
    exp.Max: (exp.Min,),
    exp.Min: (exp.Max,),
    exp.LogicalAnd: (exp.LogicalOr,),
    exp.LogicalOr: (exp.LogicalAnd,),
}


def aggregate(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Swap an aggregate, or count rows instead of values, or values instead of rows."""
    for other in _OTHERS.get(type(node), ()):
        yield other(this=node.this.copy())
    if not isinstance(node, exp.Count):
        return
    if not isinstance(node.this, exp.Star):
        yield exp.Count(this=exp.Star(), big_int=True)
        return
    select = node.parent_select
    counted = (
        next((a.this for a in select.find_all(exp.Sum, exp.Max, exp.Min) if _is_column(a.this)), None)
        if select
        else None
    )
    if counted is not None:
        yield exp.Count(this=exp.Distinct(expressions=[counted.copy()]), big_int=True)
        yield exp.Count(this=counted.copy(), big_int=True)


def _is_column(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column)
