"""Whether it is the expected data that is wrong: told from the model by rule, so that nobody mends a right model.

An expected seed is stale if
- the model has columns that the seed does not know, and every cell in the columns that both have is equal; or
- the stored seed is not what the independent calculation makes of the dye and of the reference data that the expected
  seeds were calculated from. The model is then compared with the calculation instead.
A column that only went missing, or changed its type, is the model's fault.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import execute_values

from angiogram.compare import Comparison, compare
from angiogram.differences import Differences
from angiogram.dye import dye_messages, read_dye
from angiogram.expectation import COLUMNS, Row, differing_files, expected_tables, read_reference
from angiogram.expectation.__main__ import last_day
from angiogram.kept import Kept
from angiogram.project import EXPECTED_PREFIX, Node, Project, expected_name
from angiogram.stage_id import EXPECTED, StageId

_CALCULATED = "calculated"


class Calculation:
    """The independent calculation for a dbt project, made when it is first asked for."""

    def __init__(self, database: connection, project: Project) -> None:
        """Nothing is calculated yet.

        Args:
            database: as role angiogram, in autocommit; the expected seeds are loaded.
            project: with its seeds.
        """
        self._database = database
        self._project = project

    def compare(self, node: Node, kept: Kept) -> Comparison | None:
        """Compare a model with the calculation.

        Args:
            node: the model.
            kept: where its differences to the expected seed become those of the seed, if that is stale, and make
                place for those to the calculation.

        Returns:
            The comparison if the model's stored seed is not what the calculation makes; None if it is, or if the
            calculation knows nothing of the model.

        Raises:
            SeedError: the dye or the reference data cannot be read.
        """
        if node.name not in COLUMNS or not (self._folder / "input").is_dir():
            return None
        if self._folder / "expected" / f"{expected_name(node.name)}.csv" not in self._stale_files:
            return None
        kept.rename(node.stage, StageId(EXPECTED, node.name))
        return compare_with_rows(self._database, node, self._tables[node.name], self._project.directory, kept)

    @property
    def _folder(self) -> Path:
        return self._project.directory / "seeds" / "angiogram"

    @cached_property
    def _tables(self) -> dict[str, list[Row]]:
        return expected_tables(
            dye_messages(read_dye(self._folder / "input" / "dye_rides.csv")),
            read_reference(self._folder / "expected", EXPECTED_PREFIX),
            last_day(self._project.directory / "dbt_project.yml"),
        )

    @cached_property
    def _stale_files(self) -> Sequence[Path]:
        return differing_files(self._folder / "expected", self._tables)


def compare_with_rows(
    database: connection, node: Node, rows: Sequence[Row], project: Path, kept: Kept | None = None
) -> Comparison:
    """Compare a model with rows of the calculation.

    Args:
        database: as role angiogram, in autocommit; model and expected seed are built.
        node: the model. The rows take the types of its expected seed, in columns that this has not those of the model.
        rows: what the calculation makes of it.
        project: the folder of the dbt project.
        kept: where all differences are kept, under the model's name; None: nowhere.
    """
    names = COLUMNS[node.name]
    with database.cursor() as query:
        query.execute("begin")
        try:
            query.execute(
                "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
                " where attrelid = any (array[to_regclass(%s), to_regclass(%s)]) and attnum > 0 and not attisdropped"
                " order by attrelid = to_regclass(%s)",
                (node.relation, node.expected_relation, node.expected_relation),
            )
            types = dict(query.fetchall())
            columns = (sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(types.get(n, "text"))) for n in names)
            query.execute(
                sql.SQL("create temporary table {} ({}) on commit drop").format(
                    sql.Identifier(_CALCULATED), sql.SQL(", ").join(columns)
                )
            )
            execute_values(
                query,
                sql.SQL("insert into pg_temp.{} ({}) values %s").format(
                    sql.Identifier(_CALCULATED), sql.SQL(", ").join(map(sql.Identifier, names))
                ),
                [[row[name] for name in names] for row in rows],
            )
            calculated = replace(node, expected_relation=f'"pg_temp"."{_CALCULATED}"')
            comparison = compare(database, calculated, project, kept, node.stage)
        except BaseException:
            query.execute("rollback")
            raise
        query.execute("commit")
    return comparison


def has_only_new_columns(differences: Differences) -> bool:
    """Whether a model differs from its expected seed by columns that are new or renamed, and by nothing else."""
    return (
        differences.count == len(differences.first) > 0
        and all(found.row_key is None and found.difference in ("unexpected", "missing") for found in differences.first)
        and any(found.difference == "unexpected" for found in differences.first)
    )
