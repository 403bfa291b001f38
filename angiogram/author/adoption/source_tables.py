"""What a project's models read from outside, and which of its columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify

from angiogram.core.stage_id import MODEL, SEED, SNAPSHOT
from angiogram.dbt.manifest.lookup import nodes_by_id, nodes_of, readers_by_id, sources_by_id
from angiogram.dbt.manifest.nodes import BATCH
from angiogram.dbt.manifest.parts import reached
from angiogram.dbt.seeds.dye_seeds import is_dye_seed
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.engines.protocol import Query, Warehouse


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A source table that a model reads.

    Attributes:
        source: name of the source in dbt.
        table: name of the table in dbt.
        seed: the seed that stands in for it under the dye target.
        is_own_seed: whether the project has that seed already.
        columns: types of its columns by name, as a seed may hold them. Empty if they are unknown.
        has_batches: whether its rows are to arrive in batches: an incremental model or a snapshot depends on it, and
            nothing reads all of its columns.
    """

    source: str
    table: str
    seed: str
    is_own_seed: bool
    columns: Mapping[str, str]
    has_batches: bool = False

    @property
    def name(self) -> str:
        """Return how dbt names it: source and table."""
        return f"{self.source}.{self.table}"


def source_tables(manifest: Any, database: Warehouse, dialect: str) -> Iterator[SourceTable]:
    """Yield the sources that models read.

    Args:
        manifest: of the project under the live target, compiled, so that the SQL of its models is known.
        database: a session in the database of that target.
        dialect: of its SQL, as sqlglot names it.
    """
    readers, nodes = readers_by_id(manifest), nodes_by_id(manifest)
    own = {seed.name.lower(): seed.name for seed in nodes_of(manifest, SEED) if not is_dye_seed(seed)}
    with database.cursor() as query:
        for unique_id, source in sorted(sources_by_id(manifest).items()):
            models = [nodes[i] for i in readers.get(unique_id, ()) if i in nodes and nodes[i].resource_type == MODEL]
            if not models:
                continue
            if stand_in := own.get(source.identifier.lower()) or own.get(source.name.lower()):
                yield SourceTable(source.source_name, source.name, stand_in, True, {})
            else:
                seed = f"dye__{source.source_name}__{source.name}".lower()
                columns, is_read_whole = _columns(query, source, models, dialect)
                batches = not is_read_whole and BATCH not in columns and _feeds_batches(unique_id, readers, nodes)
                yield SourceTable(source.source_name, source.name, seed, False, columns, batches)


def _feeds_batches(unique_id: str, readers: Mapping[str, set[str]], nodes: Mapping[str, Any]) -> bool:
    """Whether an incremental model or a snapshot depends on a source."""
    below = (nodes[one] for one in reached([unique_id], lambda one: readers.get(one, set()) & nodes.keys()))
    return any(node.resource_type == SNAPSHOT or node.config.materialized == "incremental" for node in below)


def _columns(query: Query, source: Any, models: list[Any], dialect: str) -> tuple[dict[str, str], bool]:
    """The columns that models read, with their types; whether one reads them all."""
    engine = engine_of(query)
    types = {name: engine.seed_type(kind) for name, kind in engine.columns(query, source.relation_name).items()}
    types = types or {column.name: column.data_type for column in source.columns.values() if column.data_type}
    read = set()
    for model in models:
        found = columns_read(model.compiled_code or model.raw_code, source, types, dialect)
        if found is None:
            return types, True
        read |= found
    chosen = {name: kind for name, kind in types.items() if name in read}
    return chosen or types, not chosen


def columns_read(text: str, source: Any, types: Mapping[str, str], dialect: str) -> set[str] | None:
    """Return the columns of a source that a query reads. None if that cannot be told."""
    table = exp.to_table(source.relation_name, dialect=dialect)
    known: dict[str, Any] = {f'"{name}"': kind for name, kind in types.items()}
    for part in reversed([part for part in (table.catalog, table.db, table.name) if part]):
        known = {f'"{part}"': known}
    try:
        tree = qualify(
            sqlglot.parse_one(text, dialect=dialect),
            dialect=dialect,
            schema=known,
            validate_qualify_columns=False,
            allow_partial_qualification=True,
        )
        tree = pushdown_projections(tree)
    except SqlglotError:
        return None
    found: set[str] = set()
    is_read = False
    for select in tree.find_all(exp.Select):
        names = {
            scan.alias_or_name
            for scan in select.find_all(exp.Table)
            if (scan.name, scan.db) == (table.name, table.db) and scan.parent_select is select
        }
        if not names:
            continue
        if any(not isinstance(star.parent, exp.Count) for star in select.find_all(exp.Star)):
            return None
        found |= {column.name for column in select.find_all(exp.Column) if column.table in names}
        is_read = True
    return found if is_read else None
