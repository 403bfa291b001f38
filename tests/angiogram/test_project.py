"""What is read of a dbt project."""

from pathlib import Path
from typing import Any

import pytest

from angiogram.project import key_columns, project_variables


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param("vars: {last_day: a}", {"last_day": "a"}, id="for all packages"),
        pytest.param("vars:", {}, id="none"),
        pytest.param("vars: {last_day: a, shop: {last_day: b}}", {"last_day": "b"}, id="the project's own go before"),
    ],
)
def test_variables_are_found_where_dbt_finds_them(tmp_path: Path, text: str, variables: dict[str, Any]) -> None:
    (tmp_path / "dbt_project.yml").write_text(f"name: shop\n{text}\n")
    assert variables.items() <= project_variables(tmp_path).items()


@pytest.mark.parametrize("key", ["guest_id", ["guest_id"]])
def test_a_key_of_one_column_needs_no_list(key: str | list[str]) -> None:
    assert key_columns({"key": key}) == ["guest_id"]
