"""Reads from dbt's manifest the models, the seeds they read, and their expected outputs."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from angiogram.core.errors import UnsupportedProject
from angiogram.core.stage_id import MODEL, SEED, SNAPSHOT, StageId, loader_stage
from angiogram.dbt.manifest.equality_test import Leniency, equality_tests, expectation_of
from angiogram.dbt.manifest.expectation import Expectation
from angiogram.dbt.manifest.keys import row_key
from angiogram.dbt.manifest.long_names import shortened
from angiogram.dbt.manifest.seed_files import seed_columns
from angiogram.dbt.seeds.dye_seeds import expected_name

VERSION = "dbt_version"
"""The column that numbers the versions of a snapshot's record from 1, in the order of their validity."""

_READ = (MODEL, SEED, SNAPSHOT)
"""dbt's words for the nodes whose content is known."""

_TEMPORARY = {"duckdb": "temp"}
"""Where a session's temporary relations live, by adapter; elsewhere it is pg_temp."""

NOTHING_DECLARED: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType({})
"""Nothing is said of how models are compared."""

BATCH = "batch"
"""The column of an input seed with the batch of each row. Without it, all rows are one batch."""


@dataclass(frozen=True, slots=True)
class Node:
    """A model, a snapshot, or a seed that models read.

    Attributes:
        name: its name in dbt; one version of several is name.v2.
        unique_id: dbt's ID for it.
        is_seed: whether it is reference data.
        relation: its table, quoted; for an ephemeral model the view of its SQL (warehouse/views), for a snapshot
            the view without dbt's times.
        reads: the models and seeds that it reads, and the loader's stage for sources.
        expected_relation: the table of its expected seed, quoted; None if there is none, or if it waits for its first
            rows.
        key: the columns that identify its rows, from its test equals_expected. Without one: those that the project
            declares, or all columns of its expected seed.
        excluded: the columns that are not compared: those that differ from run to run, and those that its test
            excludes.
        accounts_for: accepted, rejected or checked: which of the messages its rows account for (meta.accounts_for).
        where: which of its rows are compared, from its test equals_expected, as SQL; None: all.
        leniency: when that test tolerates differences; None: never.
        file: its file, relative to the project's folder.
        test_file: the file that declares its test equals_expected; None if it has none.
        expected_id: dbt's ID of its expected seed; None if there is none.
        named: for an ephemeral model the relation that it would be, quoted; None for all others.
        snapshot_table: for a snapshot its own table, quoted; None for all others.
        waiting_relation: the table of its expected seed while that waits for its first rows, quoted; otherwise None.
        only: the columns that are compared besides the key; empty: all.
        precision: to how many decimals numbers are compared, by column.
        types: whether the types of columns are compared.
        column_order: whether the order of columns is compared.
        own_excluded: the columns that its own test or meta excludes.
    """

    name: str
    unique_id: str
    is_seed: bool
    relation: str
    reads: list[StageId]
    expected_relation: str | None = None
    key: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    accounts_for: str | None = None
    where: str | None = None
    leniency: Leniency | None = None
    file: str | None = None
    test_file: str | None = None
    expected_id: str | None = None
    named: str | None = None
    snapshot_table: str | None = None
    waiting_relation: str | None = None
    only: tuple[str, ...] = ()
    precision: Mapping[str, int] = field(default_factory=dict)
    types: bool = True
    column_order: bool = False
    own_excluded: tuple[str, ...] = ()

    @property
    def is_snapshot(self) -> bool:
        """Return whether it is a snapshot."""
        return self.snapshot_table is not None

    @property
    def table(self) -> str:
        """Return the relation that dbt built, quoted; for an ephemeral model its view."""
        return self.snapshot_table or self.relation

    @property
    def is_ephemeral(self) -> bool:
        """Return whether dbt creates no table for it, so that a session's view replaces it."""
        return self.named is not None

    @property
    def read_as(self) -> str:
        """Return how the compiled SQL of its readers names it, quoted."""
        return self.named or self.table

    @property
    def stage(self) -> StageId:
        """Return its stage."""
        return StageId(SEED if self.is_seed else SNAPSHOT if self.is_snapshot else MODEL, self.name)

    @property
    def is_to_be_compared(self) -> bool:
        """Return whether it must be compared.

        A model must be. Reference data must be only if it has an expected output.
        """
        return not self.is_seed or self.is_watched or self.test_file is not None

    @property
    def is_watched(self) -> bool:
        """Return whether it has expected content to compare it with."""
        return self.expected_relation is not None

    @property
    def is_waiting(self) -> bool:
        """Return whether its expected seed waits for its first rows."""
        return self.waiting_relation is not None

    def compares(self, column: str) -> bool:
        """Return whether a column is compared."""
        return column not in self.excluded and (not self.only or column in self.only or column in self.key)

    def leaves_out(self, column: str) -> bool:
        """Return whether it is this node's own test, and no other rule, that leaves a column out."""
        return column in self.own_excluded or (column not in self.excluded and not self.compares(column))

    @property
    def is_partly_expected(self) -> bool:
        """Return whether a right output may differ from its expected seed."""
        return bool(self.where or self.only or self.precision or self.own_excluded or not self.types)

    def as_if_filled(self) -> "Node":
        """Return the node as if its expected seed did not wait for rows but expected none."""
        if self.waiting_relation is None:
            return self
        return replace(self, expected_relation=self.waiting_relation, waiting_relation=None)


