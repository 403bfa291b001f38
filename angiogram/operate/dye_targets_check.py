"""Checks that dye seeds are enabled only under the dye targets, which write only the dye's."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from angiogram.core.errors import DbtFailed
from angiogram.dbt.manifest.lookup import nodes_of
from angiogram.dbt.project import Project
from angiogram.dbt.project_file import DYE_TARGETS, dye_targets
from angiogram.dbt.seeds.dye_seeds import INPUT_FOLDER, is_dye_seed
from angiogram.dbt.targets import target_names
from angiogram.judge.guards.surface import Surface
from angiogram.warehouse.duckdb import schemas as duckdb_schemas
from angiogram.warehouse.engines.dispatch import engine_of
from angiogram.warehouse.sessions import open_warehouse
from angiogram.warehouse.target_relations import examine
from ingestion.settings.pipeline import contract, pipeline

if TYPE_CHECKING:
    from psycopg2.extensions import connection


def wrong_seeds(project: Project) -> Iterator[str]:
    """Yield what is wrong with `+enabled` of dye and expected seeds, by target.

    Each says what to do.

    Args:
        project: under its first dye target.

    Raises:
        DbtFailed: the project or its profile cannot be read.
        ContractUnusable: the project does not declare a contract that can be used.
    """
    named, known = dye_targets(project.directory), target_names(project)
    if absent := [target for target in named if target not in known]:
        yield f"the variable {DYE_TARGETS} names {', '.join(absent)}, which the profile does not have: add or remove it"
    dye = _dye_seeds(project.manifest)
    if unmarked := _seeds_that_are_sent(project) - dye:
        yield (
            f"the contract names {', '.join(sorted(unmarked))} as dye, but dbt takes it for reference data: put its "
            f"file in a folder named {INPUT_FOLDER}, or give it +meta: {{dye: true}}"
        )
    for target in known:
        if target == project.target:
            continue
        try:
            enabled = _dye_seeds(project.manifest_under(target))
        except DbtFailed as error:
            yield f"cannot tell whether dye is enabled under target {target}: {error}"
            continue
        if target in named and (off := dye - enabled):
            yield f"{_are(off)} disabled under the dye target {target}: name it in their +enabled"
        if target not in named and enabled:
            yield (
                f"{_are(enabled)} enabled under target {target}, which is not a dye target: each build there would "
                f"load dye into a live schema. Let +enabled be true under {', '.join(named)} alone, or give a seed "
                "that is not dye +meta: {dye: false}"
            )


def foreign_relations(project: Project) -> Iterator[str]:
    """Yield relations that the dye target would write although they are not the dye's.

    A run would be refused because of them.

    Raises:
        DbtFailed: the project or its profile cannot be read.
        NotReady: the database does not let the profile's user in.
        RunInHand: another process has the DuckDB file of the target open.
        InvalidSurface: the accepted surface cannot be read.
    """
    _ = project.manifest  # dbt finds its profile only after it has run
    known_live = Surface.known_live(project.directory)
    with closing(open_warehouse(project.directory, project.target)) as database:
        if engine_of(database).name == "duckdb":
            told = duckdb_schemas.not_the_dyes(database, project, known_live)
        else:
            schemas = examine(cast("connection", database), project, known_live, lambda _: None)
            told = [schema.told for schema in schemas if schema.told]
    yield from (f"target {project.target} would overwrite what the dye did not create: {one}" for one in told)


def _are(names: set[str]) -> str:
    return f"{', '.join(sorted(names))} {'is' if len(names) == 1 else 'are'}"


def _seeds_that_are_sent(project: Project) -> set[str]:
    """Seeds of the project whose rows a run sends."""
    if pipeline(project.directory).contract_path is None:
        return set()
    promised = contract(project.directory)
    return {node.name for node in nodes_of(project.manifest, "seed")} & {promised.dye_seed, promised.malformed_seed}


def _dye_seeds(manifest: Any) -> set[str]:
    return {node.name for node in nodes_of(manifest, "seed") if is_dye_seed(node)}
