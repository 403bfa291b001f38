"""Compiles every model of a dye project, with is_incremental() false and true."""

import tempfile
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angiogram.core.errors import DbtFailed, UnsupportedProject
from angiogram.dbt.command import PLAIN, as_views, compiling_all, forget_ephemeral
from angiogram.dbt.command import run_dbt as run_in_process
from angiogram.dbt.manifest.equality_test import equality_tests
from angiogram.dbt.manifest.nodes import (
    expected_name,
    is_ephemeral,
    parents,
    require_no_functions,
    watched_ephemeral,
)
from angiogram.dbt.project_file import ProjectPaths, dye_target, project_variables
from angiogram.dbt.seeds.file_journal import settle
from angiogram.judge.cause.seed_files import SeedFile
from angiogram.judge.cause.tables import Table

GENERIC_TESTS = frozenset({"not_null", "unique", "accepted_values", "relationships", "unique_combination_of_columns"})
"""dbt's four built-in tests, and the one for uniqueness over several columns."""

# Other tests may query the database while they are compiled, and their tables may not exist.
_COMPILED = ("resource_type:model", *(f"test_name:{name}" for name in sorted(GENERIC_TESTS)))

_IS_INCREMENTAL = "macro.dbt.is_incremental"
_FORMS = ("false", "model.config.materialized == 'incremental'")
_VARS = "{dye_source: topic}"
_MATERIALIZED = ("table", "view", "incremental")
_DO_WITHOUT = "Replace it with a seed under the dye target, or disable it there."


@dataclass(frozen=True, slots=True)
class Incremental:
    """How dbt puts later batches into a model's table.

    Attributes:
        sql: the model's SQL where is_incremental() holds.
        strategy: append, delete+insert or merge.
        unique_key: the columns that identify a row. Empty if there are none.
        on_schema_change: what dbt does when the columns differ.
        update_columns: the columns that a merge updates in an existing row. Empty: all but exclude_columns.
        exclude_columns: the columns that a merge does not update.
        predicates: more SQL conditions that an existing row must meet to be replaced.
    """

    sql: str
    strategy: str
    unique_key: tuple[str, ...]
    on_schema_change: str
    update_columns: tuple[str, ...] = ()
    exclude_columns: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()


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
    """

    models: dict[str, Model]
    seeds: dict[str, Table]
    inputs: dict[str, SeedFile]
    sources: list[str]
    names: dict[tuple[str, str], str]
    excluded: tuple[str, ...]
    tests: dict[str, str] = field(repr=False)
    manifest: Any = field(repr=False)

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

    dbt asks the database whether a table exists before it answers is_incremental(). Here the answer is given instead,
    so no table has to exist.

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
    manifest = run_dbt(directory, ["parse"], target)
    require_no_functions(manifest, target)
    shown = watched_ephemeral(manifest)
    return _compiled(directory, manifest, shown, *compile_forms(directory, manifest, target, shown=shown))


def compile_forms(
    directory: Path,
    manifest: Any,
    target: str,
    variables: str = _VARS,
    left_out: Sequence[str] = (),
    shown: Collection[str] = (),
    profiles: Path | None = None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the SQL of each node by its id: with is_incremental() false, and with it true.

    Args:
        directory: the project's folder.
        manifest: the manifest of the parsed project. It is not changed.
        target: the dbt target.
        variables: dbt's variables, as YAML, with which the project was parsed.
        left_out: names of models to skip, since a model that does not compile is an error.
        shown: ids of the ephemeral models that readers select from as if they were views.
        profiles: the folder with profiles.yml. Default: the one that the environment names, or the project's.

    Raises:
        DbtFailed: dbt cannot compile the project.
    """
    forms: list[dict[str, str]] = []
    exclude = ("--exclude", *left_out) if left_out else ()
    macro = manifest.macros[_IS_INCREMENTAL]
    as_it_was = macro.macro_sql
    with ExitStack() as stack:
        stack.enter_context(as_views(manifest, shown))
        stack.enter_context(compiling_all())
        stack.callback(setattr, macro, "macro_sql", as_it_was)
        for answer in _FORMS:
            forget_ephemeral(manifest)
            macro.macro_sql = f"{{% macro is_incremental() %}}{{{{ return({answer}) }}}}{{% endmacro %}}"
            results = list(
                run_dbt(
                    directory,
                    ["compile", "--select", *_COMPILED, "--indirect-selection", "empty", *exclude],
                    target,
                    manifest,
                    variables,
                    profiles,
                )
            )
            if errors := [result.message for result in results if result.status == "error"]:
                raise DbtFailed(f"dbt compile of {directory} failed: {str(errors[0]).strip()}")
            forms.append({r.node.unique_id: r.node.compiled_code for r in results if hasattr(r.node, "compiled_code")})
    return forms[0], forms[1]


