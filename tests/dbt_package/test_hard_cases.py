"""The same tables get the same verdict on each engine, with the same rows and cells, by the package's test in dbt."""

import json
from contextlib import closing
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from angiogram.dbt.package.rendering import macro
from tests.dbt_package.cases import CASES, DUCKDB, POSTGRES, Case
from tests.dbt_package.conftest import Outcome

ENGINES_OWN = {
    *("nan_and_minus_zero", "floats", "times_with_zones", "times_with_and_without_a_zone", "control_characters"),
    *("arrays", "structs", "json", "json_numbers_beyond_a_double"),
}
"""Cases of types that plain SQL cannot write as JSON."""


def read(text: str | None) -> Any:
    """A cell or a row as a value: each engine writes numbers and blanks in its own way."""
    return None if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)


def differences(found: list[tuple[Any, ...]]) -> list[Any]:
    """What was found, in one order; of a changed type not its names."""
    return sorted(
        (
            (kind, None, column, None, None) if key is None else (kind, read(key), column, read(expected), read(actual))
            for kind, key, column, expected, actual in found
        ),
        key=repr,
    )


@pytest.mark.parametrize("engine", [POSTGRES, DUCKDB])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_differences_of_two_tables_are_found(outcomes: dict[str, Outcome], case: Case, engine: str) -> None:
    outcome = outcomes[engine]
    assert outcome.run.statuses.get(case.name) == ("fail" if case.found else "pass"), outcome.run.output
    assert differences(outcome.stored[case.name]) == sorted(case.found, key=repr)


@pytest.mark.parametrize("engine", [POSTGRES, DUCKDB])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_angiogram_finds_what_dbt_finds(outcomes: dict[str, Outcome], case: Case, engine: str) -> None:
    compared = outcomes[engine].compared[case.name]
    assert not isinstance(compared, str), compared
    with_keys = [(kind, json.dumps(key) if key is not None else None, *rest) for kind, key, *rest in compared]
    assert differences(with_keys) == differences(outcomes[engine].stored[case.name])


PLAIN = [case for case in CASES if case.name not in ENGINES_OWN]


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_the_form_in_plain_sql_finds_the_same(outcomes: dict[str, Outcome], case: Case) -> None:
    """Of an engine that has no form of its own: here DuckDB stands for it."""
    with closing(duckdb.connect(str(outcomes[DUCKDB].folder / "cases.duckdb"), read_only=True)) as file:

        def columns(relation: str) -> list[Any]:
            described = file.execute(f"describe {relation}").fetchall()
            return [SimpleNamespace(name=name, data_type=kind) for name, kind, *_ in described]

        sides = f'cases.cases."{case.alias or f"actual_{case.name}"}"', f"cases.cases.expected_{case.name}"
        if not case.key or case.meta:
            pytest.skip("what dbt finds of the project is not part of the comparison's SQL")
        excluded = ["loaded", *case.how.get("exclude", [])]
        only = case.how.get("only", [])
        how = {name: value for name, value in case.how.items() if name != "exclude"}
        how["only"] = [only] if isinstance(only, str) else only
        query = macro("differences", "another", columns)(*sides, list(case.key), excluded, case.where, **how)
        found = file.execute(query).fetchall()
    assert differences(found) == sorted(case.found, key=repr)
