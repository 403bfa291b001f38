"""Tables that an expectation compares in part: how, the expected one, the other, and whether they are equal."""

from typing import Any

import pytest

from angiogram.dbt.manifest.expectation import Expectation

NUMBERS = "select 1 as id, 2.345 as n, cast(0.12345678901234567 as double precision) as f"
OTHERS = "select 1 as id, 2.346 as n, cast(0.1234 as double precision) as f"


def _how(**said: Any) -> Expectation:
    return Expectation(key=("id",), **said)


ONLY, UNTYPED = _how(only=("n",)), _how(types=False)
PARTLY_EXPECTED = [
    pytest.param(ONLY, "select 1 as id, 2 as n, 3 as x", "select 1 as id, 2 as n, 4 as y", True, id="only"),
    pytest.param(ONLY, "select 1 as id, 2 as n", "select 1 as id, 3 as n", False, id="only, other"),
    pytest.param(ONLY, "select 1 as id, 2 as n", "select 2 as id, 2 as n", False, id="only, other key"),
    pytest.param(_how(exclude=("n",)), "select 1 as id, 2 as n", "select 1 as id, 'x' as n", True, id="exclude"),
    pytest.param(_how(precision={"n": 2, "f": 4}), NUMBERS, OTHERS, False, id="precision, other"),
    pytest.param(_how(precision={"n": 1, "f": 3}), NUMBERS, OTHERS, True, id="precision"),
    pytest.param(UNTYPED, "select 1 as id, 2 as n", "select 1::bigint as id, 2.0 as n", True, id="types"),
    pytest.param(UNTYPED, "select 1 as id, 2 as n", "select 1 as id, '2' as n", False, id="types, text"),
    pytest.param(UNTYPED, "select 1 as id", "select 1 as id, 2 as n", False, id="types, column too many"),
    pytest.param(
        _how(types=False, precision={"n": 1}),
        "select 1 as id, 2 as n",
        "select 1 as id, 2.04 as n",
        True,
        id="types and precision",
    ),
]
