"""Makes mistakes in the loader's routing: its own Python source with one place changed.

The changed functions are those that decide for each message to which table it goes and with which columns. The changed
source is compiled into separate modules. The imported loader stays as it is.
"""

import ast
import copy
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import CodeType, ModuleType

from angiogram.sensitivity.mutants.mutants import Mutant, mutant_id
from ingestion.loader import batch
from ingestion.message import rows
from ingestion.message import stamp as message

ROUTING_OF_LOADER = "loader"
"""The name under which the mutants of the routing are counted."""

ROUTING: dict[ModuleType, tuple[str, ...]] = {
    batch: ("add", "message_at", "_stamp_columns", "_claim_columns"),
    rows: ("columns", "_any_columns", "_column", "_unknown", "_is_utf8", "_why_no_object"),
    message: ("dye_stamp", "_is_storable"),
}
"""The functions that route a message, by module."""

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_TABLES = {
    "LIVE_ROWS": "DYE_ROWS",
    "DYE_ROWS": "LIVE_ROWS",
    "LIVE_LETTERS": "DYE_LETTERS",
    "DYE_LETTERS": "LIVE_LETTERS",
    "UNVERIFIED": "LIVE_ROWS",
}

_REASONS: dict[str, type[StrEnum]] = {"Reason": rows.Reason, "Unverified": message.Unverified}

_Replacement = tuple[ast.AST, ast.AST | None]


@dataclass(frozen=True, slots=True)
class RoutingMutant:
    """A mistake in the routing.

    Attributes:
        mutant: its description, in the same form as for all mutants.
        module: the module that is changed.
        code: the module with the change, compiled.
    """

    mutant: Mutant
    module: ModuleType
    code: CodeType

    def batch_class(self) -> type[batch.Batch]:
        """Return the loader's Batch class with the mistake in it."""
        changed = _run(self.code, self.module)
        if self.module is batch:
            return _batch_of(changed)
        whole = _run(compile(inspect.getsource(batch), _file(batch), "exec"), batch)
        for name, value in vars(whole).items():
            if name in vars(changed) and value is getattr(self.module, name):
                setattr(whole, name, getattr(changed, name))
        return _batch_of(whole)


def routing_mutants() -> Iterator[RoutingMutant]:
    """Yield all mistakes in the routing, each once."""
    for module, names in ROUTING.items():
        tree = ast.parse(inspect.getsource(module))
        numbers: Counter[tuple[str, ...]] = Counter()
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in names]
        for function in functions:
            place = f"{module.__name__}.{function.name}"
            for node in ast.walk(function):
                for operator, target, after in _replacements(node):
                    texts = (operator, place, ast.unparse(target), ast.unparse(after) if after else "(dropped)")
                    code = compile(_with(tree, target, after), _file(module), "exec")
                    identity = mutant_id(ROUTING_OF_LOADER, *texts, numbers[texts])
                    numbers[texts] += 1
                    yield RoutingMutant(Mutant(identity, ROUTING_OF_LOADER, *texts), module, code)


def _replacements(node: ast.AST) -> Iterator[tuple[str, ast.AST, ast.AST | None]]:
    """Yield the mistakes at a node: kind, what is replaced, and by what. None: it is dropped."""
    for operator, make in _OPERATORS.items():
        for target, after in make(node):
            yield operator, target, after


def _comparison(node: ast.AST) -> Iterator[_Replacement]:
    """Replace one comparison of a chain with another one."""
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            if other := _COMPARED.get(type(operator)):
                yield node, ast.Compare(node.left, _replaced(node.ops, number, other()), node.comparators)


def _replaced(operators: list[ast.cmpop], number: int, other: ast.cmpop) -> list[ast.cmpop]:
    return [*operators[:number], other, *operators[number + 1 :]]


