"""Compares a model's table with its expected seed.

The SQL is the same text as in the dbt test equals_expected: that of the package data_angiogram, or that of the macro
`differences` of a project that copied it before there was a package.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import jinja2
from psycopg2 import sql

from angiogram.core.differences import KEPT, Comparison, Difference, Differences
from angiogram.core.errors import UnsupportedProject
from angiogram.core.stage_id import StageId
from angiogram.dbt.manifest.equality_test import Leniency
from angiogram.dbt.package.rendering import macro as differences_macro
from angiogram.store.kept_differences import Kept
from angiogram.store.local import LocalKept, SomeKept
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.portable import portable_differences
from angiogram.warehouse.engines.protocol import Engine, Query, Warehouse
from angiogram.warehouse.relations import SQL_FAILED, attempted, beside_values

_MACRO = Path("macros", "differences.sql")


class Compared(Protocol):
    """What a comparison needs to know about a model."""

    @property
    def relation(self) -> str:
        """The model's table, quoted."""

    @property
    def expected_relation(self) -> str | None:
        """Its expected seed's table, quoted."""

    @property
    def is_waiting(self) -> bool:
        """Whether its expected seed waits for its first rows."""

    @property
    def key(self) -> list[str]:
        """The columns that identify its rows."""

    @property
    def where(self) -> str | None:
        """SQL condition for the rows that are compared. None: all rows."""

    @property
    def leniency(self) -> Leniency | None:
        """When differences are tolerated. None: never."""

    @property
    def excluded(self) -> list[str]:
        """The columns that are not compared."""

    @property
    def only(self) -> tuple[str, ...]:
        """The columns that are compared besides the key. Empty: all."""

    @property
    def precision(self) -> Mapping[str, int]:
        """To how many decimals numbers are compared, by column."""

    @property
    def types(self) -> bool:
        """Whether the types of columns are compared."""

    @property
    def column_order(self) -> bool:
        """Whether the order of columns is compared."""


NO_EXPECTED_SEED = "it has no expected seed: restore its file if it was deleted, else write one with `angiogram accept`"
"""Why a model without an expected seed could not be compared."""

_WAITING = "its expected seed has no rows yet: `angiogram accept --all` would write {rows}"


def compare(
    database: Warehouse, model: Compared, project: Path, kept: SomeKept | None = None, stage: StageId | None = None
) -> Comparison:
    """Compare a model's table with its expected seed.

    Args:
        database: in autocommit, as a role that reads both.
        model: the tables to compare, and the key.
        project: the folder of the dbt project, which holds the comparison's SQL text.
        kept: where all differences are kept. None: they are not kept.
        stage: the stage under which they are kept. None: they are not kept.

    Raises:
        UnsupportedProject: the project's own macro `differences` knows no `where`.
    """
    with database.cursor() as query:
        engine = engine_of(query)
        if not engine.exists(query, model.relation):
            return Comparison(None, Differences())
        # dbt's relation names are already quoted, with inner quotes doubled.
        relation = sql.SQL(model.relation)
        try:
            # Any column of a view may fail, and only when it is read.
            with attempted(query):
                query.execute(engine.counting_all(relation))
        except SQL_FAILED as error:
            return Comparison(None, Differences(), str(error).strip())
        (rows,) = query.fetchone() or (0,)
        if model.expected_relation is None:
            reason = _WAITING.format(rows=rows) if model.is_waiting else NO_EXPECTED_SEED
            return Comparison(rows, Differences(), reason, is_watched=False)
        sides = engine.typed_columns(query, {"actual": model.relation, "expected": model.expected_relation})
        if absent := _absent(model, sides):
            reason = f"its test equals_expected names no column that is compared: {absent}"
            return Comparison(rows, Differences(), reason, is_test_wrong=True)
        statement = _statement(engine, project, model, sides)
        if model.where and (why := _unusable(query, model.where, model.relation)):
            if _unusable(query, model.where, model.expected_relation):
                reason = f"the `where` of its test equals_expected fails: {why}"
                return Comparison(rows, Differences(), reason, is_test_wrong=True)
            # The model lost a column that chooses its rows. Only its columns can be compared.
            every = _statement(engine, project, model, sides, where=None)
            statement = sql.SQL("select * from ({}) as found where row_key is null").format(every)
        try:
            with attempted(query):
                query.execute(_counted(statement, kept, stage), (KEPT,))
        except SQL_FAILED as error:
            return Comparison(rows, Differences(), f"the comparison failed: {str(error).strip()}")
        found = query.fetchall()
        tolerated = (
            str(model.leniency) if found and model.leniency and _tolerates(query, model.leniency, statement) else None
        )
        count, first = found[0][-1] if found else 0, [_difference(row) for row in found]
        if isinstance(kept, LocalKept) and stage is not None:
            if count > len(first):
                query.execute(statement, ())
                kept.put(stage, map(_difference, query.fetchall()))
            else:
                kept.put(stage, first)
    return Comparison(rows, Differences(count, first), tolerated=tolerated)


