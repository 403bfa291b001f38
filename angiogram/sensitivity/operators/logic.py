"""Mistakes in conditions: comparisons, and, or, not."""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed, without

_OTHERS: dict[type[exp.Expr], tuple[type[exp.Binary], ...]] = {
    exp.LT: (exp.LTE, exp.GTE, exp.GT),
    exp.LTE: (exp.LT, exp.GT, exp.GTE),
    exp.GT: (exp.GTE, exp.LTE, exp.LT),
    exp.GTE: (exp.GT, exp.LT, exp.LTE),
    exp.EQ: (exp.NEQ, exp.LTE, exp.GTE),
    exp.NEQ: (exp.EQ, exp.LT, exp.GT),
    exp.NullSafeEQ: (exp.EQ, exp.NullSafeNEQ),
    exp.NullSafeNEQ: (exp.NEQ, exp.NullSafeEQ),
}
_PREDICATES = (exp.Exists, exp.In, exp.Between, exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike)


def comparison(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Change a comparison: add or drop the boundary, reverse or negate it."""
    for other in _OTHERS.get(type(node), ()):
        yield other(this=node.this.copy(), expression=node.expression.copy())
    if isinstance(node, exp.Between):
        for low, high in ((exp.GT, exp.LTE), (exp.GTE, exp.LT)):
            lower = low(this=node.this.copy(), expression=node.args["low"].copy())
            upper = high(this=node.this.copy(), expression=node.args["high"].copy())
            yield exp.Paren(this=exp.And(this=lower, expression=upper))


def logical(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Swap `and` and `or`."""
    if isinstance(node, exp.And):
        yield exp.Paren(this=exp.Or(this=node.this.copy(), expression=node.expression.copy()))
    elif isinstance(node, exp.Or):
        yield exp.And(this=exp.Paren(this=node.this.copy()), expression=exp.Paren(this=node.expression.copy()))


def negation(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a `not`, or add one."""
    if isinstance(node, exp.Not):
        yield node.this.copy()
    elif not isinstance(node.parent, exp.Not) and (isinstance(node, _PREDICATES) or _is_condition(node)):
        yield exp.Not(this=exp.Paren(this=node.copy()))


def condition(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a condition."""
    if isinstance(node, exp.And | exp.Or) and not _in_join(node):
        yield from _halves(node)
    elif isinstance(node, exp.Where | exp.Having) and not isinstance(node.this, exp.And | exp.Or):
        yield type(node)(this=exp.true())
    elif isinstance(node, exp.Filter):
        yield node.this.copy()


def join_condition(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop one condition of a join, or all of them."""
    if isinstance(node, exp.And | exp.Or) and _in_join(node):
        yield from _halves(node)
    elif isinstance(node, exp.Join) and len(node.args.get("using") or ()) > 1:
        yield from without(node, "using")
    elif isinstance(node, exp.Join) and node.args.get("on") and not isinstance(node.args["on"], exp.And):
        yield changed(node, on=exp.true())


def in_list(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a member of a list, or let a null into what must not be in it."""
    if isinstance(node, exp.In):
        yield from without(node, "expressions")
        if isinstance(node.parent, exp.Not) and node.expressions:
            yield changed(node, expressions=[*(member.copy() for member in node.expressions), exp.null()])


def _halves(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the condition with one part dropped.

    The tree of `a and b and c` is (a and b) and c, so a and b are dropped further down.
    """
    yield node.this.copy()
    if not isinstance(node.this, type(node)):
        yield node.expression.copy()


def _in_join(node: exp.Expr) -> bool:
    around = node.find_ancestor(exp.Join, exp.Select)
    return isinstance(around, exp.Join)


def _is_condition(node: exp.Expr) -> bool:
    """Whether the node is a boolean column used as a condition."""
    if not isinstance(node, exp.Column):
        return False
    if isinstance(node.parent, exp.And | exp.Or | exp.Where | exp.Having):
        return True
    return isinstance(node.parent, exp.If) and node.parent.this is node
