"""Compiles every model of a dye project, with is_incremental() false and true."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.command import run_in_scratch
from angiogram.dbt.manifest.equality_test import equality_tests, expectation_of
from angiogram.dbt.manifest.expectation import EXACTLY, Expectation
from angiogram.dbt.manifest.keys import declared_key
from angiogram.dbt.manifest.lookup import node_with_id, nodes_by_id, source_if_known, sources_by_id
from angiogram.dbt.manifest.nodes import is_ephemeral, parents, require_no_functions, watched_ephemeral
from angiogram.dbt.manifest.seed_files import seed_columns, waiting_seeds
from angiogram.dbt.pipeline_settings import DeclaredSettings
from angiogram.dbt.project_file import dye_target, project_variables
from angiogram.dbt.runnable_forms import runnable_forms
from angiogram.dbt.seeds.dye_seeds import expected_name
from angiogram.dbt.seeds.file_journal import settle
from angiogram.dbt.seeds.recorded import Recorded
from angiogram.judge.cause.incremental import Incremental, incremental_of
from angiogram.judge.cause.seed_files import SeedFile
from angiogram.judge.cause.tables import Table
from ingestion.settings.settings_file import SettingsFile

_MATERIALIZED = ("table", "view", "incremental")
_DO_WITHOUT = "Replace it with a seed under the dye target, or disable it there."


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the project.

    Attributes:
        name: its name in dbt.
        path: its file, below the project's folder.
        sql: its SQL with is_incremental() false.
        incremental: how later batches are added. None for every other materialization.
        reads: names of the models, seeds and sources that it reads.
        expected: its expected seed, or None.
        key: the columns that identify its rows, from its test equals_expected.
        where: SQL condition of the same test for the rows that are compared. None: all rows.
        unheeded: what dbt does for this model and sensitivity ignores.
        how: which columns are compared, and how exactly.
    """

    name: str
    path: str
    sql: str
    incremental: Incremental | None
    reads: tuple[str, ...]
    expected: Table | None
    key: tuple[str, ...] = ()
    where: str | None = None
    unheeded: tuple[str, ...] = ()
    how: Expectation = EXACTLY


@dataclass(frozen=True, slots=True)
class Compiled:
    """A dbt project ready for mutation.

    Attributes:
        models: the models by name, each after everything that it reads.
        seeds: reference seeds that models read, by name.
        inputs: the files of the input seeds that models read, by name.
        sources: relations that models read and dbt does not build, by name.
        names: the local name of each relation, by its schema and identifier.
        excluded: columns that differ from run to run.
        tests: compiled SQL of the project's tests, by dbt's id.
        manifest: dbt's manifest, for the tests of the project.
        engine: the engine of the target, as dbt and sqlglot call it.
    """

    models: dict[str, Model]
    seeds: dict[str, Table]
    inputs: dict[str, SeedFile]
    sources: list[str]
    names: dict[tuple[str, str], str]
    excluded: tuple[str, ...]
    tests: dict[str, str] = field(repr=False)
    manifest: Any = field(repr=False)
    engine: str = "postgres"

    @property
    def dye(self) -> dict[str, Table]:
        """The input seeds that models read, by name."""
        return {name: file.table for name, file in self.inputs.items()}

    def downstream(self, name: str) -> list[Model]:
        """The models that read `name`, directly or indirectly, in build order."""
        reached = {name}
        found = []
        for model in self.models.values():
            if reached.intersection(model.reads) and model.name not in reached:
                reached.add(model.name)
                found.append(model)
        return found


def compile_project(directory: Path, target: str | None = None) -> Compiled:
    """Parse a dbt project once and compile its models in both forms.

    Args:
        directory: the project's folder.
        target: a dye target. Default: the first of the project.

    Raises:
        DbtFailed: dbt cannot read or compile the project.
        UnsupportedProject: the project uses what sensitivity cannot run, or the target is not a dye target.
        SeedNotWritten: a killed command left seeds half written, and they cannot be completed.
    """
    settle(directory)
    target = dye_target(directory, target)
    manifest = run_in_scratch(directory, ["parse"], target)
    if (engine := manifest.metadata.adapter_type) not in ("postgres", "duckdb"):
        raise UnsupportedProject(
            f"Target {target} of {directory} is on {engine}, and sensitivity works on PostgreSQL and DuckDB: name such "
            "a dye target with --target."
        )
    require_no_functions(manifest, target)
    shown = watched_ephemeral(manifest)
    return _compiled(directory, manifest, shown, *runnable_forms(directory, manifest, target, shown=shown))


