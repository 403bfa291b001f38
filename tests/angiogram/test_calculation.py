"""A pipeline declares its independent calculation; what is wrong there is said with file and line."""

from pathlib import Path

import pytest

from angiogram.core.errors import InvalidSettings
from angiogram.dye.calculation import calculation_of
from taxi.calculation import CALCULATION
from tests.angiogram.coffee_shop import COFFEE_SHOP

PROJECT = Path(__file__).parents[2] / "dbt_project"


def test_the_settings_file_names_the_calculation_and_a_project_may_have_none() -> None:
    assert calculation_of(PROJECT) is CALCULATION
    assert calculation_of(COFFEE_SHOP) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param("\ncalculation: 7\n", r"angiogram\.yml:2 calculation: ", id="not text"),
        pytest.param("calculation: shop\n", r"angiogram\.yml:1 calculation: ", id="no path"),
        pytest.param(
            "live_target: prod\ncalculation: no_such_module:CALCULATION\n",
            r"angiogram\.yml:2 calculation: the module no_such_module cannot be imported: .* Install it",
            id="no module",
        ),
        pytest.param(
            "calculation: json:NONE\n",
            r":1 calculation: NONE does not exist in the module json\. Correct",
            id="no name",
        ),
        pytest.param("calculation: json:dumps\n", r":1 calculation: .*no contract says what", id="no contract"),
        pytest.param(
            "contract: taxi.contract:CONTRACT\ncalculation: json:dumps\n",
            r":2 calculation: function does not have columns, tables, record, random_messages\. Add what is missing",
            id="parts missing",
        ),
    ],
)
def test_an_unusable_calculation_is_said_with_file_and_line(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "angiogram.yml").write_text(settings)
    with pytest.raises(InvalidSettings, match=said):
        calculation_of(tmp_path)
