"""One `dbt build` in this process, and the result of each model."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowException

from manifests import PROJECT, manifest

Outcome = dict[str, Any]
"""Result of one model as JSON: `status`, `message`, and failed `tests`, each with `name` and `message`."""

_BUILT = "success"
_FAILED = ("error", "fail", "partial success")


def dbt_build(target: str, select: Sequence[str], dbt_vars: dict[str, str]) -> list[Any]:
    """Build and test a part of the project.

    Args:
        target: dbt target.
        select: what is built, in dbt's selector syntax; everything if empty.
        dbt_vars: variables of the dbt project.

    Returns:
        dbt's result of each node.

    Raises:
        AirflowException: dbt ended before it built anything; the message says why.
    """
    from dbt.cli.main import dbtRunner  # slow to import, and not needed to read a DAG file

    with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
        parsed = manifest(target).with_name("partial_parse.msgpack")
        if parsed.exists():  # so dbt parses only what has changed
            shutil.copy(parsed, folder)
        outcome = dbtRunner().invoke(
            [
                *("--no-use-colors", "--no-version-check", "--no-send-anonymous-usage-stats", "--log-path", folder),
                *("build", "--target", target, "--vars", json.dumps(dbt_vars), "--target-path", folder),
                *("--project-dir", str(PROJECT), "--profiles-dir", os.environ.get("DBT_PROFILES_DIR") or str(PROJECT)),
                *(("--select", *select) if select else ()),
            ]
        )
    if outcome.exception is not None and not isinstance(outcome.exception, Exception):
        raise outcome.exception  # Airflow is ending this task
    if outcome.exception is not None or outcome.result is None:
        raise AirflowException(f"dbt ended before it built anything: {outcome.exception}") from outcome.exception
    return list(outcome.result.results)


def outcomes(results: Sequence[Any], models: Iterable[str], ephemeral: set[str]) -> dict[str, Outcome]:
    """Results of the models that dbt built or skipped, by model id.

    Args:
        results: dbt's results.
        models: ids of the models wanted.
        ephemeral: ids of the models without a table, of which dbt reports no result.
    """
    wanted = set(models)
    found: dict[str, Outcome] = {
        result.node.unique_id: {"status": str(result.status), "message": result.message, "tests": []}
        for result in results
        if result.node.unique_id in wanted
    }
    found |= {model: {"status": _BUILT, "message": None, "tests": []} for model in wanted & ephemeral}
    for test in _failed_tests(results):
        for model in found.keys() & set(test.node.depends_on.nodes):
            found[model]["tests"].append({"name": test.node.name, "message": test.message})
    return found


def failed_elsewhere(results: Sequence[Any], models: Iterable[str]) -> list[str]:
    """Failures that are neither a model's nor a model's test's: seeds, hooks and the like, each with its message."""
    wanted = set(models)
    of_models = {test.node.unique_id for test in _failed_tests(results) if wanted & set(test.node.depends_on.nodes)}
    return [
        f"{result.node.resource_type} {result.node.name}: {result.message}"
        for result in results
        if str(result.status) in _FAILED and result.node.unique_id not in wanted | of_models
    ]


def why_not_right(outcome: Outcome | None) -> str | None:
    """Why a model's task fails; None if the model was built and none of its tests failed."""
    if outcome is None:
        return "dbt did not build the model: it is disabled, or no longer part of the project"
    if outcome["status"] != _BUILT:
        return f"{outcome['status']}: {outcome['message'] or 'a model that it reads, or a test of one, failed'}"
    return "; ".join(f"test {test['name']}: {test['message']}" for test in outcome["tests"]) or None


def _failed_tests(results: Sequence[Any]) -> list[Any]:
    return [one for one in results if one.node.resource_type in ("test", "unit_test") and str(one.status) in _FAILED]