def run_dbt(
    directory: Path,
    command: list[str],
    target: str | None,
    manifest: Any = None,
    variables: str = _VARS,
    profiles: Path | None = None,
) -> Any:
    """Run one dbt command in this process and return its result.

    Without a target, the default target of the profile is used. Without a folder of profiles.yml, it is the one that
    the environment names, or the project's.

    Raises:
        DbtFailed: dbt ended with an error.
    """
    with tempfile.TemporaryDirectory(prefix="sensitivity-", ignore_cleanup_errors=True) as scratch:
        outcome = run_in_process(
            [
                *("--no-use-colors", "--log-level", "none", "--no-version-check", "--no-write-json"),
                *("--no-send-anonymous-usage-stats", "--no-partial-parse", "--log-path", scratch, *PLAIN),
                *command,
                *(("--target", target) if target else ()),
                *("--vars", variables, "--target-path", scratch),
                *("--project-dir", str(directory)),
                *("--profiles-dir", str(profiles or ProjectPaths.of(directory).profiles)),
            ],
            manifest,
        )
    if outcome.error is not None or outcome.answer is None:
        raise DbtFailed(f"dbt {command[0]} of {directory} failed: {str(outcome.error).strip()}") from outcome.error
    return outcome.answer


def _compiled(
    directory: Path, manifest: Any, shown: set[str], first: dict[str, str], later: dict[str, str]
) -> Compiled:
    nodes = {node.unique_id: node for node in manifest.nodes.values()}
    seeds = {node.name: node for node in nodes.values() if node.resource_type == "seed"}
    tests = equality_tests(manifest)
    models: dict[str, Model] = {}
    pending = [
        node
        for node in nodes.values()
        if node.resource_type == "model" and (node.unique_id in shown or not is_ephemeral(node))
    ]
    _require_known(manifest, pending, shown)
    made = {node.unique_id for node in nodes.values() if node.resource_type != "model"} | set(manifest.sources)
    while ready := [node for node in pending if made.issuperset(parents(manifest, node.unique_id, shown))]:
        for node in sorted(ready, key=lambda node: str(node.name)):
            expected = seeds.get(expected_name(node.name))
            models[node.name] = Model(
                name=node.name,
                path=node.original_file_path,
                sql=first[node.unique_id],
                incremental=incremental_of(node, later[node.unique_id]),
                reads=tuple(
                    dict.fromkeys(_local_name(manifest, parent) for parent in parents(manifest, node.unique_id, shown))
                ),
                expected=SeedFile.of(directory, expected).table if expected else None,
                key=tuple(tests[node.unique_id].key) if node.unique_id in tests else (),
                where=tests[node.unique_id].where if node.unique_id in tests else None,
                unheeded=_unheeded(node.config),
            )
            made.add(node.unique_id)
        pending = [node for node in pending if node.unique_id not in made]
    read = {name for model in models.values() for name in model.reads}
    files = {name: SeedFile.of(directory, seed) for name, seed in seeds.items() if name in read}
    relations = [node for node in nodes.values() if node.resource_type in ("model", "seed")]
    return Compiled(
        models=models,
        seeds={name: file.table for name, file in files.items() if not file.is_dye},
        inputs={name: file for name, file in files.items() if file.is_dye},
        sources=sorted(read - models.keys() - seeds.keys()),
        # An input seed may have the same name as the source that it replaces.
        names={
            (source.schema, source.identifier): _local_name(manifest, key) for key, source in manifest.sources.items()
        }
        | {(node.schema, node.alias): node.name for node in relations},
        excluded=tuple(project_variables(directory).get("run_dependent_columns") or ()),
        tests={key: sql for key, sql in later.items() if key.startswith("test.") and sql},
        manifest=manifest,
    )


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
    if unique_id in manifest.sources:
        source = manifest.sources[unique_id]
        return f"{source.source_name}.{source.name}"
    return str(manifest.nodes[unique_id].name)


def incremental_of(node: Any, later: str) -> Incremental | None:
    """How dbt adds later batches to a node's table. None if dbt rebuilds the table.

    Raises:
        UnsupportedProject: the node's strategy cannot be run here.
    """
    config = node.config
    if config.materialized != "incremental" or config.full_refresh:
        return None
    key = config.unique_key or ()
    unique_key = (key,) if isinstance(key, str) else tuple(key)
    strategy = config.incremental_strategy
    if strategy in (None, "default"):
        strategy = "delete+insert" if unique_key else "append"
    if strategy not in ("append", "delete+insert", "merge"):
        raise UnsupportedProject(
            f"{node.name} has the incremental strategy {strategy}, which sensitivity cannot run. "
            "Use append, delete+insert or merge under the dye target."
        )
    return Incremental(
        sql=later,
        strategy=strategy,
        unique_key=unique_key,
        on_schema_change=config.on_schema_change or "ignore",
        update_columns=tuple(config.get("merge_update_columns") or ()),
        exclude_columns=tuple(config.get("merge_exclude_columns") or ()),
        predicates=tuple(config.get("predicates") or config.get("incremental_predicates") or ()),
    )
