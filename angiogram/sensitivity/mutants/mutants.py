"""Makes mutants: the project with one place of one model or seed changed."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from angiogram.judge.cause.incremental import Incremental
from angiogram.judge.cause.tables import Table
from angiogram.sensitivity.compiled import Compiled, Model
from angiogram.sensitivity.mutants.nearby import other_value
from angiogram.sensitivity.mutants.trees import REFERENCE, generate, parse, scope_of
from angiogram.sensitivity.operators import OPERATORS, Scope
from angiogram.warehouse.engines.scratch import Columns

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
    sql: str
    key: tuple[str, str, str, str, int]
    """Operator, place, texts before and after in the reference dialect, and the number of the same before it."""


def mutant_id(node: str, *parts: object) -> str:
    """Return a short stable name for a change."""
    text = "\0".join(map(str, (node, *parts)))
    return f"{node}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def original(project: Compiled, model: Model) -> Variant:
    """Return the unmutated model in the form in which its mutants run."""
    later = model.incremental

    def generated(query: str) -> str:
        return generate(parse(query, project.names, model.name, project.engine), project.engine)

    return Variant(generated(model.sql), later and replace(later, sql=generated(later.sql)))


def model_mutants(project: Compiled, model: Model, describe: Callable[[str], Columns]) -> Iterator[Mutant]:
    """Yield all mutants of a model, each once.

    A change is made in both forms of an incremental model if its place is in both.

    Args:
        project: the project.
        model: the model.
        describe: returns names and types of the columns of a query.
    """

    def changes(query: str) -> dict[tuple[str, str, str, str, int], _Change]:
        tree = parse(query, project.names, model.name, project.engine)
        scope = scope_of(tree, describe, project.engine)
        return {change.key: change for change in _changes(tree, scope, project.engine)}

    unchanged = original(project, model)
    first, later = changes(model.sql), changes(model.incremental.sql) if model.incremental else {}
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
    """Yield mistakes in a reference seed: a row dropped or twice, or its last column changed.

    The other columns identify the row. Another value there would equal a dropped row and a new row that nothing asks
    for. A value for which no other one is known stays.
    """
    rows = seed.after(1)
    for number, row in enumerate(rows):
        place = ",".join(value or "" for value in row)
        before, after = rows[:number], rows[number + 1 :]
        other = other_value(row[-1], seed.columns[-1].type_name)
        mistakes = [("seed_row", "(dropped)", (*before, *after)), ("seed_double", "(twice)", (*rows, row))]
        if other != row[-1]:
            changed = (*row[:-1], other)
            mistakes.append(("seed_value", "(null)" if other is None else other, (*before, changed, *after)))
        for operator, value, others in mistakes:
            yield Mutant(
                mutant_id(seed.name, operator, place),
                *(seed.name, operator, place, row[-1] or "", value),
                table=seed.with_rows(others),
            )


_NARROWING = {
    "update_columns": "merge_update_columns",
    "exclude_columns": "merge_exclude_columns",
    "predicates": "incremental_predicates",
}
"""What narrows the strategies of incremental models, by the names of dbt's settings."""


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
    for field, name in _NARROWING.items():
        members: tuple[str, ...] = getattr(later, field)
        for number, member in enumerate(members):
            left: dict[str, Any] = {field: (*members[:number], *members[number + 1 :])}
            others[f"{name} without {member}"] = replace(later, **left)
    for after, other in others.items():
        if other != later:
            yield Mutant(
                mutant_id(model.name, "incremental", after),
                *(model.name, "incremental", "config", later.strategy, after),
                Variant(unchanged.sql, other),
            )


def _changes(tree: exp.Expr, scope: Scope, dialect: str) -> Iterator[_Change]:
    numbers: Counter[tuple[str, str, str, str]] = Counter()
    whole = generate(tree, dialect)
    for node in list(tree.walk()):
        if _reads_source(node):
            continue
        for operator, replacements in OPERATORS.items():
            for replacement in replacements(node, scope):
                before, after = generate(node, dialect), generate(replacement, dialect)
                sql = after if node is tree else _generated_with(tree, whole, node, replacement, dialect)
                if before == after or sql == whole:
                    continue
                place, texts = place_of(node), (before, after)
                if dialect != REFERENCE:
                    texts = generate(node), generate(replacement)
                same = (operator, place, *texts)
                yield _Change(operator, place, before, after, sql, (*same, numbers[same]))
                numbers[same] += 1


def _reads_source(node: exp.Expr) -> bool:
    """Whether the node is part of a select on the dye's own source.

    Under other targets messages come from another source.
    """
    select = node if isinstance(node, exp.Select) else node.parent_select
    source = select.args.get("from_") if select else None
    return bool(source and isinstance(source.this, exp.Table) and "." in source.this.name)


def _generated_with(tree: exp.Expr, whole: str, node: exp.Expr, replacement: exp.Expr, dialect: str) -> str:
    """Return the tree's SQL with one node replaced.

    Only the common table expression around the node is written anew.
    """
    around = node.find_ancestor(exp.CTE)
    part = around if around is not None and around.parent_select is tree else tree
    text = whole if part is tree else generate(part, dialect)
    node.replace(replacement)
    changed = generate(part, dialect)
    replacement.replace(node)
    return whole.replace(text, changed, 1)


def place_of(node: exp.Expr) -> str:
    """The common table expression that a node is in."""
    around = node if isinstance(node, exp.CTE) else node.find_ancestor(exp.CTE)
    return around.alias if around else LAST_SELECT
