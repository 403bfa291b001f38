"""Builds the live target, and reports what dbt built, model by model."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from manifests import manifest
from project_settings import PROFILES, PROJECT

if TYPE_CHECKING:  # slow to import, and not needed to read a DAG file
    from angiogram.dbt.runner.results import NodeResult, Outcome

Report = dict[str, Any]
"""Result of one model as JSON: `status`, `message`, and failed `tests`, each with `name` and `message`."""

_BUILT = "success"
_WARNED = "warn"
_TESTS = ("test", "unit_test")


@dataclass(frozen=True, slots=True)
class Build:
    """One build by dbt.

    Attributes:
        outcome: what it did.
        manifest: dbt's manifest of the project that it built.
    """

    outcome: "Outcome"
    manifest: Any


@contextmanager
def dbt_words() -> Iterator[None]:
    """Print dbt's output as ordinary lines of the task's log.

    Airflow takes everything on stderr for an error.
    """
    with redirect_stderr(sys.stdout):
        yield


def dbt_build(target: str, select: Sequence[str] = ()) -> Build:
    """Build and test the project or a part of it, whatever dbt's variables or flags ask for.

    Args:
        target: dbt target.
        select: what is built, in dbt's selector syntax; everything if empty.

    Raises:
        AirflowException: dbt ended before it built anything; the message says why.
    """
    from angiogram.dbt.command import EAGER, PLAIN, Folders, arguments_of, run_dbt
    from angiogram.dbt.manifest.part import EVERYTHING

    with tempfile.TemporaryDirectory(prefix="dbt-") as folder, dbt_words():
        parsed = manifest(target).with_name("partial_parse.msgpack")
        if parsed.exists():  # so dbt parses only what has changed
            shutil.copy(parsed, folder)
        folders = Folders(PROJECT, PROFILES, Path(folder))

        def run(command: Sequence[str], known: Any = None) -> "Outcome":
            return run_dbt(arguments_of(command, folders, target, (*PLAIN, *EAGER)), known)

        chosen = ("--select", *select) if select else EVERYTHING
        project = run(["parse"])
        outcome = project if project.error else run(["build", *chosen], project.answer)
    if outcome.error is not None:
        raise AirflowException(f"dbt ended before it built anything: {outcome.error}") from outcome.error
    return Build(outcome, project.answer)


def reports(build: Build, models: Iterable[str], ephemeral: set[str]) -> dict[str, Report]:
    """Return the results of the models that dbt built or skipped, by model ID.

    Args:
        build: what dbt did.
        models: IDs of the models wanted.
        ephemeral: IDs of the models without a table, which dbt builds into their readers.
    """
    from angiogram.dbt.manifest.lookup import read_by_test

    wanted = set(models)
    found: dict[str, Report] = {
        result.unique_id: {"status": result.status, "message": result.message, "tests": []}
        for result in build.outcome.results
        if result.unique_id in wanted
    }
    told_of = wanted & ephemeral - found.keys()
    found |= {model: {"status": _BUILT, "message": None, "tests": []} for model in told_of}
    for test in _failed(build):
        if test.kind in _TESTS:
            for model in found.keys() & read_by_test(build.manifest, test.unique_id):
                found[model]["tests"].append({"name": test.name, "message": test.message})
    return found


def failed_elsewhere(build: Build, models: Iterable[str]) -> list[str]:
    """Return failures that belong neither to a model nor to a test of a model.

    These are seeds, hooks, and an error exit of dbt without a reason.
    """
    from angiogram.dbt.manifest.lookup import read_by_test

    wanted = set(models)
    failed = _failed(build)
    found = [
        f"{result.kind} {result.name}: {result.message}"
        for result in failed
        if result.unique_id not in wanted
        and not (result.kind in _TESTS and wanted & read_by_test(build.manifest, result.unique_id))
    ]
    if not build.outcome.success and not failed:
        found.append("dbt exited with an error that none of its nodes explains; it is in this log")
    return found


def in_words(build: Build) -> Iterator[str]:
    """Yield a line for each node that failed or warned, and one that counts nodes by status.

    They go to the task's log: the last lines that dbt prints may arrive behind its end, which Airflow folds.
    """
    results = build.outcome.results
    for result in results:
        if result.is_failure or result.status == _WARNED:
            yield f"{result.kind} {result.name}: {result.status}: {result.message or 'dbt gives no reason'}"
    counts = Counter(result.status for result in results)
    yield f"dbt built {len(results)} nodes: {', '.join(f'{count} {status}' for status, count in counts.items())}"


def why_not_right(report: Report | None) -> str | None:
    """Return why a model's task fails, or None if it was built and all its tests passed."""
    if report is None:
        return "dbt did not build the model: it is broken, disabled, or no longer part of the project"
    if report["status"] != _BUILT:
        return f"{report['status']}: {report['message'] or 'a model that it reads, or a test of one, failed'}"
    return "; ".join(f"test {test['name']}: {test['message']}" for test in report["tests"]) or None


def _failed(build: Build) -> "list[NodeResult]":
    return [result for result in build.outcome.results if result.is_failure]
