"""The types of operators, and what an operator knows about its place in the SQL."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from angiogram.warehouse.engines.scratch import Columns


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known about the relations in a model's SQL.

    Attributes:
        relations: per select, by its identity: the columns of each relation that it reads, by the relation's name
            there.
    """

    relations: Mapping[int, Mapping[str, Columns]] = field(default_factory=dict)


Operator = Callable[[exp.Expr, Scope], Iterator[exp.Expr]]


def changed(node: exp.Expr, **arguments: object) -> exp.Expr:
    """Return a copy of the node with other arguments."""
    copy = node.copy()
    for name, value in arguments.items():
        copy.set(name, value)
    return copy


def without(node: exp.Expr, argument: str) -> Iterator[exp.Expr]:
    """Yield copies of the node, each without one member of a list of at least two."""
    members = node.args.get(argument) or []
    if len(members) > 1:
        for number in range(len(members)):
            yield changed(node, **{argument: [m.copy() for i, m in enumerate(members) if i != number]})
