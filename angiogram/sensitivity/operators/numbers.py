"""Mistakes in arithmetic, numbers, rounding and types."""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed

_OTHERS: dict[type[exp.Expr], tuple[type[exp.Binary], ...]] = {
    exp.Add: (exp.Sub, exp.Mul),
    exp.Sub: (exp.Add, exp.Mul),
    exp.Mul: (exp.Add, exp.Div),
    exp.Div: (exp.Mul, exp.Sub),
    exp.Mod: (exp.Div, exp.Mul),
}
_OPPOSITES: dict[type[exp.Expr], type[exp.Func]] = {exp.Greatest: exp.Least, exp.Least: exp.Greatest}
_TYPES = {
    "DECIMAL": ("DOUBLE PRECISION", "INT"),
    "NUMERIC": ("DOUBLE PRECISION", "INT"),
    "DOUBLE": ("NUMERIC", "REAL"),
    "INT": ("BIGINT", "SMALLINT"),
    "BIGINT": ("INT", "NUMERIC"),
    "DATE": ("TIMESTAMP",),
    "TIMESTAMP": ("DATE", "TIMESTAMPTZ"),
    "TIMESTAMPTZ": ("DATE", "TIMESTAMP"),
    "TEXT": ("VARCHAR(5)",),
    "VARCHAR": ("VARCHAR(5)",),
}


def arithmetic(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Replace an operation with another one, or swap `least` and `greatest`."""
    for other in _OTHERS.get(type(node), ()):
        yield exp.Paren(this=other(this=node.this.copy(), expression=node.expression.copy()))
    if opposite := _OPPOSITES.get(type(node)):
        yield opposite(this=node.this.copy(), expressions=[member.copy() for member in node.expressions])


def operand(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop an operand or a sign."""
    if type(node) in _OTHERS or isinstance(node, exp.DPipe):
        yield node.this.copy()
        yield node.expression.copy()
    elif isinstance(node, exp.Neg):
        yield node.this.copy()


def literal(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Make a number one larger or one smaller."""
    if not isinstance(node, exp.Literal) or node.is_string or _is_no_value(node):
        return
    if node.is_int:
        for number in (int(node.this) + 1, int(node.this) - 1):
            yield (
                exp.Literal.number(number) if number >= 0 else exp.Paren(this=exp.Neg(this=exp.Literal.number(-number)))
            )
    else:
        yield exp.Paren(this=exp.Add(this=node.copy(), expression=exp.Literal.number(1)))
        yield exp.Paren(this=exp.Sub(this=node.copy(), expression=exp.Literal.number(1)))


def rounding(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop rounding, or round to whole numbers, down or up, or cut off."""
    if isinstance(node, exp.Round):
        yield node.this.copy()
        yield exp.Round(this=node.this.copy())
        places = node.args.get("decimals")
        yield exp.Anonymous(this="trunc", expressions=[node.this.copy(), *([places.copy()] if places else [])])
    elif isinstance(node, exp.Floor | exp.Ceil):
        yield (exp.Ceil if isinstance(node, exp.Floor) else exp.Floor)(this=node.this.copy())
        yield exp.Round(this=node.this.copy())


def cast(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Change the type of a cast, or drop the cast.

    The cast of a text literal is not dropped: without it, the literal takes the required type anyway.
    """
    if not isinstance(node, exp.Cast):
        return
    for other in _TYPES.get(node.to.this.name, ()):
        yield changed(node, to=exp.DataType.build(other, dialect="postgres"))
    if not isinstance(node.this, exp.Literal):
        yield exp.Paren(this=node.this.copy())


def _is_no_value(node: exp.Literal) -> bool:
    """Whether a number stands for a column or for nothing: group by 1, exists (select 1)."""
    if isinstance(node.parent, exp.Group | exp.Ordered | exp.DataTypeParam | exp.Interval):
        return True
    return isinstance(node.parent, exp.Select) and isinstance(node.parent.parent, exp.Exists)
