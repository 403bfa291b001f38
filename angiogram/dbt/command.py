"""Runs dbt in this process, on the project as it is.

dbt's own environment variables have no effect: one such as DBT_FULL_REFRESH or DBT_EMPTY would make dbt build something
other than a plain `dbt build` does, so that the dye would test what nobody runs. dbt therefore sees none of its own
variables except those that name locations.
"""

import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from angiogram.core.environment import Environment
from angiogram.core.errors import DbtFailed
from angiogram.core.stage_id import OPERATION
from angiogram.dbt.manifest.parts import settings_as_read
from angiogram.dbt.project_file import ProjectPaths
from angiogram.dbt.runner.by_command import is_build, run_command
from angiogram.dbt.runner.events import Heard, result_of
from angiogram.dbt.runner.results import NodeResult, Outcome
from angiogram.dbt.runner.versions import names_of
from ingestion.settings.environ import changed

PLACES = frozenset(
    {
        *("DBT_HOST", "DBT_PROFILE", "DBT_PROFILES_DIR", "DBT_PROJECT_DIR", "DBT_TARGET"),
        *("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_SEND_ANONYMOUS_USAGE_STATS"),
    }
)
"""Variables of dbt that name locations. Profiles read them too. None changes what a build produces."""

_RECORDER = ("MODE", "TYPES", "FILE_PATH")
"""Variables that make dbt answer from a recording."""

PLAIN = ("--no-fail-fast", "--populate-cache", "--no-cache-selected-only", "--no-defer", "--no-favor-state")
"""Options that override the flags of dbt_project.yml, so that everything is really built."""

EAGER = ("--indirect-selection", "eager")
"""A test runs wherever one of the nodes that it reads is selected."""

FROM_TOPIC = "{dye_source: topic}"
"""Variables, as YAML, under which the models read the dye of the active run."""

_GUARDS = ("require_no_run_in_hand", "keep_dye_apart")
"""Macros that stop a build on purpose. What they refuse is not the project's fault."""


def run_dbt(arguments: Sequence[str], manifest: Any = None) -> Outcome:
    """Run one dbt command in this process, or by the command that the environment names.

    dbt's output goes to stderr, because stdout is for the report. Only builds of a parsed project go to a command.

    Args:
        arguments: as on dbt's command line.
        manifest: of the parsed project; None: dbt reads the project.

    Raises:
        KeyboardInterrupt, SystemExit: dbt was told to stop.
        NotReady, UnsupportedProject, DbtFailed: see angiogram.dbt.runner.by_command.run_command.
    """
    program = Environment.from_environment().dbt_command
    if program and manifest is not None and is_build(arguments):
        with as_it_stands():
            return run_command(program, arguments, manifest)
    from dbt.cli.main import dbtRunner  # takes 2 s to import, too slow for `angiogram --help`

    heard = Heard()
    with as_it_stands(), settings_as_read(manifest), _without_repeated_work(), redirect_stdout(sys.stderr):
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
    results = [heard.completed(result_of(found)) for found in getattr(done.result, "results", None) or ()]
    told = {result.unique_id for result in results}
    results += [result for result in heard.ephemeral if result.unique_id not in told]
    return Outcome(done.result, results, done.success, None)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one dbt command reads and writes.

    Attributes:
        project: the project's folder.
        profiles: the folder with profiles.yml.
        parsed: the folder for what dbt parses.
        logs: the folder for dbt's log. None: the same.
    """

    project: Path
    profiles: Path
    parsed: Path
    logs: Path | None = None


def arguments_of(
    command: Sequence[str],
    folders: Folders,
    target: str | None,
    options: Sequence[str] = PLAIN,
    variables: str | None = None,
) -> list[str]:
    """Return the whole command line of a dbt command, which says nothing about it to others.

    Args:
        command: dbt's word for it, with its own options.
        folders: where it reads and writes.
        target: dbt target; None: the profile's default.
        options: that override what dbt_project.yml asks for.
        variables: as YAML; None: those of dbt_project.yml.
    """
    return [
        *("--no-use-colors", "--no-version-check", "--no-write-json", "--no-send-anonymous-usage-stats"),
        *("--log-path", str(folders.logs or folders.parsed), *options, *command),
        *(("--target", target) if target else ()),
        *(() if variables is None else ("--vars", variables)),
        *("--target-path", str(folders.parsed), "--project-dir", str(folders.project)),
        *("--profiles-dir", str(folders.profiles)),
    ]


def run_in_scratch(
    directory: Path,
    command: list[str],
    target: str | None,
    manifest: Any = None,
    variables: str = FROM_TOPIC,
    profiles: Path | None = None,
) -> Any:
    """Run one dbt command that leaves no files in the project, and return its result.

    Without a target, the default target of the profile is used. Without a folder of profiles.yml, it is the one that
    the environment names, or the project's.

    Raises:
        DbtFailed: dbt ended with an error.
    """
    with tempfile.TemporaryDirectory(prefix="dbt-", ignore_cleanup_errors=True) as scratch:
        folders = Folders(directory, profiles or ProjectPaths.of(directory).profiles, Path(scratch))
        options = ("--log-level", "none", "--no-partial-parse", *PLAIN)
        outcome = run_dbt(arguments_of(command, folders, target, options, variables), manifest)
    if outcome.error is not None or outcome.answer is None:
        raise DbtFailed(f"dbt {command[0]} of {directory} failed: {str(outcome.error).strip()}") from outcome.error
    return outcome.answer


@contextmanager
def as_it_stands() -> Iterator[None]:
    """Hide dbt's own variables from dbt, except those that name locations."""
    with changed(dict.fromkeys(_own_variables())):
        yield


