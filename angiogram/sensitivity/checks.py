"""Side by side: what other checks would see of the same mutants.

dbt_utils.equality, generic tests and the original demo's assertions run on what the mutant makes of the dye; the
project's unit tests on their own fixtures, with the mutant in the model's place.
"""

from dataclasses import replace

from sqlglot import exp

from angiogram.sensitivity.bench import Check
from angiogram.sensitivity.compiled import GENERIC_TESTS, Compiled
from angiogram.sensitivity.trees import MARK, generate, parse

EQUALITY, UNIT, GENERIC, DEMO = (
    "dbt_utils.equality alone",
    "dbt unit tests alone",
    "generic tests alone",
    "the original demo's four assertions",
)
_DEMO = {
    "revenue_by_state": 'select 1 from "@revenue_by_state" where pickup_state is null',
    "revenue_by_car_model": (
        'select 1 from "@revenue_by_car_model" having count(distinct car_model) <> {models}'
        " or sum(revenue_amount) filter (where car_model = 'Jeep') is distinct from {jeep}"
    ),
    "revenue_by_date": "select 1 from \"@revenue_by_date\" where trip_date < date '2024-01-01'",
}


def other_checks(project: Compiled) -> list[Check]:
    """All checks that read what the models make."""
    return [*_equality(project), *_generic(project), *_demo(project)]


def _equality(project: Compiled) -> list[Check]:
    """dbt_utils.equality: distinct rows, either way."""
    checks = []
    for model in project.models.values():
        if model.expected is None:
            continue
        columns = [exp.column(c.name, quoted=True) for c in model.expected.columns if c.name not in project.excluded]
        actual, expected = (
            exp.select(*columns).from_(exp.Table(this=exp.to_identifier(name, quoted=True)))
            for name in (MARK + model.name, f"expected:{model.name}")
        )
        query = f"({generate(actual.except_(expected))}) union all ({generate(expected.except_(actual))})"
        checks.append(Check(EQUALITY, query, frozenset({model.name})))
    return checks


def checks_of_data(project: Compiled) -> list[Check]:
    """What the project says of its data: its generic tests, and the keys of its models; each of a kind of its own."""
    checks = [replace(check, kind=f"test {number}") for number, check in enumerate(_generic(project))]
    for model in project.models.values():
        if model.key:
            key = [exp.column(name, quoted=True) for name in model.key]
            made = exp.Table(this=exp.to_identifier(MARK + model.name, quoted=True))
            repeated = exp.select(*key).from_(made).group_by(*key).having("count(*) > 1")
            if model.where:
                repeated = repeated.where(model.where, dialect="postgres")
            checks.append(Check(f"key of {model.name}", generate(repeated), frozenset({model.name})))
    return checks


def _generic(project: Compiled) -> list[Check]:
    checks = []
    for node in project.manifest.nodes.values():
        test = getattr(node, "test_metadata", None)
        if test and test.name in GENERIC_TESTS and node.unique_id in project.tests:
            query = generate(parse(project.tests[node.unique_id], project.names, node.name))
            reads = frozenset(unique_id.split(".")[-1] for unique_id in node.depends_on.nodes)
            checks.append(Check(GENERIC, query, reads))
    return checks


def _demo(project: Compiled) -> list[Check]:
    """No null state, as many car models as there are, nothing before 2024, the revenue of Jeep."""
    model = project.models.get("revenue_by_car_model")
    if model is None or model.expected is None or not _DEMO.keys() <= project.models.keys():
        return []
    expected = model.expected
    names = [column.name for column in expected.columns]
    models = {row[names.index("car_model")] for row in expected.after(1)}
    jeep = next(row[names.index("revenue_amount")] for row in expected.after(1) if row[0] == "Jeep")
    return [
        Check(DEMO, query.format(models=len(models), jeep=jeep), frozenset({name})) for name, query in _DEMO.items()
    ]
