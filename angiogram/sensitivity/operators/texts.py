"""Mistakes in texts and the functions on them."""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed

_FORMATS = (exp.TimeToStr, exp.StrToTime, exp.StrToDate, exp.AtTimeZone, exp.Cast, exp.Interval, exp.JSONPath)
_PATTERNS = (exp.RegexpLike, exp.RegexpILike, exp.RegexpFullMatch, exp.RegexpReplace, exp.Trim, exp.Translate)


def string_literal(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Change a text. Patterns, formats, dates and sets of characters have other operators."""
    if not isinstance(node, exp.Literal) or not node.is_string:
        return
    around = node.find_ancestor(exp.Func, exp.Binary, exp.Cast, exp.Interval, exp.Select)
    while isinstance(around, exp.Concat):
        around = around.find_ancestor(exp.Func, exp.Binary, exp.Select)
    if isinstance(around, _FORMATS + _PATTERNS) and not isinstance(node.parent, exp.If | exp.Case):
        return
    yield exp.Literal.string(f"{node.this}~")
    if node.this:
        yield exp.Literal.string("")


def string_function(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop or swap a function on texts, or leave a character untrimmed."""
    if isinstance(node, exp.Upper | exp.Lower):
        yield node.this.copy()
        yield (exp.Lower if isinstance(node, exp.Upper) else exp.Upper)(this=node.this.copy())
    elif isinstance(node, exp.Initcap | exp.Replace | exp.Substring | exp.MD5):
        yield node.this.copy()
    elif isinstance(node, exp.RegexpReplace):
        yield node.this.copy()
        if node.args.get("modifiers"):
            yield changed(node, modifiers=None)
    elif isinstance(node, exp.RegexpLike | exp.RegexpILike):
        other = exp.RegexpILike if isinstance(node, exp.RegexpLike) else exp.RegexpLike
        yield other(this=node.this.copy(), expression=node.expression.copy())
    elif isinstance(node, exp.RegexpFullMatch):
        yield exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
    elif isinstance(node, exp.Like | exp.ILike):
        yield (exp.ILike if isinstance(node, exp.Like) else exp.Like)(
            this=node.this.copy(), expression=node.expression.copy()
        )
    elif isinstance(node, exp.Trim):
        yield from _trimmed_less(node)
    elif isinstance(node, exp.Translate):
        yield node.this.copy()
        yield from _with_fewer_characters(node, "from_")
    elif isinstance(node, exp.ConcatWs):
        yield exp.Concat(expressions=[member.copy() for member in node.expressions[1:]], coalesce=True)


def _trimmed_less(node: exp.Trim) -> Iterator[exp.Expr]:
    yield node.this.copy()
    if not node.args.get("position"):
        yield changed(node, position="LEADING")
        yield changed(node, position="TRAILING")
    characters = node.args.get("expression")
    if isinstance(characters, exp.Literal) and len(characters.this) > 1:
        yield changed(node, expression=None)
        yield from _with_fewer_characters(node, "expression")


def _with_fewer_characters(node: exp.Expr, argument: str) -> Iterator[exp.Expr]:
    """Drop one of the characters that a text stands for."""
    characters = node.args.get(argument)
    if isinstance(characters, exp.Literal) and len(characters.this) > 1:
        for number in range(len(characters.this)):
            left = characters.this[:number] + characters.this[number + 1 :]
            yield changed(node, **{argument: exp.Literal.string(left)})
