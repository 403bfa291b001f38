"""Compiles models, with their ephemeral parents, in both forms of is_incremental().

The SQL can be run as it is. What is compared as text is compiled by `compile_forms`, where a parent appears by its name
only.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from angiogram.core.errors import DbtFailed
from angiogram.dbt.command import FROM_TOPIC, compiling_all, forget_ephemeral, run_in_scratch
from angiogram.dbt.compiled_forms import NEVER, WHERE_INCREMENTAL, answering
from angiogram.dbt.stand_ins import as_views

GENERIC_TESTS = frozenset({"not_null", "unique", "accepted_values", "relationships", "unique_combination_of_columns"})
"""dbt's four built-in tests, and the one for uniqueness over several columns."""

# Other tests may query the database while they are compiled, and their tables may not exist.
_COMPILED = ("resource_type:model", *(f"test_name:{name}" for name in sorted(GENERIC_TESTS)))


def runnable_forms(
    directory: Path,
    manifest: Any,
    target: str,
    variables: str = FROM_TOPIC,
    left_out: Sequence[str] = (),
    shown: Collection[str] = (),
    profiles: Path | None = None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the SQL of each node by its id: with is_incremental() false, and with it true.

    dbt asks the database whether a table exists before it answers is_incremental(). Here the answer is given instead,
    so no table has to exist.

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
    command = ["compile", "--select", *_COMPILED, "--indirect-selection", "empty", *exclude]
    with as_views(manifest, shown), compiling_all():
        for answer in (NEVER, WHERE_INCREMENTAL):
            forget_ephemeral(manifest)
            with answering(manifest, answer):
                results = list(run_in_scratch(directory, command, target, manifest, variables, profiles))
            if errors := [result.message for result in results if result.status == "error"]:
                raise DbtFailed(f"dbt compile of {directory} failed: {str(errors[0]).strip()}")
            forms.append({r.node.unique_id: r.node.compiled_code for r in results if hasattr(r.node, "compiled_code")})
    return forms[0], forms[1]
