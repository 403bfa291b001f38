"""Releases the input seeds batch by batch and notes which incremental models that tests."""

from collections.abc import Iterator
from typing import Any

from psycopg2 import sql

from angiogram.core.findings import Notice
from angiogram.dbt.manifest.lookup import all_nodes, nodes_by_id
from angiogram.dbt.manifest.nodes import BATCH
from angiogram.dbt.manifest.parts import reached
from angiogram.dbt.project import Project
from angiogram.warehouse.engines.protocol import Query, Warehouse
from angiogram.warehouse.relations import columns, has_batches, later_batches, other_batch_type, temporary


class Batches:
    """Releases the input seeds batch by batch and notes which incremental models get new rows."""

    def __init__(self, database: Warehouse, project: Project) -> None:
        """Remember the project. No row is moved yet.

        Args:
            database: in autocommit. The seeds are loaded whole.
            project: the project that the seeds belong to.
        """
        self._database = database
        self._project = project
        self._others: dict[str, str] = {}
        self._untested = {node.unique_id: node for node in _incremental(project)}

    def __iter__(self) -> Iterator[int]:
        """Yield each batch number once the input seeds hold all batches up to it."""
        with self._database.cursor() as query:
            every = [node for node in self._project.nodes.values() if node.is_seed]
            self._others = {node.name: kind for node in every if (kind := other_batch_type(query, node.relation))}
            seeds = [node for node in every if has_batches(query, node.relation)]
            taken = {1}
            for number, node in enumerate(seeds):
                # dbt's relation names are already quoted.
                query.execute(
                    sql.SQL("create temporary table {} as select * from {}").format(
                        sql.Identifier(_kept(number)), sql.SQL(node.relation)
                    )
                )
                taken |= later_batches(query, temporary(query, _kept(number)))
            for place, batch in enumerate(sorted(taken)):
                grown = {
                    node.unique_id for number, node in enumerate(seeds) if _fill(query, node.relation, number, batch)
                }
                if place:
                    self._note(query, grown)
                yield batch

    def notices(self) -> list[Notice]:
        """Notices for what no batch tested, and for columns that number no batches."""
        told = [
            Notice(
                "batch_not_numbered",
                f"The column {BATCH} of {seed} is {kind}, so all its rows arrive in batch 1. If it numbers batches, "
                "give it the type integer (+column_types).",
            )
            for seed, kind in sorted(self._others.items())
        ]
        names = sorted(str(node.search_name) for node in self._untested.values())
        return [*told, *([untested_notice(names)] if names else [])]

    def _note(self, query: Query, grown: set[str]) -> None:
        """Remove models from the untested list that already hold rows and now receive new ones."""
        for unique_id, node in list(self._untested.items()):
            if grown.isdisjoint(_above(self._project.manifest, unique_id)) or not columns(query, node.relation_name):
                continue
            query.execute(sql.SQL("select exists (select 1 from {})").format(sql.SQL(node.relation_name)))
            if query.fetchone() == (True,):
                del self._untested[unique_id]


def untested_notice(names: list[str]) -> Notice:
    """Notice that no later batch reached the incremental form of some models."""
    return Notice(
        "incremental_untested",
        f"The incremental form of {', '.join(names)} was not tested: no later batch added new rows to a table that "
        "held some. Number the batches of the dye 1, 2, ..., with rows in each.",
    )


def incremental_models(manifest: Any) -> list[str]:
    """Names of the models that a later batch updates instead of rebuilding."""
    return sorted(str(node.search_name) for node in all_nodes(manifest) if _has_incremental_form(node))


def _incremental(project: Project) -> list[Any]:
    """The incremental models that the run builds."""
    nodes = (node for node in all_nodes(project.manifest) if _has_incremental_form(node))
    return [node for node in nodes if project.part is None or node.unique_id in project.part.built]


def _has_incremental_form(node: Any) -> bool:
    return bool(
        node.resource_type == "model" and node.config.materialized == "incremental" and not node.config.full_refresh
    )


def _above(manifest: Any, unique_id: str) -> set[str]:
    """Ids of everything that a node reads, directly or indirectly."""
    nodes = nodes_by_id(manifest)
    return reached([unique_id], lambda one: nodes[one].depends_on_nodes if one in nodes else ())


def _kept(number: int) -> str:
    return f"kept {number}"


def _fill(query: Query, relation: str, number: int, batch: int) -> bool:
    """Fill an input seed with its rows up to a batch. Return whether rows were added."""
    query.execute(sql.SQL("delete from {}").format(sql.SQL(relation)))
    before = query.rowcount
    query.execute(
        sql.SQL("insert into {} select * from {} where coalesce({}, 1) <= %s").format(
            sql.SQL(relation), temporary(query, _kept(number)), sql.Identifier(BATCH)
        ),
        (batch,),
    )
    return bool(query.rowcount > before)
