"""Differences between what a model made and its expected seed, by the same SQL text as the dbt test equals_expected."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import jinja2
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.errors import NotReady

KEPT = 200
"""Differences of one stage that the report keeps; the full count is always given."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between an output and what is expected of it.

    Attributes:
        difference: missing, unexpected, changed or multiplicity.
        row_key: the key of the row, by column; None where whole columns differ.
        column: the column that changed; None where whole rows differ.
        expected, actual: JSON text of the cell or row (of multiplicity the counts, of columns their types); None if
            there is none on that side.
    """

    difference: str
    row_key: dict[str, Any] | None
    column: str | None
    expected: str | None
    actual: str | None


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of one stage: the first ones, and how many there are in all."""

    count: int = 0
    first: list[Difference] = field(default_factory=list)

    @classmethod
    def of(cls, found: list[Difference]) -> "Differences":
        """Keep the first KEPT of all differences."""
        return cls(len(found), found[:KEPT])


class Compared(Protocol):
    """What a comparison needs to know of a model."""

    @property
    def relation(self) -> str:
        """The model's table, quoted."""

    @property
    def expected_relation(self) -> str | None:
        """Its expected seed's table, quoted."""

    @property
    def key(self) -> list[str]:
        """The columns that tell its rows apart."""

    @property
    def excluded(self) -> list[str]:
        """The columns that differ from run to run."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out of comparing one model.

    Attributes:
        rows: rows that the model made; None if its table is absent.
        differences: how they differ from the expected ones.
        obstacle: why they could not be compared; None if they were.
    """

    rows: int | None
    differences: Differences
    obstacle: str | None = None


def compare(database: connection, model: Compared, project: Path) -> Comparison:
    """Compare a model's table with its expected seed.

    Args:
        database: in autocommit, as a role that reads both.
        model: which tables, by which key.
        project: the folder of the dbt project, which holds the comparison's SQL text.

    Raises:
        NotReady: the project has no macro `differences`.
    """
    with database.cursor() as query:
        query.execute("select to_regclass(%s) is not null", (model.relation,))
        (exists,) = query.fetchone() or (False,)
        if not exists:
            return Comparison(None, Differences())
        # dbt names its relations quoted already, and quotes within them doubled.
        relation = sql.SQL(model.relation)
        query.execute(sql.SQL("select count(*) from {}").format(relation))
        (rows,) = query.fetchone() or (0,)
        if model.expected_relation is None:
            return Comparison(rows, Differences(), "it has no expected seed")
        if not model.key:
            return Comparison(rows, Differences(), "it has no test equals_expected that names its key")
        statement = str(
            _template(project).module.differences(  # type: ignore[attr-defined]
                model.relation, model.expected_relation, model.key, model.excluded
            )
        )
        try:
            counted = sql.SQL("with d as ({}) select d.*, count(*) over () from d limit %s")
            query.execute(counted.format(sql.SQL(statement)), (KEPT,))
        except (psycopg2.ProgrammingError, psycopg2.DataError) as error:
            return Comparison(rows, Differences(), f"the comparison failed: {str(error).strip()}")
        found = query.fetchall()
    first = [
        Difference(kind, json.loads(key) if key else None, column, expected, actual)
        for kind, key, column, expected, actual, _ in found
    ]
    return Comparison(rows, Differences(found[0][-1] if found else 0, first))


@cache
def _template(project: Path) -> jinja2.Template:
    file = project / "macros" / "differences.sql"
    try:
        # SQL, not HTML: nothing to escape; names come from the manifest and are quoted by dbt.
        return jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined).from_string(  # noqa: S701
            file.read_text(encoding="utf-8")
        )
    except FileNotFoundError:
        raise NotReady(f"{file} is absent: the dbt project {project} cannot be compared without it.") from None
