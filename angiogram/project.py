"""The dbt project under the dye: parsed once, built in this process, and what its manifest says of the models."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from angiogram.dbt_command import dbt_aside, forget_ephemeral
from angiogram.equality_test import Leniency, equality_tests
from angiogram.errors import DbtFailed, NotReady
from angiogram.in_a_line import in_a_line
from angiogram.pipeline_settings import PipelineSettings
from angiogram.project_file import dye_target, project_variables
from angiogram.stage_id import LOADER_STAGE, MODEL, SEED, StageId

EXPECTED_PREFIX = "expected__"
"""An expected seed is named after its model, see expected_name."""

INPUT_FOLDER = "input"
"""Seeds in a folder of this name are the dye; seeds named expected__<model> what it must become; others reference."""

BATCH = "batch"
"""The column of an input seed that says when a row arrives; without one, all come at once."""

# With dye_batches given no model is built anew at each build, so the incremental ones grow. It hides no batch here: the
# input seeds are filled batch by batch.
_VARS = {"topic": "{dye_source: topic}", "seeds": "{dye_source: seeds, dye_batches: 1000000}"}

_DEFAULT_PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"


@dataclass(frozen=True, slots=True)
class Node:
    """A model, or a seed that models read.

    Attributes:
        name: its name in dbt; one version of several is name.v2.
        unique_id: dbt's id for it.
        is_seed: whether it is reference data.
        relation: its table, quoted.
        reads: the models and seeds that it reads, and LOADER_STAGE for sources.
        expected_relation: the table of its expected seed, quoted; None if there is none.
        key: the columns that tell its rows apart, from its test equals_expected.
        excluded: the columns that differ from run to run.
        accounts_for: accepted, rejected or checked: which of the messages its rows account for (meta.accounts_for).
        where: which of its rows are compared, from its test equals_expected, as SQL; None: all.
        leniency: when that test tolerates differences; None: never.
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

    @property
    def stage(self) -> StageId:
        """What it is called as a stage."""
        return StageId(SEED if self.is_seed else MODEL, self.name)


