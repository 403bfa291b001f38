"""Compares what production runs with what the dye tested, by fingerprints.

At the end of each command, dbt notes fingerprints of models and reference seeds: target prod in angiogram.live_nodes, a
dye target in <target>_results.node_results. So no project has to be read here. dbt_package/macros/fingerprint.sql says
what a fingerprint leaves out.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql

from angiogram.core.findings import Notice
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project_file import results_relation
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Warehouse

_KINDS = ("model", "seed")


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A model or reference seed as production last built it."""

    name: str
    resource_type: str
    fingerprint: str
    built_at: datetime


@dataclass(frozen=True, slots=True)
class Production:
    """What production runs, and what the dye tested of it.

    Attributes:
        pipeline: name of the dbt project.
        live: live nodes by dbt's id. Empty if production has not built anything yet.
        dye: fingerprints by dbt's id. An incremental model has one for its first build and one for later ones.
        differing: names of live nodes that the dye passed in another version, or that its project does not have.
    """

    pipeline: str
    live: Mapping[str, LiveNode]
    dye: Mapping[str, list[str]]
    differing: Mapping[str, list[str]]

    @property
    def agreeing(self) -> set[str]:
        """Ids of the live nodes that the dye passed in the same version that production last built."""
        return {i for i, node in self.live.items() if node.fingerprint in self.dye.get(i, [])}

    def report(self) -> dict[str, Any]:
        """The comparison for the report: hashes on both sides, build times, and what differs."""
        newest = max((node.built_at for node in self.live.values()), default=None)
        return {
            "live": {kind: self._live_hash(kind) for kind in _KINDS} if self.live else None,
            "dye": {kind: self._dye_hash(kind) for kind in _KINDS},
            "built_at": newest.astimezone(UTC).isoformat() if newest else None,
            "differing": {kind: list(names) for kind, names in self.differing.items()},
        }

    def notices(self) -> list[Notice]:
        """Notices to give if production and dye differ."""
        return [
            Notice(
                "production",
                f"The dye did not test what runs in production: {kind}{'s' if len(names) > 1 else ''} "
                f"{', '.join(names)} {'differs' if len(names) == 1 else 'differ'}.",
            )
            for kind, names in self.differing.items()
            if names
        ]

    def _live_hash(self, kind: str) -> str:
        return _hash(f"{i} {n.fingerprint}" for i, n in self.live.items() if n.resource_type == kind)

    def _dye_hash(self, kind: str) -> str:
        """Hash of the form that production has if the dye passed it, else of the latest form."""
        forms = {i: found for i, found in self.dye.items() if i.startswith(f"{kind}.")}
        live = {i: node.fingerprint for i, node in self.live.items()}
        return _hash(f"{i} {live[i] if live.get(i) in found else found[-1]}" for i, found in forms.items())


def compare(database: Warehouse, nodes: Mapping[str, Node], target: str, pipeline: str) -> Production:
    """Compare what production last built with what dbt built in this run.

    Args:
        database: as role angiogram.
        nodes: the nodes of the project that the dye passed.
        target: the dye target of that project.
        pipeline: name of that project; what builds of another one noted is left out.
    """
    live = _live(database, pipeline)
    dye = _dye(database, results_relation(target))
    known = {node.unique_id for node in nodes.values() if not node.is_ephemeral}
    differing = {
        kind: sorted(
            node.name
            for unique_id, node in live.items()
            if node.resource_type == kind
            and (unique_id not in known or (unique_id in dye and node.fingerprint not in dye[unique_id]))
        )
        for kind in _KINDS
    }
    return Production(pipeline, live, dye, differing)


def is_noted(database: Warehouse) -> bool:
    """Whether live builds keep notes in this database that the role may read."""
    if not engine_of(database).keeps_notes:
        return False
    with database.cursor() as query:
        query.execute(
            "select has_schema_privilege(pg_namespace.oid, 'usage') and has_table_privilege(pg_class.oid, 'select')"
            " from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            " where nspname = 'angiogram' and relname = 'live_nodes'"
        )
        return query.fetchone() == (True,)


def _live(database: Warehouse, pipeline: str) -> dict[str, LiveNode]:
    with database.cursor() as query:
        query.execute(
            "select node_id, name, resource_type, fingerprint, built_at from angiogram.live_nodes"
            " where pipeline in ('', %s) order by built_at",
            (pipeline,),
        )
        return {unique_id: LiveNode(*node) for unique_id, *node in query.fetchall()}


def _dye(database: Warehouse, results: str) -> dict[str, list[str]]:
    with database.cursor() as query:
        query.execute("select to_regclass(%s) is null", (results,))
        if query.fetchall()[0][0]:
            return {}
        query.execute(
            sql.SQL(
                "select unique_id, array_agg(fingerprint order by recorded_at) from {}"
                " where fingerprint is not null group by unique_id"
            ).format(sql.SQL(results))
        )
        return dict(query.fetchall())


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