def _compiled(
    directory: Path, manifest: Any, shown: set[str], first: dict[str, str], later: dict[str, str]
) -> Compiled:
    engine = manifest.metadata.adapter_type
    nodes = nodes_by_id(manifest)
    seeds = {node.name: node for node in nodes.values() if node.resource_type == "seed"}
    tests, waiting = equality_tests(manifest), waiting_seeds(manifest, Recorded.read(directory))
    declared = DeclaredSettings.read(directory).declared_expectations(SettingsFile.of(directory))
    models: dict[str, Model] = {}
    pending = [
        node
        for node in nodes.values()
        if node.resource_type == "model" and (node.unique_id in shown or not is_ephemeral(node))
    ]
    _require_known(manifest, pending, shown)
    made = {node.unique_id for node in nodes.values() if node.resource_type != "model"} | set(sources_by_id(manifest))
    while ready := [node for node in pending if made.issuperset(parents(manifest, node.unique_id, shown))]:
        for node in sorted(ready, key=lambda node: str(node.name)):
            how = expectation_of(node, tests.get(node.unique_id), declared.get(node.name))
            name = expected_name(node.name)
            expected = seeds.get(name) if name not in waiting else None
            models[node.name] = Model(
                name=node.name,
                path=node.original_file_path,
                sql=first[node.unique_id],
                incremental=incremental_of(node, later[node.unique_id]),
                reads=tuple(
                    dict.fromkeys(_local_name(manifest, parent) for parent in parents(manifest, node.unique_id, shown))
                ),
                expected=SeedFile.of(directory, expected, engine).table if expected else None,
                key=_key(manifest, node, how, expected),
                where=how.where,
                how=how,
                unheeded=_unheeded(node.config),
            )
            made.add(node.unique_id)
        pending = [node for node in pending if node.unique_id not in made]
    read = {name for model in models.values() for name in model.reads}
    files = {name: SeedFile.of(directory, seed, engine) for name, seed in seeds.items() if name in read}
    relations = [node for node in nodes.values() if node.resource_type in ("model", "seed")]
    return Compiled(
        models=models,
        seeds={name: file.table for name, file in files.items() if not file.is_dye},
        inputs={name: file for name, file in files.items() if file.is_dye},
        sources=sorted(read - models.keys() - seeds.keys()),
        # An input seed may have the same name as the source that it replaces.
        names={
            (source.schema, source.identifier): _local_name(manifest, key)
            for key, source in sources_by_id(manifest).items()
        }
        | {(node.schema, node.alias): node.name for node in relations},
        excluded=tuple(project_variables(directory).get("run_dependent_columns") or ()),
        tests={key: sql for key, sql in later.items() if key.startswith("test.") and sql},
        manifest=manifest,
        engine=engine,
    )


def _key(manifest: Any, node: Any, how: Expectation, expected: Any) -> tuple[str, ...]:
    """The columns that the project says identify a row."""
    if how.key:
        return how.key
    return tuple(declared_key(manifest, node.unique_id, seed_columns(expected))) if expected else ()


def _require_known(manifest: Any, models: list[Any], shown: set[str]) -> None:
    """Refuse models that sensitivity cannot build.

    Raises:
        UnsupportedProject: there is such a model.
    """
    for node in models:
        materialized = "view" if node.unique_id in shown else node.config.materialized
        if node.language != "sql" or materialized not in _MATERIALIZED:
            raise UnsupportedProject(
                f"{node.name} is a {node.language} model, materialized {node.config.materialized}; sensitivity runs "
                f"SQL models that are {', '.join(_MATERIALIZED)} or ephemeral. {_DO_WITHOUT}"
            )
        if [other.name for other in models].count(node.name) > 1:
            raise UnsupportedProject(
                f"There are several models {node.name}, of other versions or packages; sensitivity knows models by "
                "their names. Disable all but one under the dye target (`enabled`)."
            )
        for parent in parents(manifest, node.unique_id, shown):
            kind, name = parent.split(".")[0], parent.split(".")[-1]
            if kind not in ("model", "seed", "source"):
                raise UnsupportedProject(
                    f"{node.name} reads the {kind} {name}, which sensitivity cannot build. {_DO_WITHOUT}"
                )


def _unheeded(config: Any) -> tuple[str, ...]:
    settings = {
        "pre-hook": config.pre_hook,
        "post-hook": config.post_hook,
        "sql_header": config.get("sql_header"),
        "contract": config.contract.enforced,
    }
    return tuple(name for name, setting in settings.items() if setting)


def _local_name(manifest: Any, unique_id: str) -> str:
    if source := source_if_known(manifest, unique_id):
        return f"{source.source_name}.{source.name}"
    return str(node_with_id(manifest, unique_id).name)