class Project:
    """A dbt project under a dye target.

    Attributes:
        directory: its folder.
        target: the dye target.
        settings: what its angiogram.yml declares.
        log_directory: where dbt writes its log.
        dye_source: where the models read the dye: of the run in hand (topic), or straight from the input seeds.
        dbt_vars: the variables with which dbt is called, as YAML.
    """

    def __init__(
        self,
        directory: Path | None = None,
        verbose: bool = False,
        tests: bool = True,
        dye_source: Literal["topic", "seeds"] = "topic",
        target: str | None = None,
    ) -> None:
        """Look the folder up; nothing is parsed yet.

        Args:
            directory: the project's folder; DBT_PROJECT_DIR or the project's own by default.
            verbose: show dbt's own words on stderr; otherwise they go to its log alone.
            tests: run dbt's tests too. The verdict needs none: it compares the tables itself.
            dye_source: where the models read the dye: of the run in hand, or straight from the input seeds.
            target: a dye target of the project; the first by default.

        Raises:
            NotReady: there is no dbt project, its packages are not installed, or the target is not a dye target.
            InvalidSettings: its angiogram.yml cannot be used.
        """
        self.directory = (directory or Path(os.environ.get("DBT_PROJECT_DIR") or _DEFAULT_PROJECT)).resolve()
        self._parsed = Path(os.environ.get("DBT_TARGET_PATH") or self.directory / "target_angiogram")
        self.log_directory = Path(os.environ.get("DBT_LOG_PATH") or self.directory / "logs" / "angiogram")
        self.dye_source = dye_source
        self.dbt_vars = _VARS[dye_source]
        self._verbose = verbose
        self._tests = tests
        if not (self.directory / "dbt_project.yml").is_file():
            raise NotReady(f"{self.directory} holds no dbt_project.yml. Set DBT_PROJECT_DIR to a dbt project.")
        if (self.directory / "packages.yml").is_file() and not any(self.directory.glob("dbt_packages/*")):
            raise NotReady(
                f"The dbt packages of {self.directory} are not installed. Run `make install`, "
                "or `python dbt_project/install_packages.py`."
            )
        self.settings = PipelineSettings.read(self.directory)
        self.target = dye_target(self.directory, target)
        # What dbt parsed under one target, or with one variable, is of no use with another.
        is_usual = self.target == dye_target(self.directory)
        self.target_directory = self._parsed if is_usual else self._parsed / self.target
        if dye_source == "seeds":
            self.target_directory /= "from_seeds"

    @cached_property
    def manifest(self) -> Any:
        """dbt's own record of the project, parsed when first asked for."""
        return self._invoke(["parse"], None).result

    def manifest_under(self, target: str) -> Any:
        """dbt's own record of the project under another target of the profile, which need not be reached.

        Raises:
            DbtFailed: it cannot be read under that target.
        """
        return self._invoke(["parse"], None, target).result

    def parse(self) -> None:
        """Read the whole project now, and see that dbt can build it; otherwise it is read when first needed.

        Raises:
            DbtFailed: it cannot be read, or not be built: what a node reads is disabled, nodes read each other in a
                circle, and the like.
            NotReady: a model is not SQL, or reads what is neither source, seed nor model.
        """
        if absent := _read_but_absent(self.manifest):
            raise DbtFailed(f"dbt cannot build {self.directory}: {'; '.join(absent)}.")
        _ = self.nodes
        self._invoke(["list", "--quiet"], self.manifest)

    def build_first_batch(self) -> list[str]:
        """Load all seeds, then build the incremental models and what they need. Tests wait for the whole.

        Returns:
            Names of the nodes that failed.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        return self._build(
            [
                *("--select", "resource_type:seed", "+config.materialized:incremental"),
                *("--resource-type", "seed", "--resource-type", "model"),
            ]
        )

    def build_all(self) -> list[str]:
        """Build and test everything on top of the seeds that are loaded already.

        Returns:
            Names of the nodes that failed.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        return self._build(["--exclude", "resource_type:seed", *(() if self._tests else ("resource_type:test",))])

    def invoke(self, command: list[str]) -> list[Any]:
        """Run one dbt command in this process; dbt's result of each node.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        return list(self._invoke(command, self.manifest).result.results)

    def expected_seed(self, model: str) -> Any:
        """What dbt knows of a model's expected seed, which must be there."""
        seeds = (n for n in self.manifest.nodes.values() if n.resource_type == "seed")
        return next(n for n in seeds if n.name == expected_name(model))

    def _build(self, arguments: list[str]) -> list[str]:
        outcome = self._invoke(["build", *arguments], self.manifest)
        return [result.node.name for result in outcome.result or () if result.status in ("error", "fail")]

    def _invoke(self, command: list[str], manifest: Any, other_target: str | None = None) -> Any:
        """Run one dbt command in this process; of another target what it does without the dye."""
        from dbt.cli.main import dbtRunner  # 2 s to import: not for `angiogram --help`

        target, dbt_vars, target_path = self.target, self.dbt_vars, self.target_directory
        if other_target:
            target, dbt_vars, target_path = other_target, "{}", self._parsed / "other_targets" / other_target
        arguments = [
            *("--no-use-colors", "--log-level", "info" if self._verbose else "none", "--log-level-file", "info"),
            *("--no-version-check", "--no-write-json", "--no-send-anonymous-usage-stats"),
            *("--log-path", str(self.log_directory)),
            *command,
            *("--target", target, "--vars", dbt_vars, "--target-path", str(target_path)),
            *("--project-dir", str(self.directory), "--profiles-dir", self.profiles_directory),
        ]
        if manifest is not None:
            forget_ephemeral(manifest)
        with dbt_aside():
            outcome = dbtRunner(manifest=manifest).invoke(arguments)
        if isinstance(outcome.exception, KeyboardInterrupt | SystemExit):
            raise outcome.exception
        if outcome.exception is not None or outcome.result is None:
            raise DbtFailed(
                f"dbt {command[0]} of {self.directory} ended before anything was built: "
                f"{in_a_line(str(outcome.exception)).rstrip('.')}. Correct it, then run again. "
                f"dbt's whole message is in {self.log_directory / 'dbt.log'}."
            ) from outcome.exception
        return outcome

    @property
    def profiles_directory(self) -> str:
        """The folder with profiles.yml."""
        return os.environ.get("DBT_PROFILES_DIR") or str(self.directory)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The models by name, and the seeds that they read.

        Raises:
            DbtFailed: the project cannot be read.
            NotReady: a model reads what is neither source, seed nor model.
        """
        manifest = self.manifest
        seeds = {n.name: n for n in manifest.nodes.values() if n.resource_type == "seed"}
        models = [n for n in manifest.nodes.values() if n.resource_type == "model" and n.relation_name]
        tests = equality_tests(manifest)
        excluded = self._run_dependent_columns()
        found: dict[str, Node] = {}
        for model in models:
            name = model.search_name
            if model.language != "sql":
                raise NotReady(
                    f"{name} is a {model.language} model, which dbt cannot run on PostgreSQL. Let a seed stand for it "
                    f"under target {self.target}, or leave it out there (`enabled`)."
                )
            expected = seeds.get(expected_name(name))
            reads = []
            for parent in self.parents(model.unique_id):
                kind = parent.split(".")[0]
                if kind == "source":
                    reads.append(LOADER_STAGE)
                    continue
                if kind not in ("model", "seed"):
                    raise NotReady(
                        f"{name} reads the {_in_words(parent)}, and nobody knows what it should hold. Let the model "
                        f"read an input seed in its place under target {self.target}."
                    )
                reads.append(StageId(kind, manifest.nodes[parent].search_name))
                if kind == "seed":
                    seed = manifest.nodes[parent]
                    known = seeds.get(expected_name(seed.name))
                    found[seed.name] = Node(
                        name=seed.name,
                        unique_id=parent,
                        is_seed=True,
                        relation=seed.relation_name,
                        reads=[],
                        expected_relation=known.relation_name if known else None,
                        key=tests[parent].key if parent in tests else [],
                        excluded=excluded,
                        where=tests[parent].where if parent in tests else None,
                        leniency=tests[parent].leniency if parent in tests else None,
                    )
            found[name] = Node(
                name=name,
                unique_id=model.unique_id,
                is_seed=False,
                relation=model.relation_name,
                reads=reads,
                expected_relation=expected.relation_name if expected else None,
                key=tests[model.unique_id].key if model.unique_id in tests else [],
                excluded=excluded,
                accounts_for=model.config.meta.get("accounts_for"),
                where=tests[model.unique_id].where if model.unique_id in tests else None,
                leniency=tests[model.unique_id].leniency if model.unique_id in tests else None,
            )
        return found

    @cached_property
    def missing_models(self) -> list[str]:
        """What an expected seed names and no model, seed or snapshot of the project is called.

        Raises:
            DbtFailed: the project cannot be read.
        """
        nodes = self.manifest.nodes.values()
        known = {expected_name(node.name) for node in nodes} | {
            expected_name(node.search_name) for node in nodes if node.resource_type == "model"
        }
        seeds = (node.name for node in nodes if node.resource_type == "seed")
        return sorted(
            name.removeprefix(EXPECTED_PREFIX)
            for name in seeds
            if name.startswith(EXPECTED_PREFIX) and name not in known
        )

    def parents(self, unique_id: str) -> list[str]:
        """As the function `parents`."""
        return parents(self.manifest, unique_id)

    def max_seconds(self, stage: StageId) -> float | None:
        """How long a stage may take before the verdict warns of it; None: as long as it likes.

        Args:
            stage: which; the variable names it as text, one before dbt by its kind alone, a seed by its name alone.
        """
        limits: dict[str, float] = self._variables.get("max_seconds") or {}
        short = stage.name if stage.kind == SEED else stage.kind
        return limits.get(str(stage), limits.get(short, limits.get("default")))

    def _run_dependent_columns(self) -> list[str]:
        """The one list of columns that no comparison looks at."""
        return list(self._variables.get("run_dependent_columns") or [])

    @cached_property
    def _variables(self) -> dict[str, Any]:
        return project_variables(self.directory)


def is_ephemeral(node: Any) -> bool:
    """Whether a node of the manifest is a model whose SQL dbt puts into that of its readers: it is no table."""
    return bool(node.resource_type == "model" and node.config.materialized == "ephemeral")


def parents(manifest: Any, unique_id: str) -> list[str]:
    """dbt's ids of what a model reads; what an ephemeral one reads takes its place."""
    found: dict[str, None] = {}
    for parent in manifest.nodes[unique_id].depends_on.nodes:
        node = manifest.nodes.get(parent)
        is_table = node is None or not is_ephemeral(node)
        found |= dict.fromkeys([parent] if is_table else parents(manifest, parent))
    return list(found)


