"""The dbt project that the dye passes through, parsed once and built in this process."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from angiogram.core.errors import DbtFailed, InvalidSettings, NotReady, UnsupportedProject
from angiogram.core.stage_id import SEED, StageId
from angiogram.dbt.command import EAGER, FROM_TOPIC, PLAIN, Folders, arguments_of, explain, forget_ephemeral, run_dbt
from angiogram.dbt.manifest.missing import Missing, expected_seeds, missing_models
from angiogram.dbt.manifest.nodes import (
    Node,
    is_ephemeral,
    read_nodes,
    watched_ephemeral,
)
from angiogram.dbt.manifest.part import EVERYTHING, Part, selecting
from angiogram.dbt.manifest.parts import leave_out
from angiogram.dbt.manifest.seed_files import waiting_seeds
from angiogram.dbt.package.installing import install, is_complete
from angiogram.dbt.package.own_hooks import own_hooks_aside
from angiogram.dbt.parse.reading import Reading, is_whole, read_parts
from angiogram.dbt.pipeline_settings import DeclaredSettings
from angiogram.dbt.project_file import (
    DYE_SOURCES,
    ProjectPaths,
    dye_target,
    dye_targets,
    install_packages_command,
    project_variables,
)
from angiogram.dbt.runner.results import Outcome
from angiogram.dbt.seeds.dye_seeds import expected_name
from angiogram.dbt.seeds.file_journal import settle
from angiogram.dbt.seeds.recorded import Recorded
from ingestion.settings.project_file import PROJECT_FILE
from ingestion.settings.settings_file import SETTINGS_FILE, SettingsFile

# With dye_batches set, a build does not rebuild models from nothing, so the incremental ones grow. No batch is hidden
# here: the input seeds are filled batch by batch.
_VARS = {"topic": FROM_TOPIC, "seeds": "{dye_source: seeds, dye_batches: 1000000}"}

_USUAL = (*PLAIN, *EAGER)

_APART = ("--no-fail-fast", "--no-populate-cache", "--no-defer", "--no-favor-state", "--indirect-selection", "empty")
"""Options of a command that contacts no server."""

_ALL_BUT_SEEDS = tuple(f"resource_type:{kind}" for kind in ("model", "snapshot", "test", "unit_test"))
"""The selection of `--exclude resource_type:seed`, plus the tests that read a seed."""

_KINDS = ("--resource-type", "model")
_FIRST_BATCH = ("--select", "resource_type:seed", "+config.materialized:incremental")


class Project:
    """A dbt project under a dye target.

    Attributes:
        directory: its folder.
        target: the dye target.
        settings: what its angiogram.yml declares.
        paths: the project's folder, and where its profiles, log and parsed files are.
        dye_source: where the models read the dye: from the active run (topic), or straight from the input seeds.
        dbt_vars: the variables passed to dbt, as YAML.
        part: the part of it that a selected run builds. None: all is built.
    """

    def __init__(
        self,
        directory: Path | ProjectPaths | None = None,
        verbose: bool = False,
        tests: bool = True,
        dye_source: Literal["topic", "seeds"] = "topic",
        target: str | None = None,
    ) -> None:
        """Locate the project. Nothing is parsed yet.

        Args:
            directory: the project's folder, or all its paths where they are not those that the environment names; by
                default the folder that `project_directory` finds.
            verbose: show dbt's own output on stderr; otherwise it goes only to dbt's log.
            tests: run dbt's tests too. The verdict does not need them: it compares the tables itself.
            dye_source: where the models read the dye: from the active run, or straight from the input seeds.
            target: a dye target of the project; the first by default.

        Raises:
            UnsupportedProject: there is no dbt project, or the target is not a dye target.
            NotReady: its packages are not installed.
            InvalidSettings: its angiogram.yml cannot be used.
            SeedNotWritten: files that a killed command started to write cannot be completed.
        """
        self.paths = directory if isinstance(directory, ProjectPaths) else ProjectPaths.of(directory)
        self.directory = self.paths.folder
        self.dye_source = dye_source
        self.dbt_vars = _VARS[dye_source]
        self._verbose = verbose
        self._tests = tests
        self.part: Part | None = None
        if not (self.directory / PROJECT_FILE).is_file():
            raise UnsupportedProject(
                f"{self.directory} contains no dbt_project.yml. Set DBT_PROJECT_DIR to a dbt project."
            )
        install(self.directory)
        if not is_complete(self.directory):
            raise NotReady(
                f"The dbt packages of {self.directory} are not installed. Run "
                f"`{install_packages_command(self.directory)}`."
            )
        settle(self.directory)
        self.settings = DeclaredSettings.read(self.directory)
        self.target = dye_target(self.directory, target)
        if self.settings.live_target in dye_targets(self.directory):
            raise InvalidSettings(
                f"{self.directory / SETTINGS_FILE} names {self.settings.live_target} as live_target, which is a dye "
                "target. Name the target whose tables people read."
            )
        # What dbt parsed under one target, or with one variable, cannot be used with another.
        is_usual = self.target == dye_target(self.directory)
        self.target_directory = self.paths.parsed if is_usual else self.paths.parsed / self.target
        if dye_source == "seeds":
            self.target_directory /= "from_seeds"

    @cached_property
    def reading(self) -> Reading:
        """Return what can be read of the project. It is read on first use.

        Raises:
            DbtFailed: nothing can be read, and no file of the project is known to be at fault.
        """
        try:
            manifest = self._invoke(["parse"], None).answer
        except DbtFailed as error:
            return read_parts(self.directory, error, self._parse_anew)
        if not is_whole(manifest):
            return read_parts(self.directory, None, self._parse_anew)
        return Reading(manifest, self.directory)

    def _parse_anew(self, directory: Path) -> Any:
        return self._invoke(["--no-partial-parse", "parse"], None, directory=directory).answer

    @cached_property
    def manifest(self) -> Any:
        """Return dbt's manifest of all that can be built, which may be empty."""
        from dbt.contracts.graph.manifest import Manifest

        return self.reading.manifest or Manifest()

    @property
    def adapter(self) -> str:
        """Return dbt's name of the engine of the dye target."""
        return str(self.manifest.metadata.adapter_type)

    @property
    def can_be_built(self) -> bool:
        """Return whether dbt can build any part of the project."""
        return self.reading.manifest is not None

    def require_whole(self) -> None:
        """Require that nothing in the project is broken.

        Raises:
            DbtFailed: something is broken; the message names it.
        """
        if broken := self.reading.broken:
            raise DbtFailed(f"dbt cannot build all of {self.directory}: {'; '.join(broken)}.")

    def manifest_under(self, target: str) -> Any:
        """Return dbt's manifest of the project under another target of the profile.

        The target's server need not be reachable.

        Raises:
            DbtFailed: the project cannot be read under that target.
        """
        manifest = self._invoke(["parse"], None, target, directory=self.reading.directory).answer
        if self.reading.left_out:
            leave_out(manifest, self.reading.left_out)
        return manifest

    def parse(self) -> None:
        """Read the project now instead of on first use.

        Raises:
            DbtFailed: nothing of it can be read, and no file of it is known to be at fault.
            UnsupportedProject: a model is not SQL, or reads something other than a source, seed or model.
        """
        _ = self.nodes

    def build_first_batch(self) -> Outcome:
        """Load all seeds, then build incremental models and snapshots, and what they need.

        Tests run only after the whole build.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        more = ("+resource_type:snapshot", "--resource-type", "snapshot") if self._has_snapshots else ()
        return self.invoke(["build", *_FIRST_BATCH, *more, "--resource-type", "seed", *_KINDS])

    @cached_property
    def _has_snapshots(self) -> bool:
        return any(node.resource_type == "snapshot" for node in self.manifest.nodes.values())

    def build_all(self) -> Outcome:
        """Build and test everything on top of the loaded seeds.

        Tests that read a seed are left out.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        exclude = ("--exclude", "resource_type:seed", *(() if self._tests else ("resource_type:test",)))
        return self.invoke(["build", *EVERYTHING, *exclude])

    def build_with_equality(self, select: Sequence[str] = ()) -> Outcome:
        """Build and test the project or a part of it, with tests that read an expected seed.

        Args:
            select: the part to build, in dbt's selector syntax; everything except the seeds if empty.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        return self.invoke(["build", "--select", *(select or _ALL_BUT_SEEDS)])

    def load_seeds(self) -> Outcome:
        """Load all seeds again, or those of the part.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        with own_hooks_aside(self.manifest), selecting(self.manifest, self.part, seeds=True) as select:
            return self.invoke(["seed", "--full-refresh", *select])

    def run_models(self, anew: bool) -> Outcome:
        """Run all models or those of the part, and take the snapshots between them.

        Args:
            anew: rebuild the incremental ones from nothing.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        again = ["--full-refresh"] if anew else []
        with own_hooks_aside(self.manifest), selecting(self.manifest, self.part) as select:
            if self._has_snapshots:
                return self.invoke(["build", *again, *select, *_KINDS, "--resource-type", "snapshot"])
            return self.invoke(["run", *again, *select])

    def invoke(self, command: list[str]) -> Outcome:
        """Run any dbt command in this process, or nothing if dbt can build no part of the project.

        Raises:
            DbtFailed: dbt ended before it built anything.
        """
        return self._invoke(command, self.manifest) if self.can_be_built else Outcome(None, [], True, None)

    def node_of(self, unique_id: str) -> Node | None:
        """Return the model or seed with one of dbt's IDs, or None for anything else."""
        node = self.manifest.nodes.get(unique_id)
        return self.nodes.get(node.search_name) if node is not None else None

    @cached_property
    def shown_ephemeral(self) -> set[str]:
        """Return the result of the function `watched_ephemeral`."""
        return watched_ephemeral(self.manifest)

    @cached_property
    def inlined_models(self) -> set[str]:
        """Return the names of ephemeral models that nothing is compared with.

        They are only a part of their readers.
        """
        models = self.manifest.nodes.values()
        return {n.search_name for n in models if is_ephemeral(n) and n.unique_id not in self.shown_ephemeral}

    def expected_seed(self, model: str) -> Any:
        """Return dbt's node of a model's expected seed, which must exist."""
        seeds = (n for n in self.manifest.nodes.values() if n.resource_type == "seed")
        return next(n for n in seeds if n.name == expected_name(model))

    def compile(self, command: list[str], manifest: Any = None, other_target: str | None = None) -> Outcome:
        """Run one dbt command that compiles nodes without contacting a server, and builds nothing.

        Args:
            command: of dbt.
            manifest: of the project under the other target.
            other_target: compile under this target; None: under the dye target.

        Raises:
            DbtFailed: dbt ended before it compiled anything.
        """
        return self._invoke(command, manifest if other_target else self.manifest, other_target, _APART)

    def _invoke(
        self,
        command: list[str],
        manifest: Any,
        other_target: str | None = None,
        options: Sequence[str] = _USUAL,
        directory: Path | None = None,
    ) -> Outcome:
        """Run one dbt command in this process. Under another target it runs without the dye."""
        directory = directory or (self.directory if manifest is None else self.reading.directory)
        target, dbt_vars, target_path = self.target, self.dbt_vars, self.target_directory
        parsed = self.paths.parsed if directory == self.directory else directory / "target_angiogram"
        if directory != self.directory:
            target_path = parsed
        if other_target:
            target, dbt_vars, target_path = other_target, "{}", parsed / "other_targets" / other_target
        if directory == self.directory:
            self.paths.keep_parsed_out_of_git()
        levels = ("--log-level", "info" if self._verbose else "none", "--log-level-file", "info")
        folders = Folders(directory, self.paths.profiles, target_path, self.paths.logs)
        arguments = arguments_of(command, folders, target, (*levels, *options), dbt_vars)
        if manifest is not None:
            forget_ephemeral(manifest)
        outcome = run_dbt(arguments, manifest)
        if outcome.error is not None:
            told_in = self.paths.logs / "dbt.log"
            raise explain(command[0], self.directory, outcome.error, told_in) from outcome.error
        return outcome

    @property
    def profiles_directory(self) -> str:
        """The folder with profiles.yml."""
        return str(self.paths.profiles)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Return the models by name, and the seeds that they read.

        Raises:
            DbtFailed: the project cannot be read.
            UnsupportedProject: a model reads something other than a source, seed or model.
        InvalidRecord: the list of recorded seeds cannot be read.
        """
        declared = self.settings.declared_expectations(SettingsFile.of(self.directory))
        columns = self._run_dependent_columns()
        return read_nodes(self.manifest, columns, self.target, self.waiting_seeds, declared)

    @cached_property
    def waiting_seeds(self) -> set[str]:
        """Return the result of the function `waiting_seeds`."""
        return waiting_seeds(self.manifest, Recorded.read(self.directory))

    def passes(self, node: Node) -> bool:
        """Return whether a run passes a model or seed: all, or those of the part."""
        return self.part is None or node.unique_id in (self.part.read if node.is_seed else self.part.built)

    @cached_property
    def missing_models(self) -> dict[str, Missing]:
        """Return the missing models by name (see the function `missing_models`).

        Models that are known to be broken, or not built for that reason, are left out.
        """
        known = {stage.name for stage in self.reading.stages}
        return {name: missing for name, missing in missing_models(self.manifest).items() if name not in known}

    @cached_property
    def expected_seeds(self) -> dict[str, tuple[str, str]]:
        """Return the result of the function `expected_seeds`."""
        return expected_seeds(self.manifest)

    def max_seconds(self, stage: StageId) -> float | None:
        """Return how long a stage may take before the verdict warns, or None for no limit.

        Args:
            stage: which; the variable names it as text, a stage before dbt by its kind alone, a seed by its name alone.
        """
        limits: dict[str, float] = self._variables.get("max_seconds") or {}
        short = stage.name if stage.kind == SEED else stage.kind
        return limits.get(str(stage), limits.get(short, limits.get("default")))

    def _run_dependent_columns(self) -> list[str]:
        """Return the columns that no comparison looks at."""
        return list(self._variables.get("run_dependent_columns") or [])

    @property
    def stand_ins(self) -> set[str]:
        """Return the names of the seeds that stand in for sources, by the variable dye_sources."""
        return set((self._variables.get(DYE_SOURCES) or {}).values())

    @cached_property
    def _variables(self) -> dict[str, Any]:
        return project_variables(self.directory)
