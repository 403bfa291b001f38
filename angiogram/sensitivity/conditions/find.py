"""Finds the conditions of a model's SQL, each with a query that counts its answers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from angiogram.sensitivity.mutants.mutants import place_of
from angiogram.sensitivity.mutants.trees import MARK, generate

_CHANGES = (exp.Coalesce, exp.Round, exp.Trim, exp.Lower, exp.Upper, exp.Replace, exp.RegexpReplace, exp.Translate)
_COLUMN = "counted"
_LOCAL_NAME = re.compile(f'"{MARK}([^"]+)"')


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that rows meet or not.

    Attributes:
        place: the common table expression that it is in.
        kind: where, having, filter, case, join, or the function that may change a value.
        text: the condition, as SQL.
        rows: of what each row is asked, in words.
        query: counts the rows that make it true, false and null, as one text.
    """

    place: str
    kind: str
    text: str
    rows: str
    query: str


def conditions_of(tree: exp.Expr, dialect: str) -> Iterator[Condition]:
    """Yield the conditions of a statement, in the order of its selects.

    Left out are joins with USING, and laterals.

    Args:
        tree: the statement.
        dialect: the engine whose SQL it is.
    """
    for select in tree.find_all(exp.Select, bfs=False):
        if select.args.get("from_"):
            yield from _Finder(select, dialect).conditions()


class _Finder:
    """Finds the conditions of one select, without the selects in it."""

    def __init__(self, select: exp.Select, dialect: str) -> None:
        self._select = select
        self._dialect = dialect
        self._place = place_of(select)

    def conditions(self) -> Iterator[Condition]:
        yield from self._joins()
        if where := self._select.args.get("where"):
            for condition in _parts(where.this):
                yield self._counted("where", condition, self._rows(where=False))
        for node in list(self._select.walk(bfs=False)):
            if node.parent_select is self._select and not self._is_of_where_or_join(node):
                yield from self._of_a_value(node)
        if having := self._select.args.get("having"):
            for condition in _parts(having.this):
                yield self._counted("having", condition, self._rows(group=True), "group")

    def _of_a_value(self, node: exp.Expr) -> Iterator[Condition]:
        """The conditions in what a select computes: cases, filters, changes of a value."""
        asked: list[tuple[str, exp.Expr]] = []
        if isinstance(node, exp.Case):
            asked = [("case", branch) for branch in _branches(node)]
        elif isinstance(node, exp.Filter):
            asked = [("filter", part) for part in _parts(node.expression.this)]
        elif isinstance(node, _CHANGES):
            changes = exp.NullSafeNEQ(this=_wrapped(node), expression=_wrapped(node.this))
            asked = [(f"changed by {node.sql_name().lower()}", changes)]
        for kind, condition in asked:
            grouped = condition.find(exp.AggFunc) is not None and condition.find(exp.Window) is None
            text = node if kind.startswith("changed") else condition
            yield self._counted(kind, condition, self._rows(group=grouped), "group" if grouped else "row", text)

    def _joins(self) -> Iterator[Condition]:
        """For each side of a join, how many of its rows have a partner."""
        joins = self._select.args.get("joins") or []
        for number, join in enumerate(joins):
            on = join.args.get("on")
            if on is None or isinstance(join.this, exp.Lateral | exp.Unnest):
                continue
            left = self._rows(where=False, joins=joins[:number])
            right = exp.Select().from_(join.this.copy())
            kind = " ".join(word for word in (join.side, join.kind, "join") if word).lower()
            for rows, partners, side in ((left, right, "the left side"), (right, left, join.this.alias_or_name)):
                has_partner = exp.Exists(this=partners.select("1").where(on.copy()))
                yield self._counted(f"{kind} on", has_partner, rows, side.replace('"', ""), on)

    def _rows(self, where: bool = True, group: bool = False, joins: list[exp.Join] | None = None) -> exp.Select:
        """The select's rows: all that it reads, or what is left of it, or its groups."""
        rows = exp.Select()
        kept = self._select.args.get("joins") if joins is None else joins
        rows.set("from_", self._select.args["from_"].copy())
        rows.set("joins", [join.copy() for join in kept or []])
        if where and (condition := self._select.args.get("where")):
            rows.set("where", condition.copy())
        if group and (keys := self._select.args.get("group")):
            named = [self._key(key) for key in keys.expressions]
            rows.set("group", exp.Group(expressions=named))
        return rows

    def _key(self, key: exp.Expr) -> exp.Expr:
        """A group key. A number stands for a column of the select."""
        if isinstance(key, exp.Literal) and not key.is_string:
            named: exp.Expr = self._select.expressions[int(key.name) - 1]
            return named.unalias().copy()
        return key.copy()

    def _counted(
        self, kind: str, condition: exp.Expr, rows: exp.Select, of: str = "row", text: exp.Expr | None = None
    ) -> Condition:
        asked = generate(rows.select(exp.alias_(_wrapped(condition), _COLUMN, quoted=True)), self._dialect)
        holds, fails = f'filter (where "{_COLUMN}")', f'filter (where not "{_COLUMN}")'
        counts = f'count(*) {holds}, count(*) {fails}, count(*) filter (where "{_COLUMN}" is null)'
        query = f"select concat_ws(',', {counts}) from ({asked}) as asked"  # noqa: S608  # the model's own SQL
        shown = " ".join(generate(condition if text is None else text, self._dialect).split())
        return Condition(self._place, kind, _LOCAL_NAME.sub(r"\1", shown), of, query)

    def _is_of_where_or_join(self, node: exp.Expr) -> bool:
        inside = node.find_ancestor(exp.Where, exp.Join, exp.Having, exp.Select)
        return isinstance(inside, exp.Where | exp.Join | exp.Having) and not isinstance(inside.parent, exp.Filter)


def _parts(condition: exp.Expr) -> Iterator[exp.Expr]:
    """The single conditions between and, or, not and brackets."""
    if isinstance(condition, exp.And | exp.Or):
        yield from _parts(condition.left)
        yield from _parts(condition.right)
    elif isinstance(condition, exp.Paren | exp.Not) and isinstance(condition.this, exp.And | exp.Or | exp.Paren):
        yield from _parts(condition.this)
    else:
        yield condition


def _branches(case: exp.Case) -> Iterator[exp.Expr]:
    for branch in case.args["ifs"]:
        if case.this is not None:
            yield exp.EQ(this=_wrapped(case.this), expression=_wrapped(branch.this))
        else:
            yield from _parts(branch.this)


def _wrapped(node: exp.Expr) -> exp.Expr:
    simple = isinstance(node, exp.Column | exp.Literal | exp.Func | exp.Paren)
    return node.copy() if simple else exp.Paren(this=node.copy())
