"""Mistakes with nulls and the branches of `case`."""

from collections.abc import Iterator

from sqlglot import exp

from angiogram.sensitivity.operators.kinds import Scope, changed


def null_handling(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Drop a default or a null, or swap `is null` and `is not null`."""
    if isinstance(node, exp.Coalesce):
        members = [node.this, *node.expressions]
        for number in range(len(members)):
            left = [member.copy() for i, member in enumerate(members) if i != number]
            yield exp.Coalesce(this=left[0], expressions=left[1:]) if len(left) > 1 else exp.Paren(this=left[0])
    elif isinstance(node, exp.Nullif):
        yield node.this.copy()
    elif isinstance(node, exp.Is):
        if isinstance(node.parent, exp.Not):
            return
        yield changed(node, negate=not node.args.get("negate"))


def case_branch(node: exp.Expr, _: Scope) -> Iterator[exp.Expr]:
    """Change a branch of `case`, or drop its `else`.

    The branch is never taken, always taken, or gives its neighbour's result.
    """
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case) and not node.parent.this:
        yield changed(node, this=exp.false())
        yield changed(node, this=exp.true())
    elif isinstance(node, exp.Case):
        branches = node.args["ifs"]
        for number in range(len(branches) - 1):
            copy = node.copy()
            first, second = copy.args["ifs"][number : number + 2]
            results = first.args["true"].copy(), second.args["true"].copy()
            first.set("true", results[1])
            second.set("true", results[0])
            yield copy
        if node.args.get("default"):
            yield changed(node, default=None)
        if node.this is not None:
            yield from _simple_case(node)


def _simple_case(node: exp.Case) -> Iterator[exp.Expr]:
    """Take a branch of `case value when ...` never, or always.

    Those before it still come first.
    """
    branches, default = node.args["ifs"], node.args.get("default")
    for number, branch in enumerate(branches):
        others = [other.copy() for other in branches if other is not branch]
        before = [other.copy() for other in branches[:number]]
        never, always = default.copy() if default else exp.null(), branch.args["true"].copy()
        yield changed(node, ifs=others) if others else exp.Paren(this=never)
        yield changed(node, ifs=before, default=always) if before else exp.Paren(this=always)
