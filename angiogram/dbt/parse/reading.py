"""Reads a dbt project, either whole or without broken files and what depends on them.

Placeholders replace the broken files in a copy, so that dbt reports what depends on them. Those nodes are left out of
the build, and everything else is built and compared.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from angiogram.core.diagnose import OutputState
from angiogram.core.differences import Differences
from angiogram.core.errors import DbtFailed
from angiogram.core.findings import Finding, FindingKind
from angiogram.core.short_message import in_a_line
from angiogram.core.stage import Stage
from angiogram.core.stage_id import EXPECTED, FILE, MODEL, SEED, StageId, loader_stage
from angiogram.dbt.manifest.missing import expected_seeds
from angiogram.dbt.manifest.nodes import absent_nodes, in_words, parents
from angiogram.dbt.manifest.parts import cycles, dependents, leave_out, using_macros
from angiogram.dbt.parse.broken_files import (
    STUB,
    BrokenFile,
    broken_by,
    project_file_problem,
    project_files,
    scan,
)
from angiogram.dbt.parse.project_copy import ProjectCopy, resource_folders
from angiogram.dbt.seeds.dye_seeds import EXPECTED_PREFIX, expected_name
from ingestion.settings.project_file import PROJECT_FILE

_STANDING_IN = "angiogram_stand_ins"
"""Folder of the copy for placeholders of missing models."""

_TRIES = 20
"""Limit of broken or missing parts, one parse each. Beyond it nothing is built."""

_ALL_DEPEND_ON = "macros/differences.sql"
"""The file that every comparison depends on."""

Parse = Callable[[Path], Any]
"""Reads a project's folder whole, from nothing that was parsed before.

Raises:
    DbtFailed: it cannot be read.
