"""The other kinds of checks that are measured on the same mutants, side by side.

dbt_utils.equality, generic tests and the checks that the project lists in other_checks.yml run on what the mutant makes
of the dye. The project's unit tests run on their own fixtures, with the mutant in place of the model.
"""

from dataclasses import replace
from pathlib import Path

import yaml
from sqlglot import exp

from angiogram.core.errors import SeedError
from angiogram.dbt.manifest.lookup import nodes_of
from angiogram.dbt.runnable_forms import GENERIC_TESTS
from angiogram.sensitivity.bench.bench import Check
from angiogram.sensitivity.compiled import Compiled
from angiogram.sensitivity.mutants.trees import MARK, generate, parse
from angiogram.warehouse.engines.scratch import chosen

EQUALITY, UNIT, GENERIC = "dbt_utils.equality alone", "dbt unit tests alone", "generic tests alone"

CHECKS_FILE = "other_checks.yml"
"""File with further checks, in the dbt project's folder: named groups of queries by model."""


def other_checks(project: Compiled, directory: Path) -> list[Check]:
    """Return all checks that read the output of the models.

    Args:
        project, directory: the dbt project and its folder.

    Raises:
        SeedError: the list of further checks is malformed.
    """
    return [*_equality(project), *_generic(project), *_listed(project, directory / CHECKS_FILE)]


def _equality(project: Compiled) -> list[Check]:
    """Checks like dbt_utils.equality, which compares distinct rows in both directions."""
    checks = []
    for model in project.models.values():
        if model.expected is None:
            continue
        named = [(c.name, "") for c in model.expected.columns if c.name not in project.excluded]
        columns = [exp.column(name, quoted=True) for name, _ in chosen(tuple(named), model.how)]
        actual, expected = (
            exp.select(*columns).from_(exp.Table(this=exp.to_identifier(name, quoted=True)))
            for name in (MARK + model.name, f"expected:{model.name}")
        )
        differences = [generate(one, project.engine) for one in (actual.except_(expected), expected.except_(actual))]
        query = f"({differences[0]}) union all ({differences[1]})"
        checks.append(Check(EQUALITY, query, frozenset({model.name})))
    return checks


def checks_of_data(project: Compiled) -> list[Check]:
    """The project's statements about its data, each as a kind of its own.

    These are its generic tests and the keys of its models.
    """
    checks = [replace(check, kind=f"test {number}") for number, check in enumerate(_generic(project))]
    for model in project.models.values():
        if model.key:
            key = [exp.column(name, quoted=True) for name in model.key]
            made = exp.Table(this=exp.to_identifier(MARK + model.name, quoted=True))
            repeated = exp.select(*key).from_(made).group_by(*key).having("count(*) > 1")
            if model.where:
                repeated = repeated.where(model.where, dialect=project.engine)
            checks.append(Check(f"key of {model.name}", generate(repeated, project.engine), frozenset({model.name})))
    return checks


def _generic(project: Compiled) -> list[Check]:
    checks = []
    for node in nodes_of(project.manifest, "test"):
        test = getattr(node, "test_metadata", None)
        if test and test.name in GENERIC_TESTS and node.unique_id in project.tests:
            query = parse(project.tests[node.unique_id], project.names, node.name, project.engine)
            reads = frozenset(unique_id.split(".")[-1] for unique_id in node.depends_on.nodes)
            checks.append(Check(GENERIC, generate(query, project.engine), reads))
    return checks


def _listed(project: Compiled, file: Path) -> list[Check]:
    """The checks that the project lists.

    Each finds rows of "@model" if it fails, and may read "expected:model".
    """
    if not file.is_file():
        return []
    try:
        groups = yaml.safe_load(file.read_text(encoding="utf-8")) or []
        return [
            Check(str(group["name"]), str(query), frozenset({model}))
            for group in groups
            for model, query in group["queries"].items()
            if model in project.models
        ]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise SeedError(f"{file} is not a list of groups with a name and queries by model: {error!r}") from error
