"""How dbt is run: in this process, on the project as it stands, whatever the environment or its flags ask of dbt.

A variable such as DBT_FULL_REFRESH or DBT_EMPTY makes dbt build something else than a plain `dbt build` does, and the
dye would pass what nobody runs. So dbt sees none of its own variables but those that say where things are.
"""

import logging
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from angiogram.core.environment import Environment
from angiogram.core.errors import DbtFailed

PLACES = frozenset(
    {
        *("DBT_HOST", "DBT_PROFILE", "DBT_PROFILES_DIR", "DBT_PROJECT_DIR", "DBT_TARGET"),
        *("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_SEND_ANONYMOUS_USAGE_STATS"),
    }
)
"""Variables of dbt that say where things are; profiles read them, too. None changes what a build makes."""

_RECORDER = ("MODE", "TYPES", "FILE_PATH")
"""dbt answers from a recording if these say so."""

PLAIN = ("--no-fail-fast", "--populate-cache", "--no-cache-selected-only", "--no-defer", "--no-favor-state")
"""Options that outweigh the flags of dbt_project.yml: all is built, and nothing stands for it."""

EAGER = ("--indirect-selection", "eager")
"""A test runs wherever one of the nodes that it reads is selected."""

EVERYTHING = ("--select", "fqn:*")
"""Selects everything, whatever selector the project names as its default."""

SUCCESS = frozenset({"success", "pass", "warn"})
"""dbt's words for what is well: of a model, a test, and a test that only warns."""

SKIPPED = "skipped"
"""dbt's word for a node that it did not try, since one that it reads failed."""

NO_OP = "no-op"
BUILT = frozenset({"model", "seed", "snapshot"})
"""dbt's words for what it builds."""

OPERATION = "operation"
"""dbt's word for a hook that runs at the start or the end of a command."""

_GUARDS = ("require_no_run_in_hand", "keep_dye_apart")
"""Macros that end a build on purpose: what they refuse is no fault of the project."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one node in one dbt command.

    Attributes:
        unique_id: dbt's id of the node.
        name: its name.
        kind: dbt's word for what it is: model, seed, test, operation and the like.
        status: dbt's word for how it fared.
        message: in words, as dbt has it.
        seconds: how long it took.
    """

    unique_id: str
    name: str
    kind: str
    status: str
    message: str | None
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether dbt has nothing to say against it; of an exposure and the like there is nothing to build."""
        return self.status in SUCCESS or (self.status == NO_OP and self.kind not in BUILT)

    @property
    def is_failure(self) -> bool:
        """Whether dbt tried it and has something to say against it."""
        return not self.is_success and self.status != SKIPPED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one dbt command did.

    Attributes:
        answer: as dbt gave it: the manifest of a parse, the results of a build; None if it ended with an error.
        results: what became of each node, the hooks included, and ephemeral models, of which dbt only tells.
        success: whether dbt would have exited with 0.
        error: what ended it before its end; None if it went through, or if a hook ended it, which has a result then.
    """

    answer: Any
    results: list[NodeResult]
    success: bool
    error: BaseException | None

    @property
    def is_unexplained(self) -> bool:
        """Whether dbt would have exited with an error although it has nothing to say against any node."""
        return not self.success and all(result.is_success for result in self.results)


def run_dbt(arguments: Sequence[str], manifest: Any = None) -> Outcome:
    """Run one dbt command in this process. What it prints goes to stderr: stdout is for the report.

    Args:
        arguments: as on dbt's command line.
        manifest: of the parsed project; None: dbt reads it.

    Raises:
        KeyboardInterrupt, SystemExit: dbt was told to end.
    """
    from dbt.cli.main import dbtRunner  # 2 s to import: not for `angiogram --help`

    heard = _Heard()
    with as_it_stands(), redirect_stdout(sys.stderr):
        try:
            done = dbtRunner(manifest=manifest, callbacks=[heard]).invoke(list(arguments))
        finally:
            _close_log()
    error = done.exception
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    if error is not None:
        hook = _failed_hook(error)
        ended_by_hook = hook is not None and not _was_refused(error)
        return Outcome(None, heard.finished + ([hook] if hook else []), False, None if ended_by_hook else error)
    results = [heard.completed(_result(found)) for found in getattr(done.result, "results", None) or ()]
    told = {result.unique_id for result in results}
    results += [result for result in heard.ephemeral if result.unique_id not in told]
    return Outcome(done.result, results, done.success, None)