def _difference(row: tuple[Any, ...]) -> Difference:
    kind, key, column, expected, actual = row[:5]
    return Difference(kind, json.loads(key) if key else None, column, expected, actual)


def _tolerates(query: Query, leniency: Leniency, statement: sql.Composable) -> bool:
    """Whether dbt would let the test pass with these differences, by its own rules."""
    if leniency.severity == "warn":
        return True
    try:
        with attempted(query):
            query.execute(
                sql.SQL("select {} {} from ({} limit %s) as found").format(
                    sql.SQL(beside_values(leniency.fail_calc)), sql.SQL(beside_values(leniency.error_if)), statement
                ),
                (leniency.limit,),
            )
    except SQL_FAILED:  # dbt's test would fail with this error
        return False
    return query.fetchall() == [(False,)]


def _statement(
    engine: Engine, project: Path, model: Compared, sides: Mapping[str, Mapping[str, str]], **otherwise: Any
) -> sql.Composable:
    """The comparison's SQL, as part of a statement that is executed with values.

    Raises:
        UnsupportedProject: the project's own macro `differences` knows no `where`.
    """
    chosen: dict[str, Any] = {"where": model.where, "only": list(model.only), "precision": dict(model.precision)}
    chosen |= {"types": model.types, "column_order": model.column_order} | otherwise
    relations = model.relation, model.expected_relation or ""
    if engine.name != "postgres":
        columns = sides.get("actual", {}), sides.get("expected", {})
        text = portable_differences(engine.name, *relations, model.key, model.excluded, columns, **chosen)
        return sql.SQL(beside_values(text))
    copied = _copied(project)
    said = [name for name, value in chosen.items() if bool(value) is not (name == "types")]
    if unheeded := [name for name in said if copied and name not in copied.arguments]:
        raise UnsupportedProject(
            f"{project / _MACRO} is an earlier version, which ignores {', '.join(unheeded)} of a test "
            "equals_expected. Delete it and tests/generic/equals_expected.sql, and install the package data_angiogram "
            "instead."
        )
    heeded = {name: value for name, value in chosen.items() if not copied or name in copied.arguments}
    macro = copied or differences_macro("differences")
    return sql.SQL(beside_values(str(macro(*relations, model.key, model.excluded, **heeded))))


def _unusable(query: Query, where: str, relation: str | None) -> str | None:
    """Why a condition cannot choose rows of a relation. None if it can."""
    try:
        with attempted(query):
            query.execute(sql.SQL("select 1 from {} where\n{}\n").format(sql.SQL(relation or ""), sql.SQL(where)))
    except SQL_FAILED as error:
        return str(error).strip()
    return None


def _absent(model: Compared, sides: Mapping[str, Mapping[str, str]]) -> str:
    """Named columns that neither side has, or that are excluded, in words.

    A column that only one side has is a difference instead.
    """
    known = {name for columns in sides.values() for name in columns} - set(model.excluded)
    named = dict.fromkeys([*model.key, *model.only, *model.precision])
    return ", ".join(name for name in named if name not in known)


def _counted(statement: sql.Composable, kept: SomeKept | None, stage: StageId | None) -> sql.Composable:
    """Statement for the first differences and their total number.

    On the way it keeps all differences on the server.
    """
    counted = sql.SQL("select d.*, count(*) over () from d limit %s")
    if not isinstance(kept, Kept) or stage is None:
        return sql.SQL("with d as ({}) {}").format(statement, counted)
    kept.forget(stage)
    return sql.SQL("with d as ({}), kept as ({}) {}").format(statement, kept.inserting(stage), counted)


@cache
def _copied(project: Path) -> Any:
    """The macro `differences` that a project copied. None: it uses the package."""
    file = project / _MACRO
    if not file.is_file():
        return None
    # SQL, not HTML: nothing to escape. Names come from the manifest and dbt has quoted them.
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701
    return environment.from_string(file.read_text(encoding="utf-8")).module.differences  # type: ignore[attr-defined]
