"""Mistakes in window functions: which function, over which rows."""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed

_OTHERS: dict[type[exp.Expr], tuple[exp.Expr, ...]] = {
    exp.RowNumber: (exp.Anonymous(this="rank"), exp.Anonymous(this="dense_rank")),
    exp.Rank: (exp.RowNumber(), exp.Anonymous(this="dense_rank")),
    exp.DenseRank: (exp.RowNumber(), exp.Anonymous(this="rank")),
}
_PAIRS: dict[type[exp.Expr], type[exp.Func]] = {
    exp.Lead: exp.Lag,
    exp.Lag: exp.Lead,
    exp.FirstValue: exp.LastValue,
    exp.LastValue: exp.FirstValue,
}


def window_function(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Swap a window function: count ties differently, before for after, first for last."""
    if not isinstance(node, exp.Window):
        return
    for other in _OTHERS.get(type(node.this), ()):
        yield changed(node, this=other.copy())
    if opposite := _PAIRS.get(type(node.this)):
        yield changed(
            node, this=opposite(**{k: v.copy() for k, v in node.this.args.items() if isinstance(v, exp.Expr)})
        )


def window_partition(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a key of the partition."""
    if isinstance(node, exp.Window):
        keys = node.args.get("partition_by") or []
        for number in range(len(keys)):
            yield changed(node, partition_by=[key.copy() for i, key in enumerate(keys) if i != number])


def window_frame(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop the frame, or set it to the whole partition or to rows up to this one."""
    if (
        not isinstance(node, exp.Window)
        or not isinstance(node.this, exp.AggFunc)
        or isinstance(node.this, tuple(_PAIRS))
    ):
        return
    if node.args.get("spec"):
        yield changed(node, spec=None)
        return
    if node.args.get("order"):
        yield changed(node, spec=_frame("UNBOUNDED", "FOLLOWING"))
        yield changed(node, spec=_frame("CURRENT ROW", None))


def _frame(end: str, side: str | None) -> exp.WindowSpec:
    return exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end=end, end_side=side)