def _logical(node: ast.AST) -> Iterator[_Replacement]:
    """Swap `and` and `or`."""
    if isinstance(node, ast.BoolOp):
        yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _condition(node: ast.AST) -> Iterator[_Replacement]:
    """Make a condition always or never true, or drop one of several."""
    if isinstance(node, ast.If | ast.IfExp):
        for answer in (True, False):
            yield node.test, ast.Constant(answer)
    elif isinstance(node, ast.BoolOp):
        for number in range(len(node.values)):
            left = [value for i, value in enumerate(node.values) if i != number]
            yield node, ast.BoolOp(node.op, left) if len(left) > 1 else left[0]


def _negation(node: ast.AST) -> Iterator[_Replacement]:
    """Drop a `not`."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, node.operand


def _literal(node: ast.AST) -> Iterator[_Replacement]:
    """Make a number one larger or smaller, or drop bytes."""
    if not isinstance(node, ast.Constant):
        return
    if type(node.value) is int:
        yield node, ast.Constant(node.value + 1)
        yield node, ast.Constant(node.value - 1)
    elif isinstance(node.value, bytes) and node.value:
        yield node, ast.Constant(b"")


def _table(node: ast.AST) -> Iterator[_Replacement]:
    """Swap the dye table and the live table."""
    if isinstance(node, ast.Name) and (other := _TABLES.get(node.id)):
        yield node, ast.Name(other, ast.Load())


def _reason(node: ast.AST) -> Iterator[_Replacement]:
    """Change the reason of a dead letter or of a message that is kept apart."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in _REASONS:
        members = list(_REASONS[node.value.id].__members__)
        other = members[(members.index(node.attr) + 1) % len(members)]
        yield node, ast.Attribute(node.value, other, ast.Load())


def _order(node: ast.AST) -> Iterator[_Replacement]:
    """Reverse the order of messages or keys, or drop the first or the last."""
    if isinstance(node, ast.For):
        for text in ("reversed(list({}))", "list({})[1:]", "list({})[:-1]"):
            yield node.iter, ast.parse(text.format(ast.unparse(node.iter)), mode="eval").body


def _truncation(node: ast.AST) -> Iterator[_Replacement]:
    """Cut off the end of a message's bytes or of its key."""
    if isinstance(node, ast.Attribute) and node.attr in ("value", "key") and ast.unparse(node.value) == "record":
        yield node, ast.parse(f"({ast.unparse(node)} or b'')[:-1]", mode="eval").body


def _statement(node: ast.AST) -> Iterator[_Replacement]:
    """Drop a statement."""
    if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield node, None


_OPERATORS: dict[str, Callable[[ast.AST], Iterator[_Replacement]]] = {
    "comparison": _comparison,
    "logical": _logical,
    "condition": _condition,
    "negation": _negation,
    "literal": _literal,
    "table": _table,
    "reason": _reason,
    "order": _order,
    "truncation": _truncation,
    "statement": _statement,
}


class _Replace(ast.NodeTransformer):
    def __init__(self, node: ast.AST, after: ast.AST | None) -> None:
        self._node = node
        self._after = ast.Pass() if after is None else after

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the one node, wherever it is."""
        return self._after if node is self._node else self.generic_visit(node)


def _with(tree: ast.Module, node: ast.AST, after: ast.AST | None) -> ast.Module:
    """Return a copy of the tree with one node replaced."""
    twins: dict[int, ast.AST] = {}
    for original, twin in zip(ast.walk(tree), ast.walk(copied := copy.deepcopy(tree)), strict=True):
        twins[id(original)] = twin
    changed = _Replace(twins[id(node)], copy.deepcopy(after)).visit(copied)
    assert isinstance(changed, ast.Module)  # noqa: S101  # no operator replaces the whole
    return ast.fix_missing_locations(changed)


def _run(code: CodeType, module: ModuleType) -> ModuleType:
    made = ModuleType(module.__name__)
    exec(code, vars(made))  # noqa: S102  # the loader's own source, with one place changed
    return made


def _batch_of(module: ModuleType) -> type[batch.Batch]:
    made: type[batch.Batch] = module.Batch
    return made


def _file(module: ModuleType) -> str:
    return f"<mutant of {module.__name__}>"
