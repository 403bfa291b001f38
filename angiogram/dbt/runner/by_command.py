"""Builds by a dbt command instead of the library, and reads what it did from its artifacts.

So models are built by a dbt that has no library for Python. The library still reads and compiles the project.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from angiogram.core.errors import DbtFailed, NotReady, UnsupportedProject
from angiogram.dbt.manifest.lookup import all_nodes, node_if_known
from angiogram.dbt.manifest.part import TAG
from angiogram.dbt.runner.results import NodeResult, Outcome

_BUILDING = frozenset({"seed", "run", "build"})
_COMMANDS = _BUILDING | {"parse", "list", "compile", "test", "snapshot", "show", "docs"}
"""dbt's words for its commands."""

RUN_RESULTS = "run_results.json"
"""dbt's name of the file with its results."""

_TOLD = 20
"""Lines of the command's output that an error repeats."""


def is_build(arguments: Sequence[str]) -> bool:
    """Return whether a command line of dbt is one that builds."""
    return next((word for word in arguments if word in _COMMANDS), None) in _BUILDING


def run_command(program: str, arguments: Sequence[str], manifest: Any) -> Outcome:
    """Run a build of a parsed project by a command.

    Args:
        program: the command, with options of its own if it needs some.
        arguments: as for the library.
        manifest: of the parsed project, from which nodes are selected by a tag.

    Raises:
        NotReady: there is no such command.
        UnsupportedProject: this process has the database open.
        DbtFailed: it ended without results.
    """
    if manifest.metadata.adapter_type == "duckdb":
        raise UnsupportedProject(
            f"{program} cannot build in a DuckDB file that this command has open. Unset ANGIOGRAM_DBT_COMMAND."
        )
    results = Path(_value(arguments, "--target-path")) / RUN_RESULTS
    results.unlink(missing_ok=True)
    words = [*shlex.split(program), *_without_tags(arguments, manifest)]
    try:
        # The command is the user's own choice, and no shell reads it.
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise NotReady(f"ANGIOGRAM_DBT_COMMAND names {program}, which cannot be started: {error}.") from error
    if _value(arguments, "--log-level") != "none":
        sys.stderr.write(done.stdout)
    if not results.is_file():
        last = "\n".join(done.stdout.splitlines()[-_TOLD:])
        raise DbtFailed(f"{program} ended with code {done.returncode} and left no {RUN_RESULTS}:\n{last}")
    told = json.loads(results.read_text(encoding="utf-8"))["results"]
    return Outcome(None, [_result(found, manifest) for found in told], done.returncode == 0, None)


def _without_tags(arguments: Sequence[str], manifest: Any) -> Iterator[str]:
    """Yield the arguments so that they mean the same without the manifest of this process."""
    for argument in arguments:
        if argument == f"tag:{TAG}":
            tagged = [node for node in all_nodes(manifest) if TAG in node.tags]
            yield from (f"fqn:{'.'.join(node.fqn)},resource_type:{node.resource_type}" for node in tagged)
        elif argument != "--no-write-json":
            yield argument


def _result(found: dict[str, Any], manifest: Any) -> NodeResult:
    unique_id = str(found["unique_id"])
    node = node_if_known(manifest, unique_id)
    kind, *_, last = unique_id.split(".")
    name = str(node.name) if node is not None else last
    message = found.get("message")
    return NodeResult(
        unique_id, name, kind, str(found["status"]), message and str(message), float(found["execution_time"])
    )


def _value(arguments: Sequence[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]
