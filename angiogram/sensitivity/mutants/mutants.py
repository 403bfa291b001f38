"""Makes mutants: the project with one place of one model or seed changed."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from angiogram.judge.cause.incremental import Incremental
from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.compiled import Compiled, Model
from angiogram.sensitivity.mutants.nearby import other_value
from angiogram.sensitivity.mutants.trees import generate, parse, scope_of
from angiogram.sensitivity.operators import OPERATORS, Scope
from angiogram.sensitivity.operators.kinds import Columns

LAST_SELECT = "(last select)"


@dataclass(frozen=True, slots=True)
class Variant:
    """A model's SQL, mutated or not, ready to run.

    Attributes:
        sql: the SQL for the first batch, and for every batch of a model that is not incremental.
        later: the SQL for later batches. None if the model is not incremental.
    """

    sql: str
    later: Incremental | None


@dataclass(frozen=True, slots=True)
class Mutant:
    """One possible mistake.

    Attributes:
        id: stable as long as the place and the change stay the same.
        node: the model or seed that is changed.
        operator: the kind of mistake.
        place: the common table expression, or the row of a seed.
        before, after: the SQL, or the seed's value, before and after the change.
        variant: the model's SQL with the mistake. None for a seed.
        table: the seed with the mistake. None for a model.
    """

    id: str
    node: str
    operator: str
    place: str
    before: str
    after: str
    variant: Variant | None = None
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class _Change:
    operator: str
    place: str
    before: str
    after: str
    number: int
    sql: str

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.operator, self.place, self.before, self.after, self.number


def mutant_id(node: str, *parts: object) -> str:
    """Return a short stable name for a change."""
    text = "\0".join(map(str, (node, *parts)))
    return f"{node}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def original(project: Compiled, model: Model) -> Variant:
    """Return the unmutated model in the form in which its mutants run."""
    later = model.incremental
    return Variant(
        generate(parse(model.sql, project.names, model.name)),
        later and replace(later, sql=generate(parse(later.sql, project.names, model.name))),
    )


def model_mutants(project: Compiled, model: Model, describe: Callable[[str], Columns]) -> Iterator[Mutant]:
    """Yield all mutants of a model, each once.

    A change is made in both forms of an incremental model if its place is in both.

    Args:
        project: the project.
        model: the model.
        describe: returns names and types of the columns of a query.
    """
    first_tree = parse(model.sql, project.names, model.name)
    unchanged = original(project, model)
    first = {change.key: change for change in _changes(first_tree, scope_of(first_tree, describe))}
    later: dict[tuple[str, str, str, str, int], _Change] = {}
    if model.incremental:
        later_tree = parse(model.incremental.sql, project.names, model.name)
        later = {change.key: change for change in _changes(later_tree, scope_of(later_tree, describe))}
    seen = {unchanged}
    for key, change in (first | later).items():
        variant = Variant(
            first[key].sql if key in first else unchanged.sql,
            unchanged.later and replace(unchanged.later, sql=later[key].sql if key in later else unchanged.later.sql),
        )
        if variant not in seen:
            seen.add(variant)
            yield Mutant(
                mutant_id(model.name, *key),
                model.name,
                change.operator,
                change.place,
                change.before,
                change.after,
                variant,
            )
    yield from _materialization_mutants(model, unchanged)


def seed_mutants(seed: Table) -> Iterator[Mutant]:
    """Yield mistakes in a reference seed: a row dropped, or its last column changed.

    The other columns identify the row. Another value there would equal a dropped row and a new row that nothing asks
    for. A value for which no other one is known stays.
    """
    rows = seed.after(1)
    for number, row in enumerate(rows):
        place = ",".join(value or "" for value in row)
        before, after = rows[:number], rows[number + 1 :]
        other = other_value(row[-1], seed.columns[-1].type_name)
        mistakes = [("seed_row", "(dropped)", (*before, *after))]
        if other != row[-1]:
            changed = (*row[:-1], other)
            mistakes.append(("seed_value", "(null)" if other is None else other, (*before, changed, *after)))
        for operator, value, others in mistakes:
            yield Mutant(
                mutant_id(seed.name, operator, place),
                *(seed.name, operator, place, row[-1] or "", value),
                table=seed.with_rows(others),
            )


def _materialization_mutants(model: Model, unchanged: Variant) -> Iterator[Mutant]:
    """Yield mistakes in adding later batches.

    Examples are a forgotten filter, and rows that are appended but should replace others.
    """
    later = unchanged.later
    if later is None:
        return
    others = {"is_incremental() never holds": replace(later, sql=unchanged.sql)}
    if later.strategy != "append":
        others["incremental_strategy append"] = replace(later, strategy="append", unique_key=())
    for number, column in enumerate(later.unique_key if len(later.unique_key) > 1 else ()):
        key = tuple(name for i, name in enumerate(later.unique_key) if i != number)
        others[f"unique_key without {column}"] = replace(later, unique_key=key)
    for after, other in others.items():
        if other != later:
            yield Mutant(
                mutant_id(model.name, "incremental", after),
                *(model.name, "incremental", "config", later.strategy, after),
                Variant(unchanged.sql, other),
            )


def _changes(tree: exp.Expr, scope: Scope) -> Iterator[_Change]:
    numbers: Counter[tuple[str, str, str, str]] = Counter()
    whole = generate(tree)
    for node in list(tree.walk()):
        if _reads_source(node):
            continue
        for operator, replacements in OPERATORS.items():
            for replacement in replacements(node, scope):
                before, after = generate(node), generate(replacement)
                sql = after if node is tree else _generated_with(tree, whole, node, replacement)
                if before == after or sql == whole:
                    continue
                place = _place(node)
                same = (operator, place, before, after)
                yield _Change(*same, numbers[same], sql)
                numbers[same] += 1


def _reads_source(node: exp.Expr) -> bool:
    """Whether the node is part of a select on the dye's own source.

    Under other targets messages come from another source.
    """
    select = node if isinstance(node, exp.Select) else node.parent_select
    source = select.args.get("from_") if select else None
    return bool(source and isinstance(source.this, exp.Table) and "." in source.this.name)


def _generated_with(tree: exp.Expr, whole: str, node: exp.Expr, replacement: exp.Expr) -> str:
    """Return the tree's SQL with one node replaced.

    Only the common table expression around the node is written anew.
    """
    around = node.find_ancestor(exp.CTE)
    part = around if around is not None and around.parent_select is tree else tree
    text = whole if part is tree else generate(part)
    node.replace(replacement)
    changed = generate(part)
    replacement.replace(node)
    return whole.replace(text, changed, 1)


def _place(node: exp.Expr) -> str:
    around = node if isinstance(node, exp.CTE) else node.find_ancestor(exp.CTE)
    return around.alias if around else LAST_SELECT
