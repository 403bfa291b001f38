"""Counts how often the dye made each condition true, false and null."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from angiogram.sensitivity.bench.bench import Bench
from angiogram.sensitivity.compiled import Model
from angiogram.sensitivity.conditions.find import Condition, conditions_of
from angiogram.sensitivity.mutants.trees import MARK, generate, parse
from angiogram.warehouse.engines.scratch import ScratchError

ANSWERS = ("true", "false", "null")
Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """What the dye made of a condition.

    Attributes:
        model: the model.
        batch: the batch in whose SQL alone it is. None: it is in that of each batch.
        condition: the condition.
        counts: the rows that make it true, false and null. None: it cannot be asked alone.
    """

    model: str
    batch: int | None
    condition: Condition
    counts: Counts | None

    @property
    def never(self) -> tuple[str, ...]:
        """What the dye never made it: true or false.

        Null is not asked for, as few conditions can be null.
        """
        if self.counts is None:
            return ()
        return tuple(name for name, count in zip(ANSWERS, self.counts[:2], strict=False) if not count)

    def as_json(self) -> dict[str, Any]:
        """Return the shape that `--json` prints."""
        counts = dict(zip(ANSWERS, self.counts or (None, None, None), strict=True))
        return {
            "model": self.model,
            "batch": self.batch,
            "place": self.condition.place,
            "kind": self.condition.kind,
            "condition": self.condition.text,
            "rows": self.condition.rows,
            **counts,
            "never": list(self.never),
        }


def counted(bench: Bench, model: Model) -> list[Counted]:
    """The conditions of a model with their counts: one query for each form of its SQL.

    What an incremental model asks of each batch is added up. The SQL of later batches is asked as the last batch
    brought it: the model's own table is the one of the batch before.
    """
    project = bench.project
    forms = [(1 if model.incremental else bench.batches, model.sql)]
    if model.incremental and bench.batches > 1:
        forms.append((bench.batches, model.incremental.sql))
    found: dict[tuple[str, str, str, str, int], Counted] = {}
    for batch, text in forms:
        tree = parse(text, project.names, model.name, project.engine)
        conditions = list(conditions_of(tree, project.engine))
        numbers: Counter[tuple[str, str, str, str]] = Counter()
        for condition, counts in zip(conditions, _counts(bench, model, batch, tree, conditions), strict=True):
            same = (condition.place, condition.kind, condition.text, condition.rows)
            key = (*same, numbers[same])
            numbers[same] += 1
            if before := found.get(key):
                found[key] = Counted(model.name, None, condition, _sum(before.counts, counts))
            else:
                found[key] = Counted(model.name, batch if len(forms) > 1 else None, condition, counts)
    return list(found.values())


def _sum(one: Counts | None, other: Counts | None) -> Counts | None:
    if one is None or other is None:
        return one or other
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _counts(bench: Bench, model: Model, batch: int, tree: exp.Expr, found: Sequence[Condition]) -> list[Counts | None]:
    if not found:
        return []
    ctes = tree.ctes if isinstance(tree, exp.Query) else []
    before = f"with {', '.join(generate(cte, bench.project.engine) for cte in ctes)} " if ctes else ""
    own, own_before = f'"{MARK}{model.name}"', f'"{batch - 1}:{model.name}"'

    def asked(conditions: Sequence[Condition]) -> list[Counts | None]:
        columns = ", ".join(f"({condition.query}) as c{number}" for number, condition in enumerate(conditions))
        query = f"{before}select {columns}".replace(own, own_before)
        try:
            [row] = bench.ask(query, batch)
        except ScratchError:
            return [None] * len(conditions)
        true_false_null = ([int(number) for number in str(text).split(",")] for text in row)
        return [(true, false, null) for true, false, null in true_false_null]

    together = asked(found)
    if together[0] is not None:
        return together
    # One of them cannot be asked outside of its place: it reads a row of a query around it.
    return [asked([condition])[0] for condition in found]
