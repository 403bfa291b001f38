"""Of a random input, what the project can take is kept."""

from collections.abc import Sequence

from angiogram.sensitivity.mutants.harmless import TRIES, harmless


def test_what_fails_is_left_out_and_the_others_stay_in_order() -> None:
    tried: list[int] = []

    def builds(items: Sequence[int]) -> bool:
        tried.append(len(items))
        return not {7, 8, 70}.intersection(items)

    kept = harmless(range(100), lambda item: item, builds)
    assert kept == [item for item in range(100) if item not in (7, 8, 70)]
    assert len(tried) <= TRIES


def test_of_two_that_cannot_be_had_together_one_stays() -> None:
    kept = harmless(range(100), lambda item: item, lambda items: not {7, 70} <= set(items))
    assert len(kept) == 99


def test_what_fails_alike_lies_side_by_side_so_that_little_else_is_lost() -> None:
    """Every tenth item fails: more than the tries would find one by one."""
    kept = harmless(range(2000), lambda item: item % 10 == 3, lambda items: not any(i % 10 == 3 for i in items))
    assert len(kept) > 1700


def test_a_single_item_that_fails_leaves_nothing() -> None:
    assert harmless([1], lambda item: item, lambda items: False) == []
