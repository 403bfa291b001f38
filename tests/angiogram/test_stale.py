"""Stale expected data is told from a wrong model by rule."""

import pytest

from angiogram.core.differences import Difference, Differences
from angiogram.judge.cause.stale import Strangers, has_only_new_columns

NEW = Difference("unexpected", None, "tip_amount", None, "numeric")
GONE = Difference("missing", None, "fare", "numeric", None)
RETYPED = Difference("changed", None, "fare", "numeric", "double precision")
CELL = Difference("changed", {"currency": "USD"}, "fare", "1", "2")


@pytest.mark.parametrize(
    ("found", "is_stale"),
    [
        pytest.param([NEW], True, id="a new column"),
        pytest.param([NEW, GONE], True, id="a renamed column"),
        pytest.param([GONE], False, id="a column that went missing is the model's fault"),
        pytest.param([RETYPED], False, id="so is another type"),
        pytest.param([NEW, RETYPED], False, id="even beside a new column"),
        pytest.param([NEW, CELL], False, id="and a cell that differs"),
        pytest.param([], False, id="nothing differs"),
    ],
)
def test_only_new_columns_and_nothing_else_make_expected_data_stale(found: list[Difference], is_stale: bool) -> None:
    assert has_only_new_columns(Differences.of(found)) is is_stale


def test_differences_that_were_cut_are_no_proof() -> None:
    assert not has_only_new_columns(Differences(count=2, first=[NEW]))


@pytest.mark.parametrize(
    ("found", "described", "is_meant"),
    [
        pytest.param([NEW], [], True, id="a column more harms nobody"),
        pytest.param([NEW, GONE], [], False, id="one that is gone may be missed"),
        pytest.param([NEW, GONE], ["fare"], False, id="all the more if it is still described"),
        pytest.param([NEW, GONE], ["fare", "tip_amount"], False, id="beside the new one, too"),
        pytest.param([NEW, GONE], ["tip_amount"], True, id="unless the description has followed"),
    ],
)
def test_of_two_possible_causes_the_likelier_is_told_by_what_is_described(
    found: list[Difference], described: list[str], is_meant: bool
) -> None:
    strangers = Strangers.of(Differences.of(found))
    assert strangers is not None
    assert strangers.are_meant(described) is is_meant