def read_nodes(
    manifest: Any,
    excluded: list[str],
    target: str,
    waiting: Collection[str] = (),
    declared: Mapping[str, tuple[str, Mapping[str, Any]]] = NOTHING_DECLARED,
) -> dict[str, Node]:
    """Return models, snapshots, the seeds that they read, and seeds with an expected seed.

    An ephemeral model is included if it has an expected output; otherwise it is part of its readers.

    Args:
        manifest: of the parsed project.
        excluded: the columns that differ from run to run.
        target: the dye target under which it was parsed.
        waiting: the expected seeds that wait for their first rows.
        declared: what angiogram.yml says of how models are compared, each with its place.

    Raises:
        UnsupportedProject: a model is not SQL, or reads something other than a source, seed, model or snapshot; or
            the project has functions of dbt.
    """
    require_no_functions(manifest, target)
    shown = watched_ephemeral(manifest)
    built = [
        n
        for n in manifest.nodes.values()
        if n.resource_type == SNAPSHOT or (n.resource_type == MODEL and (n.relation_name or n.unique_id in shown))
    ]
    seeds = {n.name: n for n in manifest.nodes.values() if n.resource_type == "seed"}
    tests = equality_tests(manifest)

    def node(found: Any, reads: list[StageId]) -> Node:
        expected, test = seeds.get(expected_name(found.search_name)), tests.get(found.unique_id)
        is_snapshot = found.resource_type == SNAPSHOT
        how = expectation_of(found, test, declared.get(found.search_name))
        filled, awaited = (None, expected) if expected and expected.name in waiting else (expected, None)
        is_view = is_snapshot or not found.relation_name
        return Node(
            name=found.search_name,
            unique_id=found.unique_id,
            is_seed=found.resource_type == "seed",
            relation=_view_of(found.search_name, manifest) if is_view else found.relation_name,
            reads=reads,
            expected_relation=filled.relation_name if filled else None,
            key=_key(found, how, expected),
            excluded=[*excluded, *how.exclude],
            accounts_for=found.config.meta.get("accounts_for"),
            where=how.where,
            leniency=test.leniency if test else None,
            file=found.original_file_path,
            test_file=test.file if test else None,
            expected_id=expected.unique_id if expected else None,
            named=None if found.relation_name else _would_be(manifest, found),
            snapshot_table=found.relation_name if is_snapshot else None,
            waiting_relation=awaited.relation_name if awaited else None,
            only=how.only,
            precision=how.precision,
            types=how.types,
            column_order=how.column_order,
            own_excluded=how.exclude,
        )

    def _key(found: Any, how: Expectation, expected: Any) -> list[str]:
        if how.key:
            return list(how.key)
        if found.resource_type == SNAPSHOT:
            return [*unique_key(found), VERSION]
        if expected is None:
            return []
        names = [name for name in seed_columns(expected) if name not in (*excluded, *how.exclude)]
        return row_key(manifest, found.unique_id, [name for name in names if not how.only or name in how.only])

    nodes: dict[str, Node] = {}
    for model in built:
        if model.language != "sql":
            raise UnsupportedProject(
                f"{model.search_name} is a {model.language} model, which dbt cannot run on PostgreSQL. Replace "
                f"it with a seed under target {target}, or disable it there (`enabled`)."
            )
        reads = []
        for parent in parents(manifest, model.unique_id, shown):
            kind = parent.split(".")[0]
            if kind == "source":
                reads.append(loader_stage())
                continue
            if kind not in _READ:
                raise UnsupportedProject(
                    f"{model.search_name} reads the {in_words(parent)}, whose expected content is unknown. Under "
                    f"target {target}, make the model read an input seed instead."
                )
            above = manifest.nodes[parent]
            reads.append(StageId(kind, above.search_name))
            if kind == SEED:
                nodes[above.name] = node(above, [])
        nodes[model.search_name] = node(model, reads)
    compared = [seed for name, seed in seeds.items() if expected_name(name) in seeds and name not in nodes]
    return nodes | {seed.name: node(seed, []) for seed in compared}