"""


@dataclass(slots=True)
class Reading:
    """What was read of a project.

    Attributes:
        manifest: dbt's manifest of what can be built; None if nothing can.
        directory: the folder that dbt builds from: the project's own, or a copy.
        stages: models and seeds that are broken, and those that are not built for that reason.
        findings: broken parts that are not stages.
        left_out: dbt's IDs of what is broken and of what depends on that.
        copy: keeps the copy alive.
    """

    manifest: Any
    directory: Path
    stages: dict[StageId, Stage] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    copy: ProjectCopy | None = None

    @property
    def broken(self) -> list[str]:
        """Return what is broken, in words, or an empty text if nothing is."""
        failed = {stage: found for stage, found in self.stages.items() if found.state is OutputState.FAILED}
        return [f"{stage}: {found.headline}" for stage, found in failed.items()] + [
            f"{found.stage}: {found.text}" for found in self.findings
        ]


def is_whole(manifest: Any) -> bool:
    """Return whether dbt can build everything that it parsed.

    dbt parses only files that changed, and meets problems in the others when it builds.
    """
    return not absent_nodes(manifest) and not cycles(manifest)


def read_parts(directory: Path, error: DbtFailed | None, parse: Parse) -> Reading:
    """Read the readable parts of a project that cannot be read as a whole.

    Args:
        directory: the project's folder.
        error: the error that dbt ended with; None if it succeeded but nodes that others read are missing.
        parse: reads a folder.

    Raises:
        DbtFailed: no file of the project is known to be at fault, so the cause lies outside it.
    """
    if broken := project_file_problem(directory):
        return _nothing(directory, [broken])
    return _Parts(directory, parse).read(error)


class _Parts:
    """The search for broken files."""

    def __init__(self, directory: Path, parse: Parse) -> None:
        self._directory = directory
        self._parse = parse
        self._copy = ProjectCopy(directory)
        self._broken: dict[str, BrokenFile] = {}
        self._missing: set[str] = set()
        """Names of missing models that others read, each with a placeholder."""
        self._models = (resource_folders(directory).get("model") or ["models"])[0]

    def read(self, error: DbtFailed | None) -> Reading:
        for broken in scan(self._directory):
            self._stand_in(broken)
        known = {Path(file).stem for kind, file in project_files(self._directory) if kind not in ("properties", "docs")}
        if error is not None:
            for name in sorted(self._expected() - known):
                self._stand_for(name)
        is_known = error is None or bool(self._broken or self._missing) or self._learn(error)
        for _ in range(_TRIES if is_known else 0):
            try:
                manifest = self._parse(self._copy.directory)
            except DbtFailed as failed:
                error = failed
                if not self._learn(failed):
                    break
                continue
            return self._without_what_is_broken(manifest)
        if error is not None and not self._broken:
            raise error
        return _nothing(self._directory, list(self._broken.values()))

    def _expected(self) -> set[str]:
        """Return the names of models with an expected seed.

        A version goes by the name of its seed's file.
        """
        return set(_expected_models(self._directory))

    def _learn(self, failed: DbtFailed) -> bool:
        """Replace whatever stopped dbt with a placeholder, and return whether that was new."""
        from dbt.exceptions import (
            AmbiguousAliasError,
            DocTargetNotFoundError,
            DuplicateResourceNameError,
            EnvVarMissingError,
            TargetNotFoundError,
        )

        error = failed.__cause__
        if error is None or isinstance(error, EnvVarMissingError):
            return False
        if (
            isinstance(error, TargetNotFoundError)
            and error.target_kind == "node"
            and self._stand_for(error.target_name)
        ):
            return True
        if isinstance(error, DocTargetNotFoundError):
            return self._stand_for_doc(str(error.target_doc_name))
        if isinstance(error, DuplicateResourceNameError | AmbiguousAliasError):
            return self._set_apart(error)
        if _ended_in(error, "load_project"):
            self._broken.setdefault(PROJECT_FILE, BrokenFile(PROJECT_FILE, None, in_a_line(str(error)), "project", ""))
            return False
        broken = broken_by(self._directory, error)
        return broken is not None and self._stand_in(broken)

    def _stand_in(self, broken: BrokenFile) -> bool:
        """Replace a broken file with a placeholder, and return whether that was new."""
        if broken.file in self._broken:
            return False
        self._broken[broken.file] = broken
        self._copy.put(broken.file, broken.stub)
        return True

    def _stand_for_doc(self, name: str) -> bool:
        """Add a placeholder for a missing docs block, and report the files that use it."""
        asking = re.compile(rf"doc\(\s*['\"]{re.escape(name)}['\"]")
        learned = False
        for kind, file in project_files(self._directory):
            text = (self._directory / file).read_text(encoding="utf-8") if kind == "properties" else ""
            if file not in self._broken and (found := asking.search(text)):
                line = text.count("\n", 0, found.start()) + 1
                self._broken[file] = BrokenFile(file, line, f"there is no docs block {name}", "text", "")
                learned = True
        self._copy.put(f"{self._models}/{_STANDING_IN}/{name}.md", f"{{% docs {name} %}}{{% enddocs %}}\n")
        return learned

    def _stand_for(self, name: str) -> bool:
        """Add a placeholder for a missing model, and return whether that was new."""
        if name in self._missing or not name.isidentifier():
            return False
        self._missing.add(name)
        self._copy.put(f"{self._models}/{_STANDING_IN}/{name}.sql", STUB)
        return True

    def _set_apart(self, error: Any) -> bool:
        """Keep one of two conflicting nodes for their readers, and build neither."""
        files = [node.original_file_path for node in (error.node_1, error.node_2)]
        apart = files[0].rsplit("/", 1)[-1] != files[1].rsplit("/", 1)[-1]
        learned = False
        for number, file in enumerate(files):
            kind = "seed" if file.endswith(".csv") else "model"
            text = f"{files[0]} and {files[1]} define the same relation: rename one of them"
            if file in self._broken:
                continue
            self._broken[file] = BrokenFile(file, None, text, kind, "")
            stub = STUB if kind == "model" and (apart or number == 0) else None
            if kind == "model" or number:
                self._copy.put(file, stub)
            learned = True
        return learned

    def _without_what_is_broken(self, manifest: Any) -> Reading:
        manifest.build_parent_and_child_maps()
        at_fault = self._at_fault(manifest)
        blocks = [block for broken in self._broken.values() if broken.kind == "macro" for block in broken.names.items()]
        users = using_macros(manifest, {name for name, kind in blocks if kind in ("macro", "materialization")})
        blind = [file for file in self._broken if file == _ALL_DEPEND_ON]
        if users is None or blind:
            return _nothing(self._directory, list(self._broken.values()))
        in_circles = {unique_id: circle for circle in cycles(manifest) for unique_id in circle}
        described = {
            unique_id: broken
            for broken in self._broken.values()
            if broken.kind == "properties"
            for unique_id, node in manifest.nodes.items()
            if node.resource_type in (MODEL, SEED) and (broken.mentions(node.name) or broken.mentions(node.search_name))
        }
        out = dependents(manifest, {*at_fault, *users, *in_circles, *described})
        stages = {
            StageId(EXPECTED, name): _failed([], broken)
            for unique_id, (name, _) in expected_seeds(manifest).items()
            if (broken := at_fault.get(unique_id)) is not None
        }
        for unique_id in out:
            node = manifest.nodes.get(unique_id)
            if node is None or node.resource_type not in (MODEL, SEED) or node.name.startswith(EXPECTED_PREFIX):
                continue
            stage = StageId(node.resource_type, node.search_name)
            if unique_id in at_fault:
                if (broken := at_fault[unique_id]) is not None:
                    stages[stage] = _failed([], broken)
            elif unique_id in in_circles:
                circle = " → ".join(in_words(other) for other in in_circles[unique_id])
                reason = f"it reads itself: {circle}. Make one of them read something else"
                stages[stage] = Stage(
                    [], OutputState.FAILED, Differences(), None, 0.0, reason, file=node.original_file_path
                )
            else:
                stages[stage] = _not_built(_reads(manifest, unique_id))
        findings = [_finding(broken) for broken in self._broken.values() if not _is_stage(broken)]
        for reader, failed in self._readers_of_nothing(manifest, at_fault):
            if reader.kind in (MODEL, SEED):
                stages[reader] = failed
            else:
                findings.append(Finding(FindingKind.BUILD, reader, failed.headline or "", failed.file, failed.line))
        leave_out(manifest, out)
        return Reading(manifest, self._copy.directory, stages, findings, out, self._copy)

    def _at_fault(self, manifest: Any) -> dict[str, BrokenFile | None]:
        """Return the placeholder nodes with their broken files, or with None for missing nodes."""
        found: dict[str, BrokenFile | None] = {}
        for unique_id, node in manifest.nodes.items():
            if node.original_file_path in self._broken and node.resource_type in (MODEL, SEED):
                found[unique_id] = self._broken[node.original_file_path]
            elif _STANDING_IN in node.original_file_path:
                found[unique_id] = None
        return found

    def _readers_of_nothing(
        self, manifest: Any, at_fault: Mapping[str, BrokenFile | None]
    ) -> Iterator[tuple[StageId, Stage]]:
        """Yield the stages that read a missing node without an expected seed.

        The name of such a node may be mistyped.
        """
        expected = {n.name for n in manifest.nodes.values() if n.resource_type == SEED}
        disabled = {n.name: n for several in manifest.disabled.values() for n in several}
        for unique_id, broken in at_fault.items():
            node = manifest.nodes[unique_id]
            if broken is not None or expected_name(node.name) in expected:
                continue  # the missing model is a stage of its own
            state = "disabled" if node.name in disabled else "missing"
            for reader in manifest.child_map.get(unique_id, []):
                kind = reader.split(".")[0]
                known = manifest.nodes.get(reader) or manifest.exposures.get(reader)
                if known is None or kind in ("test", "unit_test"):
                    continue
                text = f"it reads {node.name}, which is {state}: correct the name, or restore it"
                stage = StageId(kind, getattr(known, "search_name", known.name))
                broken_reader = BrokenFile(
                    known.original_file_path, self._line_of_ref(known.original_file_path, node.name), text, kind, ""
                )
                yield stage, _failed([], broken_reader, text)

    def _line_of_ref(self, file: str, name: str) -> int | None:
        """Return the first line of a file that refers to a node."""
        text = (self._directory / file).read_text(encoding="utf-8", errors="replace")
        found = re.search(rf"ref\([^)]*['\"]{re.escape(name)}['\"]", text)
        return text.count("\n", 0, found.start()) + 1 if found else None


def _nothing(directory: Path, broken: list[BrokenFile]) -> Reading:
    """Return a reading of a project in which nothing can be built.

    The broken files are reported, and all models that files mention count as not built.
    """
    stages: dict[StageId, Stage] = {}
    for found in broken:
        if _is_stage(found):
            name = Path(found.file).stem
            kind = EXPECTED if name.startswith(EXPECTED_PREFIX) else SEED
            stage = StageId(kind, name.removeprefix(EXPECTED_PREFIX)) if found.kind == "seed" else StageId(MODEL, name)
            stages[stage] = _failed([], found)
    for name in _expected_models(directory):
        stages.setdefault(StageId(MODEL, name), _not_built([]))
    return Reading(None, directory, stages, [_finding(found) for found in broken if not _is_stage(found)])


def _expected_models(directory: Path) -> list[str]:
    """Return the names of models with an expected seed, as far as the files show.

    A version goes by the name of its file.
    """
    try:
        seeds = {Path(file).stem for kind, file in project_files(directory) if kind == "seed"}
    except yaml.YAMLError:  # dbt_project.yml names their folder
        seeds = {Path(name).stem for _, _, names in os.walk(directory / "seeds", followlinks=True) for name in names}
    expected = {name.removeprefix(EXPECTED_PREFIX) for name in seeds if name.startswith(EXPECTED_PREFIX)}
    return sorted(expected - seeds)


def _is_stage(broken: BrokenFile) -> bool:
    return broken.kind in ("model", "seed")


def _failed(reads: list[StageId], broken: BrokenFile, reason: str | None = None) -> Stage:
    reason = reason or f"{broken.file} cannot be read: {broken.reason}"
    return Stage(reads, OutputState.FAILED, Differences(), None, 0.0, reason, file=broken.file, line=broken.line)


def _not_built(reads: list[StageId]) -> Stage:
    return Stage(reads, OutputState.NOT_BUILT, Differences(), None, 0.0)


def _finding(broken: BrokenFile) -> Finding:
    text = f"{broken.file} cannot be read: {broken.reason}"
    return Finding(FindingKind.BUILD, StageId(FILE, broken.file), text, broken.file, broken.line)


def _reads(manifest: Any, unique_id: str) -> list[StageId]:
    if unique_id.split(".")[0] == SEED:
        return []
    reads = []
    for parent in parents(manifest, unique_id):
        kind = parent.split(".")[0]
        if kind == "source":
            reads.append(loader_stage())
        elif parent in manifest.nodes:
            reads.append(StageId(kind, manifest.nodes[parent].search_name))
    return reads


def _ended_in(error: BaseException, function: str) -> bool:
    """Return whether an error was raised within one of dbt's functions."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == function:
            return True
        trace = trace.tb_next
    return False
