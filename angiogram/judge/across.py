"""Runs a project on its input seeds under two targets, and compares the cells of both.

So the answers of two engines are told apart where no expected seed says which one is right. Cells are compared as JSON
texts: 12.50 equals 12.5, and times are in UTC.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg2 import sql

from angiogram.core.differences import Difference, Differences
from angiogram.core.stage_id import StageId
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import NO_CRITERIA, Criteria
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.store.runs import Run
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse
from angiogram.warehouse.relations import beside_values

Cells = tuple[str, ...]
"""A row: its cells as JSON texts in one form."""


@dataclass(frozen=True, slots=True)
class BuiltRows:
    """What a model holds.

    Attributes:
        columns: types of the columns that are compared, by name, in order.
        rows: its rows.
    """

    columns: Mapping[str, str]
    rows: list[Cells]


@dataclass(frozen=True, slots=True)
class BothAnswers:
    """What two targets made of the same input.

    Attributes:
        first, second: their runs.
        differences: where they differ, by stage. The first target's cells are called expected.
        not_compared: why a model or seed was not compared, by stage.
    """

    first: Run
    second: Run
    differences: Mapping[StageId, Differences]
    not_compared: Mapping[StageId, str]

    def report(self, target: str) -> dict[str, Any]:
        """Return the second run and the differences for the report of the first.

        Args:
            target: the second target.
        """
        return {
            "target": target,
            "differences": [
                {
                    "stage": stage.as_json(),
                    "count": found.count,
                    "first": [
                        {
                            **{"difference": one.difference, "row_key": one.row_key, "column": one.column},
                            **{"expected": one.expected, "actual": one.actual, "messages": []},
                        }
                        for one in found.first
                    ],
                }
                for stage, found in self.differences.items()
            ],
            "not_compared": [
                {"stage": stage.as_json(), "reason": reason} for stage, reason in self.not_compared.items()
            ],
            "report": self.second.report,
        }


def run_on_both(
    first: Project, second: Project, wait: float, say: Callable[[str], None], criteria: Criteria = NO_CRITERIA
) -> BothAnswers:
    """Build and judge a project under two targets, and compare what they built.

    Args:
        first, second: the project under each target, with its dye taken from the seeds.
        wait: seconds to wait at most for others that hold the tables.
        say: receives messages about what the command waits for.
        criteria: which models are built and compared.

    Raises:
        AngiogramError: see run_from_seeds.
    """
    built: list[dict[StageId, BuiltRows]] = []
    answers = []
    for project in (first, second):
        answers.append(run_from_seeds(project, wait, say, lambda *found: built.append(rows_of(*found)), criteria))
        if len(built) < len(answers):  # dbt could build no part of the project
            built.append({})
    ours, theirs = built
    project = first  # its keys count
    differences, not_compared = {}, {}
    for stage in dict.fromkeys([*ours, *theirs]):
        if stage not in ours or stage not in theirs:
            target = first.target if stage in ours else second.target
            not_compared[stage] = f"only target {target} built it"
        elif found := list(between(ours[stage], theirs[stage], project.nodes[stage.name].key)):
            differences[stage] = Differences.of(found)
    return BothAnswers(answers[0], answers[1], differences, not_compared)


def rows_of(database: Warehouse, project: Project) -> dict[StageId, BuiltRows]:
    """Read the rows of all models and seeds that were built.

    Args:
        database: the session in which they were compared.
        project: the project that was built.
    """
    engine, found = engine_of(database), {}
    nodes = {name: node for name, node in project.nodes.items() if project.passes(node)}
    with database.cursor() as query:
        query.execute("set TimeZone = 'UTC'")
        types = engine.typed_columns(query, {name: node.relation for name, node in nodes.items()})
        for name, node in nodes.items():
            columns = {one: kind for one, kind in types.get(name, {}).items() if node.compares(one)}
            if not columns:
                continue
            cells = sql.SQL(", ").join(engine.as_json(column, kind) for column, kind in columns.items())
            query.execute(sql.SQL("select {} from {}").format(cells, sql.SQL(beside_values(node.relation))), ())
            found[node.stage] = BuiltRows(columns, [tuple(map(in_one_form, row)) for row in query.fetchall()])
    return found


def between(first: BuiltRows, second: BuiltRows, key: Sequence[str]) -> Iterator[Difference]:
    """Yield how what one target built differs from what another one built.

    Args:
        first: its cells are called expected.
        second: its cells are called actual.
        key: the columns that identify a row. Empty: rows are only compared as a whole.
    """
    for name, kind in first.columns.items():
        if name not in second.columns:
            yield Difference("missing", None, name, kind, None)
    for name, kind in second.columns.items():
        if name not in first.columns:
            yield Difference("unexpected", None, name, None, kind)
    shared = [name for name in first.columns if name in second.columns]
    ours, theirs = _counted(first, shared), _counted(second, shared)
    keys = [shared.index(name) for name in key if name in shared]
    for row in sorted(ours.keys() & theirs.keys()):
        if ours[row] != theirs[row]:
            yield Difference("multiplicity", _key(row, shared, keys), None, str(ours[row]), str(theirs[row]))
    alone, others = _by_key(ours, theirs, keys), _by_key(theirs, ours, keys)
    for cells in sorted(alone.keys() | others.keys()):
        mine, its = alone.get(cells, []), others.get(cells, [])
        if keys and len(mine) == len(its) == 1:
            for place, name in enumerate(shared):
                if mine[0][place] != its[0][place]:
                    row_key = _key(mine[0], shared, keys)
                    yield Difference("changed", row_key, name, mine[0][place], its[0][place])
            continue
        yield from (Difference("missing", _key(row, shared, keys), None, _whole(row, shared), None) for row in mine)
        yield from (Difference("unexpected", _key(row, shared, keys), None, None, _whole(row, shared)) for row in its)


def in_one_form(text: str | None) -> str:
    """Return a cell's JSON text in the form that is the same for all engines."""
    if text is None:
        return "null"
    return _written(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _written(value: Any) -> str:
    match value:
        case Decimal():
            return format(value.normalize(), "f") if value else "0"
        case dict():
            return "{" + ", ".join(f"{json.dumps(name)}: {_written(value[name])}" for name in sorted(value)) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _counted(built: BuiltRows, shared: Sequence[str]) -> Counter[Cells]:
    names = list(built.columns)
    places = [names.index(name) for name in shared]
    return Counter(tuple(row[place] for place in places) for row in built.rows)


def _by_key(ours: Counter[Cells], theirs: Counter[Cells], keys: Sequence[int]) -> dict[Cells, list[Cells]]:
    """The rows that only one side has, each as often as it has it, by the cells of their key."""
    found: dict[Cells, list[Cells]] = {}
    for row in sorted(ours.keys() - theirs.keys()):
        found.setdefault(tuple(row[place] for place in keys), []).extend([row] * ours[row])
    return found


def _key(row: Cells, shared: Sequence[str], keys: Iterable[int]) -> dict[str, Any] | None:
    return {shared[place]: json.loads(row[place]) for place in keys} or None


def _whole(row: Cells, shared: Sequence[str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {cell}" for name, cell in zip(shared, row, strict=True)) + "}"