def require_no_functions(manifest: Any, target: str) -> None:
    """Require that dbt builds no functions, since nothing keeps them from replacing live ones.

    Args:
        manifest: of the parsed project.
        target: the dye target under which it was parsed.

    Raises:
        UnsupportedProject: dbt builds some.
    """
    functions = getattr(manifest, "functions", {}).values()  # from dbt 1.11 on
    if found := sorted(f"{node.name} ({node.original_file_path})" for node in functions):
        raise UnsupportedProject(
            f"The project has functions that dbt builds: {', '.join(found)}. Nothing compares them, and nothing "
            "prevents the dye's functions from replacing live ones. Write them as macros, or disable those that no "
            f"model calls (`enabled`) under target {target}."
        )


def is_ephemeral(node: Any) -> bool:
    """Return whether a node is an ephemeral model, whose SQL dbt inserts into its readers."""
    return bool(node.resource_type == "model" and node.config.materialized == "ephemeral")


def parents(manifest: Any, unique_id: str, shown: Collection[str] = ()) -> list[str]:
    """Return dbt's IDs of what a model reads, with ephemeral parents replaced by theirs.

    Args:
        manifest: of the parsed project.
        unique_id: of the model.
        shown: IDs of the ephemeral models that are treated as tables.
    """
    found: dict[str, None] = {}
    for parent in manifest.nodes[unique_id].depends_on.nodes:
        node = manifest.nodes.get(parent)
        is_table = node is None or parent in shown or not is_ephemeral(node)
        found |= dict.fromkeys([parent] if is_table else parents(manifest, parent, shown))
    return list(found)


def inlined(manifest: Any, unique_id: str, shown: Collection[str] = ()) -> Iterator[str]:
    """Yield dbt's IDs of the ephemeral models whose SQL is part of a node's own.

    Args:
        manifest: of the parsed project.
        unique_id: of the node.
        shown: IDs of the ephemeral models that are treated as tables.
    """
    for parent in manifest.nodes[unique_id].depends_on_nodes:  # a seed has none
        node = manifest.nodes.get(parent)
        if node is not None and is_ephemeral(node) and parent not in shown:
            yield parent
            yield from inlined(manifest, parent, shown)


def watched_ephemeral(manifest: Any) -> set[str]:
    """Return the IDs of ephemeral models with an expected seed or a test equals_expected."""
    tests = equality_tests(manifest)
    seeds = {n.name for n in manifest.nodes.values() if n.resource_type == SEED}
    return {
        n.unique_id
        for n in manifest.nodes.values()
        if is_ephemeral(n) and (n.unique_id in tests or expected_name(n.search_name) in seeds)
    }


def unique_key(snapshot: Any) -> list[str]:
    """Return the columns by which dbt knows a record of a snapshot again."""
    key = snapshot.config.unique_key or ()
    return [key] if isinstance(key, str) else list(key)


def _view_of(name: str, manifest: Any) -> str:
    """Return the name of the session's view that replaces an ephemeral model.

    No dbt model has such a name.
    """
    view = shortened(f"~{name}", "~")
    return f'"{_TEMPORARY.get(manifest.metadata.adapter_type, "pg_temp")}"."{view}"'


def _would_be(manifest: Any, node: Any) -> str:
    """Return the relation that an ephemeral model would be if it were a view."""
    quoting = manifest.metadata.quoting
    parts = {"database": node.database, "schema": node.schema, "identifier": node.alias}
    return ".".join(name if getattr(quoting, part, None) is False else f'"{name}"' for part, name in parts.items())


def absent_nodes(manifest: Any) -> set[str]:
    """Return the IDs of nodes that others read although they are disabled or deleted."""
    manifest.build_parent_and_child_maps()
    known: set[str] = set(manifest.parent_map)
    return {above for read in manifest.parent_map.values() for above in read if above not in known}


def in_words(unique_id: str) -> str:
    """Return a node as people name it, from dbt's ID: model orders, test order_totals_agree."""
    kind, _, name = unique_id.split(".", 2)
    if kind == "test":
        name = name.split(".")[0]  # without the digits that distinguish generic tests
    return f"{kind.replace('_', ' ')} {name}"
