"""Chooses the models and seeds whose mistakes are made, and names unsteady models."""

import re
from collections.abc import Sequence
from pathlib import Path

from sqlglot import exp

from angiogram.core.errors import NothingSelected
from angiogram.dbt.command import run_in_scratch
from angiogram.dbt.manifest.lookup import nodes_by_id
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.trees import parse

_CLOCKS = (
    *(exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.CurrentDatetime, exp.Localtime, exp.Localtimestamp),
    *(exp.Rand, exp.Uuid),
)
_CLOCKS_BY_NAME = ("clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday", "uuid_generate_v4")
_OF_THE_COMMAND = re.compile(r"\b(flags\.WHICH|invocation_args_dict|invocation_args|invocation_id)\b")


def chosen(project: Compiled, directory: Path, target: str, select: Sequence[str]) -> frozenset[str]:
    """The models and seeds whose mistakes are made.

    They are those selected, or else those that no package brought.

    Args:
        project: the project.
        directory: its folder.
        target: a dye target.
        select: dbt's selection of models and seeds. Empty: all of the project's own.

    Raises:
        NothingSelected: no model or seed is selected.
        DbtFailed: dbt cannot read the selection.
    """
    known = project.models.keys() | project.seeds.keys()
    if not select:
        return frozenset(known - from_packages(project))
    kinds = ("--resource-type", "model", "--resource-type", "seed")
    command = ["ls", "--quiet", "--output", "name", *kinds, "--select", *select]
    found = known & set(run_in_scratch(directory, command, target, project.manifest))
    if not found:
        raise NothingSelected(
            f"No model or reference seed that sensitivity runs is selected by {' '.join(select)}: "
            f"`dbt ls --select {' '.join(select)} --target {target}` lists what dbt selects."
        )
    return frozenset(found)


def from_packages(project: Compiled) -> set[str]:
    """The models and seeds that packages brought."""
    own = project.manifest.metadata.project_name
    return {
        str(node.name)
        for node in nodes_by_id(project.manifest).values()
        if node.resource_type in ("model", "seed")
        and node.package_name != own
        and (node.name in project.models or node.name in project.seeds)
    }


def unsteady(project: Compiled) -> dict[str, tuple[str, ...]]:
    """What makes the output of models differ from run to run: clock, chance, dbt's command."""
    found: dict[str, tuple[str, ...]] = {}
    nodes = {node.name: node for node in nodes_by_id(project.manifest).values() if node.resource_type == "model"}
    for model in project.models.values():
        forms = [model.sql, *([model.incremental.sql] if model.incremental else [])]
        trees = [parse(form, project.names, model.name, project.engine) for form in forms]
        read = [word for tree in trees for node in tree.walk() if (word := _clock(node))]
        read += _OF_THE_COMMAND.findall(nodes[model.name].raw_code) if model.name in nodes else []
        if read:
            found[model.name] = tuple(dict.fromkeys(read))
    return found


def listed(models: dict[str, tuple[str, ...]]) -> str:
    """The models with what they read, in words."""
    return ", ".join(f"{name} ({', '.join(read)})" for name, read in models.items())


def _clock(node: exp.Expr) -> str | None:
    if isinstance(node, _CLOCKS) or (isinstance(node, exp.Anonymous) and node.name.lower() in _CLOCKS_BY_NAME):
        return node.sql("postgres").lower()
    return None