def _read_but_absent(manifest: Any) -> list[str]:
    """What nodes read although it is disabled or gone, in words.

    dbt parses what has changed alone, and meets a reader that has not only when it builds.
    """
    manifest.build_parent_and_child_maps()
    readers: dict[str, list[str]] = {}
    for reader, read in manifest.parent_map.items():
        for absent in set(read) - manifest.parent_map.keys():
            readers.setdefault(absent, []).append(_in_words(reader))
    return [
        f"the {_in_words(absent)} is {'disabled' if absent in manifest.disabled else 'gone'}, "
        f"but read by the {' and the '.join(sorted(names))}: enable it, or disable or change what reads it"
        for absent, names in sorted(readers.items())
    ]


def _in_words(unique_id: str) -> str:
    """A node as people name it, by dbt's id: model fct_rides, test revenue_totals_agree."""
    kind, _, name = unique_id.split(".", 2)
    if kind == "test":
        name = name.split(".")[0]  # without the digits that tell generic tests apart
    return f"{kind.replace('_', ' ')} {name}"


def is_dye_seed(node: Any) -> bool:
    """Whether a seed is dye or what must come of it, as the macro is_dye_seed has it; its meta.dye goes first."""
    told = (node.config.meta or {}).get("dye")
    if told is not None:
        return bool(told)
    return node.name.startswith(EXPECTED_PREFIX) or INPUT_FOLDER in Path(node.original_file_path).parts[:-1]


def expected_name(name: str) -> str:
    """The name of a model's expected seed, in which no point may be: that of orders.v2 is expected__orders_v2."""
    return EXPECTED_PREFIX + name.replace(".v", "_v")