@contextmanager
def compiling_all() -> Iterator[None]:
    """Let `dbt compile` continue after a node that it cannot compile.

    Otherwise dbt stops there and leaves its threads behind.
    """
    from dbt.task.compile import CompileTask

    stops = CompileTask.raise_on_first_error
    CompileTask.raise_on_first_error = lambda self: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        CompileTask.raise_on_first_error = stops  # type: ignore[method-assign]


@contextmanager
def seen_as(command: str, full_refresh: bool) -> Iterator[None]:
    """Let Jinja see another command in `flags` than the one that runs."""
    # dbt exports neither function.
    flags: Any = import_module("dbt.flags")
    providers: Any = import_module("dbt.context.providers")
    flags_before, arguments_before = flags.get_flag_obj, providers.args_to_dict

    def flags_now() -> Any:
        seen = flags_before()
        seen.WHICH, seen.FULL_REFRESH = command, full_refresh
        return seen

    def arguments_now(arguments: Any) -> dict[str, Any]:
        return {**arguments_before(arguments), "which": command, "full_refresh": full_refresh}

    flags.get_flag_obj, providers.args_to_dict = flags_now, arguments_now
    try:
        yield
    finally:
        flags.get_flag_obj, providers.args_to_dict = flags_before, arguments_before


def forget_ephemeral(manifest: Any) -> None:
    """Make dbt insert ephemeral models into their readers again.

    dbt does so only once per manifest.
    """
    for node in manifest.nodes.values():
        if node.resource_type != "seed":  # also where none was inserted: a parent may have been a view then
            node.extra_ctes, node.extra_ctes_injected, node._pre_injected_sql = [], False, None


def profile_name() -> str | None:
    """Return the profile that the environment names instead of the project's."""
    return (found := Environment.from_environment()).engine_profile or found.profile


def explain(command: str, directory: object, error: BaseException | None, told_in: object) -> DbtFailed:
    """Return the error for a command that ended before anything was built."""
    from angiogram.core.short_message import in_a_line

    return DbtFailed(
        f"dbt {command} of {directory} failed before anything was built: {in_a_line(str(error)).rstrip('.')}. "
        f"Correct that and retry. The full message is in {told_in}."
    )


@contextmanager
def _without_repeated_work() -> Iterator[None]:
    """Spare dbt work that it repeats in each command of one process.

    That work is two thirds of a run from the seeds. dbt parses the text of each macro again, also of its own 900, and
    has a cache for that, which its own tests use. And for each of its behaviour flags it reads the source files of all
    callers, only to name one of them in its log.
    """
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.tests import disable_test_caching, enable_test_caching, test_caching_enabled

    source, is_cached = BehaviorFlagRendered.__dict__["_default_source"], test_caching_enabled()
    BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt")  # type: ignore[method-assign]
    enable_test_caching()
    try:
        yield
    finally:
        BehaviorFlagRendered._default_source = source  # type: ignore[method-assign]
        if not is_cached:
            disable_test_caching()


def _close_log() -> None:
    """Close dbt's log, which each command opens again and leaves open."""
    log = logging.getLogger("file_log")  # dbt's name for it
    for handler in log.handlers[:]:
        handler.close()
        log.removeHandler(handler)


def _own_variables() -> set[str]:
    """Return the names of dbt's own variables in both spellings, without those for locations."""
    from dbt.cli.params import KNOWN_ENV_VARS

    names = names_of(KNOWN_ENV_VARS)
    names |= {f"DBT_{engine}RECORDER_{part}" for engine in ("", "ENGINE_") for part in _RECORDER}
    return {name for name in names if name.replace("DBT_ENGINE_", "DBT_") not in PLACES}


def _failed_hook(error: BaseException) -> NodeResult | None:
    """Return the hook that dbt was about to run when an error stopped it.

    Such an error does not always name the hook.
    """
    trace = error.__traceback__
    while trace is not None:
        hook = trace.tb_frame.f_locals.get("hook")
        if trace.tb_frame.f_code.co_name == "get_hook_sql" and hook is not None:
            return NodeResult(hook.unique_id, hook.name, OPERATION, "error", str(error).strip(), 0.0)
        trace = trace.tb_next
    return None


def _was_refused(error: BaseException) -> bool:
    """Return whether the error comes from a macro that protects against a harmful build."""
    called = {getattr(macro, "name", None) for macro in getattr(error, "stack", None) or ()}
    return any(name in called or f"in macro {name} (" in str(error) for name in _GUARDS)