@contextmanager
def as_it_stands() -> Iterator[None]:
    """Hide dbt's own variables from it, but for those that say where things are."""
    hidden = {name: os.environ.pop(name) for name in _own_variables() if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def compiling_all() -> Iterator[None]:
    """Let `dbt compile` go on after a node that it cannot compile; else it ends there and leaves its threads behind."""
    from dbt.task.compile import CompileTask

    stops = CompileTask.raise_on_first_error
    CompileTask.raise_on_first_error = lambda self: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        CompileTask.raise_on_first_error = stops  # type: ignore[method-assign]


def forget_ephemeral(manifest: Any) -> None:
    """Let dbt put ephemeral models into their readers anew: once done, it leaves them out with that manifest."""
    for node in manifest.nodes.values():
        if node.resource_type != "seed":  # also where none was put in: a parent may have been a view then
            node.extra_ctes, node.extra_ctes_injected, node._pre_injected_sql = [], False, None


@contextmanager
def as_views(manifest: Any, unique_ids: Collection[str]) -> Iterator[None]:
    """Let dbt compile some ephemeral models as if they were views: their readers name them, in place of their SQL."""
    forget_ephemeral(manifest)
    for unique_id in unique_ids:
        manifest.nodes[unique_id].config.materialized = "view"
    try:
        yield
    finally:
        for unique_id in unique_ids:
            manifest.nodes[unique_id].config.materialized = "ephemeral"
        forget_ephemeral(manifest)


def profile_name() -> str | None:
    """The profile that the environment names in place of the project's."""
    return (found := Environment.from_environment()).engine_profile or found.profile


def explain(command: str, directory: object, error: BaseException | None, told_in: object) -> DbtFailed:
    """The error of a command that ended before anything was built."""
    from angiogram.core.in_a_line import in_a_line

    return DbtFailed(
        f"dbt {command} of {directory} ended before anything was built: {in_a_line(str(error)).rstrip('.')}. "
        f"Correct it, then run again. dbt's whole message is in {told_in}."
    )


def _close_log() -> None:
    """Close dbt's log: each command opens it anew, and leaves it open."""
    log = logging.getLogger("file_log")  # dbt's name for it
    for handler in log.handlers[:]:
        handler.close()
        log.removeHandler(handler)


def _own_variables() -> set[str]:
    """Names of the variables that dbt itself reads, in both of their spellings, without those of places."""
    from dbt.cli.params import KNOWN_ENV_VARS

    names = {name for known in KNOWN_ENV_VARS for name in (known.name, known.old_name) if name}
    names |= {f"DBT_{engine}RECORDER_{part}" for engine in ("", "ENGINE_") for part in _RECORDER}
    return {name for name in names if name.replace("DBT_ENGINE_", "DBT_") not in PLACES}


class _Heard:
    """What dbt tells while it works, and not in its results."""

    def __init__(self) -> None:
        self.finished: list[NodeResult] = []
        self.ephemeral: list[NodeResult] = []
        self._errors: dict[str, list[str]] = {}

    def __call__(self, event: Any) -> None:
        if event.info.name == "NodeFinished":
            node, result = event.data.node_info, event.data.run_result
            finished = NodeResult(
                node.unique_id,
                node.node_name,
                node.resource_type,
                result.status,
                result.message or None,
                result.execution_time,
            )
            self.finished.append(finished)
            if node.materialized == "ephemeral":
                self.ephemeral.append(finished)
        elif event.info.name == "GenericExceptionOnRun":
            told = event.data.exc.removeprefix("Exception on worker thread. ")
            self._errors.setdefault(event.data.node_info.unique_id, []).append(told)

    def completed(self, result: NodeResult) -> NodeResult:
        """A result with the errors of its microbatches, which dbt's own message only counts."""
        errors = [told for told in self._errors.get(result.unique_id, []) if told not in (result.message or "")]
        if result.is_success or not errors:
            return result
        message = f"{result.message}: {errors[0]}" if result.message else errors[0]
        return NodeResult(result.unique_id, result.name, result.kind, result.status, message, result.seconds)


def _result(found: Any) -> NodeResult:
    node, kind = found.node, str(found.node.resource_type)
    message = None if found.message is None else str(found.message)
    if kind == OPERATION and message:
        message = message.replace(" failed, error:\n", " failed:", 1)  # the line after that is what happened
    return NodeResult(node.unique_id, node.name, kind, str(found.status), message, found.execution_time)


def _failed_hook(error: BaseException) -> NodeResult | None:
    """The hook that dbt was about to run when an error ended it: such an error does not always name the hook."""
    trace = error.__traceback__
    while trace is not None:
        hook = trace.tb_frame.f_locals.get("hook")
        if trace.tb_frame.f_code.co_name == "get_hook_sql" and hook is not None:
            return NodeResult(hook.unique_id, hook.name, OPERATION, "error", str(error).strip(), 0.0)
        trace = trace.tb_next
    return None


def _was_refused(error: BaseException) -> bool:
    """Whether one of the macros that keep a build from harm ended it."""
    called = {getattr(macro, "name", None) for macro in getattr(error, "stack", None) or ()}
    return any(name in called or f"in macro {name} (" in str(error) for name in _GUARDS)
