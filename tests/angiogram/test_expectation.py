"""What tests, models and angiogram.yml may say of a comparison, and which of them counts."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.manifest.equality_test import EqualityTest, expectation_of
from angiogram.dbt.manifest.expectation import Expectation


def node(meta: dict[str, Any] | None = None) -> Any:
    return SimpleNamespace(search_name="orders", config=SimpleNamespace(meta={"equals_expected": meta} if meta else {}))


def written(arguments: str, meta: dict[str, Any] | None = None) -> Any:
    """A test in a file of its own."""
    return SimpleNamespace(
        resource_type="test",
        test_metadata=None,
        original_file_path="tests/orders.sql",
        raw_code="{{ config(enabled=target.name == 'dye') }}\n{{ data_angiogram.test_equals_expected("
        f"ref('orders'), ref('expected__orders'){arguments}) }}}}",
        config=SimpleNamespace(
            meta=meta or {}, where=None, severity="error", limit=None, error_if="!= 0", fail_calc="count(*)"
        ),
    )


def test_one_name_needs_no_list() -> None:
    said = {"key": "id", "only": "name", "exclude": "note"}
    lists = {name: [column] for name, column in said.items()}
    assert Expectation.read(("here", said)) == Expectation.read(("there", lists))
    assert Expectation.read(("here", said)).key == ("id",)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param(", ['id', 'day']", Expectation(key=("id", "day")), id="by place"),
        pytest.param(
            ", key='id', precision={'amount': 2}, types=false",
            Expectation(key=("id",), precision={"amount": 2}, types=False),
            id="by name",
        ),
        pytest.param("", Expectation(), id="none"),
    ],
)
def test_a_test_in_a_file_of_its_own_says_it_where_it_calls_the_macro(arguments: str, found: Expectation) -> None:
    test = EqualityTest.of(written(arguments, {"key": "of an earlier version"}))
    assert expectation_of(node(), test, None) == found


def test_arguments_that_only_dbt_can_work_out_are_refused() -> None:
    with pytest.raises(UnsupportedProject, match=r"tests/orders.sql works out an argument of test_equals_expected"):
        EqualityTest.of(written(", key=var('key')"))


def test_the_test_counts_before_the_model_and_the_settings_before_the_model() -> None:
    model = node({"only": ["name"], "precision": {"amount": 1}, "where": "id > 0"})
    test = EqualityTest.of(written(", key='id', precision={'amount': 2}"))
    assert expectation_of(model, test, None) == Expectation(("id",), ("name",), (), {"amount": 2}, where="id > 0")
    declared = ("angiogram.yml:3 expectations.0", {"only": "town"})
    assert expectation_of(model, None, declared) == Expectation(only=("town",), precision={"amount": 1}, where="id > 0")


def test_what_dbts_test_would_not_know_is_refused() -> None:
    declared = ("angiogram.yml:3 expectations.0", {"exclude": ["note"]})
    with pytest.raises(UnsupportedProject, match=r"angiogram.yml:3 expectations.0: orders has a test equals_expected"):
        expectation_of(node(), EqualityTest.of(written("")), declared)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"exlude": "note"}, "has an unknown entry exlude"),
        ({"precision": {"amount": -1}}, "precision must give columns a number of decimals"),
        ({"precision": {"amount": True}}, "precision must give columns a number of decimals"),
        ({"precision": 2}, "precision must give columns a number of decimals"),
        ({"types": "no"}, "types must be true or false, not 'no'"),
        ({"only": 3}, "only must be a column's name"),
        ({"where": " "}, "where must be a condition"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_place(said: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedProject, match=f"meta.equals_expected of orders.*{re.escape(words)}"):
        expectation_of(node(said), None, None)
