"""Whether the tables of a dye target hold what the dye leaves there.

If so, nothing is lost if they are dropped. Schemas of dye runs from before there were marks are told from live ones by
this, if their names do not tell.
"""

import csv
from collections.abc import Iterator

from psycopg2 import DataError, sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection, cursor

from angiogram.dbt.manifest.lookup import nodes_of
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX
from angiogram.warehouse.relations import columns


def are_there(database: connection, project: Project) -> bool:
    """Return whether the tables that exist hold the dye's rows and no others.

    Each model that has an expected seed must hold exactly the rows of that seed's table, and there must be one. A seed
    may hold no more rows than its file. A table that this session may not read counts as live.

    Args:
        database: a session of the dye target, in autocommit.
        project: the parsed project.
    """
    with database.cursor() as query:
        try:
            if any(_rows(query, relation, most + 1) > most for relation, most in _seeds(query, project)):
                return False
            pairs = list(_pairs(query, project))
            return bool(pairs) and all(_are_equal(query, *pair) for pair in pairs)
        except (DataError, InsufficientPrivilege):  # a view may fail on its rows
            return False


def _seeds(query: cursor, project: Project) -> Iterator[tuple[str, int]]:
    """Yield the tables of input and reference seeds, and how many rows their files have."""
    for node in nodes_of(project.manifest, "seed"):
        if node.name.startswith(EXPECTED_PREFIX) or not columns(query, node.relation_name):
            continue
        file = project.directory / node.original_file_path
        with file.open(newline="", encoding="utf-8-sig") as lines:
            yield (
                node.relation_name,
                sum(1 for row in csv.reader(lines, delimiter=node.config.delimiter or ",") if row) - 1,
            )


def _pairs(query: cursor, project: Project) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the tables of models, those of their expected seeds, and the columns to compare."""
    for node in project.nodes.values():
        expected = node.expected_relation
        if not expected or node.is_seed or node.is_ephemeral or not columns(query, node.relation):
            continue
        if node.where or node.precision or not node.types:  # such rows may differ and count as equal
            continue
        if compared := {name for name in columns(query, expected) if node.compares(name)}:
            yield node.relation, expected, compared


def _are_equal(query: cursor, model: str, expected_seed: str, compared: set[str]) -> bool:
    if not compared <= columns(query, model):
        return False
    query.execute(sql.SQL("select count(*) from {}").format(sql.SQL(expected_seed)))
    ((expected,),) = query.fetchall()
    if _rows(query, model, expected + 1) != expected:  # a live table may be large
        return False
    rows = [
        sql.SQL("select to_jsonb(compared) from (select {} from {}) as compared").format(
            sql.SQL(", ").join(map(sql.Identifier, sorted(compared))), sql.SQL(relation)
        )
        for relation in (model, expected_seed)
    ]
    query.execute(sql.SQL("select not exists ({})").format(sql.SQL(" except all ").join(rows)))
    return query.fetchall() == [(True,)]


def _rows(query: cursor, relation: str, most: int) -> int:
    """Count a relation's rows, up to a limit."""
    query.execute(
        sql.SQL("select count(*) from (select from {} limit {}) as first_ones").format(
            sql.SQL(relation), sql.Literal(most)
        )
    )
    ((count,),) = query.fetchall()
    return int(count)
