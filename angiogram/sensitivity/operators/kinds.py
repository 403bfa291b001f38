"""What an operator is, and what it may know of the place it is asked about."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

Columns = tuple[tuple[str, str], ...]
"""Names and types of a relation's columns."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known of the relations in a model's SQL.

    Attributes:
        relations: columns of each relation that a select reads, by the name it has there; per select, by its identity.
    """

    relations: Mapping[int, Mapping[str, Columns]] = field(default_factory=dict)


Operator = Callable[[exp.Expr, Scope], Iterator[exp.Expr]]


def changed(node: exp.Expr, **arguments: object) -> exp.Expr:
    """A copy of the node with other arguments."""
    copy = node.copy()
    for name, value in arguments.items():
        copy.set(name, value)
    return copy


def without(node: exp.Expr, argument: str) -> Iterator[exp.Expr]:
    """Copies of the node, each lacking one member of a list of at least two."""
    members = node.args.get(argument) or []
    if len(members) > 1:
        for number in range(len(members)):
            yield changed(node, **{argument: [m.copy() for i, m in enumerate(members) if i != number]})
