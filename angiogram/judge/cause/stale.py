"""Decides whether a model or its expected seed is wrong.

Nobody should correct a model that is right. The same rule holds for every run, live or from the seeds. For a model that
differs from its expected seed:

| what differs | to blame |
|---|---|
| the stored seed differs from what the independent calculation makes of the dye and the reference data the expected \
seeds were calculated from | the seed, and the model too if it differs from the calculation |
| the model has columns that the seed does not have, and all cells of the columns that both have are equal | either |
| the same, and a model that reads it fails because a column is gone | the model |
| anything else: a cell, a row, a type, a column that is gone with no new one | the model |

If either may be to blame, the seed is the likelier one in two cases: no column went missing, or the model's description
in the dbt project names the new columns and no longer the old ones. Then the change is intentional.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from psycopg2 import sql

from angiogram.core.differences import Comparison, Differences
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.seed_text import Row
from angiogram.dye.calculation import calculation_of
from angiogram.dye.seeds import dye_messages, has_dye, read_dye
from angiogram.judge.compare.compare import compare
from angiogram.store.local import SomeKept
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query, Warehouse
from angiogram.warehouse.relations import temporary

_CALCULATED = "calculated"


@dataclass(frozen=True, slots=True)
class Strangers:
    """Columns by which a model and its expected seed differ if nothing else differs.

    Attributes:
        new: columns of the model that the seed does not have.
        lost: columns of the seed that the model does not have.
    """

    new: list[str]
    lost: list[str]

    @classmethod
    def of(cls, differences: Differences) -> "Strangers | None":
        """Take the columns from a comparison's differences.

        None if anything else differs, or if the model has no new column.
        """
        if not has_only_new_columns(differences):
            return None
        of_kind = {
            kind: [found.column for found in differences.first if found.difference == kind and found.column]
            for kind in ("unexpected", "missing")
        }
        return cls(of_kind["unexpected"], of_kind["missing"])

    def are_meant(self, described: Collection[str]) -> bool:
        """Whether a stale seed is likelier than a wrong model.

        Args:
            described: the model's columns that the dbt project describes.
        """
        return not self.lost or (set(self.new) <= set(described) and not set(self.lost) & set(described))

    def __str__(self) -> str:
        """Describe the new and lost columns in words."""
        several = len(self.new) > 1
        told = f"the column{'s' if several else ''} {', '.join(self.new)}, which its expected seed does not have"
        return f"{told}, and is missing {', '.join(self.lost)}" if self.lost else told


class Calculated:
    """Expected rows from the project's independent calculation, if it declares one.

    They are calculated when first asked for.
    """

    def __init__(self, database: Warehouse, project: Project) -> None:
        """Load the calculation, if there is one. Nothing is calculated yet.

        Args:
            database: as role angiogram, in autocommit. The expected seeds are loaded.
            project: the project, with its seeds.

        Raises:
            InvalidSettings: the project declares a calculation that cannot be used.
        """
        self._database = database
        self._project = project
        self._calculation = calculation_of(project.directory) if has_dye(project.directory) else None

    def denies_seed(self, node: Node) -> bool:
        """Whether a model's expected seed differs from the calculation.

        False if the calculation does not know the model.

        Raises:
            SeedError: the dye or the reference data cannot be read.
        """
        if self._calculation is None or node.name not in self._calculation.columns or node.expected_relation is None:
            return False
        if node.where and any(re.search(rf"\b{re.escape(name)}\b", node.where) for name in node.excluded):
            return False  # run-dependent columns choose the rows and cannot be calculated
        seed = replace(node, relation=node.expected_relation, where=None)
        with _laid_out(self._database, node, self._columns(node), self._tables[node.name]) as relation:
            calculated = replace(seed, expected_relation=relation)
            return compare(self._database, calculated, self._project.directory).differences.count > 0

    def compare(self, node: Node, kept: SomeKept | None) -> Comparison:
        """Compare a model with the rows that the calculation gives for it.

        Args:
            node: the model, which the calculation knows.
            kept: where all differences are kept, under the model's name. None: they are not kept.
        """
        columns, rows = self._columns(node), self._tables[node.name]
        return compare_with_rows(self._database, node, columns, rows, self._project.directory, kept)

    def _columns(self, node: Node) -> Sequence[str]:
        return self._calculation.columns[node.name] if self._calculation else ()

    @cached_property
    def _tables(self) -> dict[str, list[Row]]:
        if self._calculation is None:
            return {}
        directory = self._project.directory
        return self._calculation.tables(dye_messages(read_dye(directory)), directory, expected_reference=True)


def compare_with_rows(
    database: Warehouse,
    node: Node,
    names: Sequence[str],
    rows: Sequence[Row],
    project: Path,
    kept: SomeKept | None = None,
) -> Comparison:
    """Compare a model with rows of the calculation.

    Args:
        database: as role angiogram, in autocommit. Model and expected seed are built.
        node: the model.
        names: the columns that the calculation gives for it.
        rows: the rows that the calculation gives for it.
        project: the folder of the dbt project.
        kept: where all differences are kept, under the model's name. None: they are not kept.
    """
    with _laid_out(database, node, names, rows) as relation:
        return compare(database, replace(node, expected_relation=relation), project, kept, node.stage)


@contextmanager
def _laid_out(database: Warehouse, node: Node, names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Put rows of the calculation into a temporary table and yield its name.

    Columns have the types of the model's expected seed, or of the model where the seed does not have them. Rows that
    the `where` of the model's test excludes are left out.
    """
    with database.cursor() as query:
        engine, table = engine_of(query), temporary(query, _CALCULATED)
        types = _types(query, node)
        columns = (sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(types.get(n, "text"))) for n in names)
        query.execute(
            sql.SQL("create temporary table {} ({})").format(sql.Identifier(_CALCULATED), sql.SQL(", ").join(columns))
        )
        try:
            engine.insert(query, table, names, [[row[name] for name in names] for row in rows])
            if node.where:
                query.execute(sql.SQL("delete from {} where (\n{}\n) is not true").format(table, sql.SQL(node.where)))
            yield f'"{engine.temporary_schema}"."{_CALCULATED}"'
        finally:
            query.execute(sql.SQL("drop table {}").format(table))


def _types(query: Query, node: Node) -> dict[str, str]:
    relations = {"model": node.relation} | ({"seed": node.expected_relation} if node.expected_relation else {})
    found = engine_of(query).typed_columns(query, relations)
    return found.get("model", {}) | found.get("seed", {})


def has_only_new_columns(differences: Differences) -> bool:
    """Whether a model differs from its expected seed only by new or renamed columns."""
    return (
        differences.count == len(differences.first) > 0
        and all(found.row_key is None and found.difference in ("unexpected", "missing") for found in differences.first)
        and any(found.difference == "unexpected" for found in differences.first)
    )
