"""A model with an expected seed is compared although the project has no test equals_expected for it."""

import re
from pathlib import Path

import pytest
import yaml

from angiogram.author.coverage import coverage
from angiogram.dbt.project import Project
from angiogram.sensitivity.compiled import compile_project
from tests.angiogram.edits import edit
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked, differences_at

MODELS = Path("models", "models.yml")


@pytest.fixture
def shop(coffee_shop: Path) -> Path:
    """The second project without one test equals_expected; guests have a declared key, reports have none."""
    told = re.sub(r"      - data_angiogram.equals_expected:\n(?:        .*\n)+", "", (coffee_shop / MODELS).read_text())
    described = yaml.safe_load(told)
    for model in described["models"]:
        tests = [{"unique": {"config": {"enabled": True}}}] if model["name"] == "guests" else []
        model.pop("data_tests", None)
        model["columns"] = [{"name": "guest_id", "data_tests": tests}] if tests else []
    (coffee_shop / MODELS).write_text(yaml.safe_dump(described))
    assert "equals_expected" not in (coffee_shop / MODELS).read_text()
    return coffee_shop


def test_every_expected_seed_is_compared_without_a_test(shop: Path, judge: Judge) -> None:
    report = judge(shop)
    assert (report["verdict"], report["findings"]) == ("healthy", [])
    assert report["models"] == {"watched": 6, "total": 6}
    assert {model.watch.value for model in coverage(Project(shop, dye_source="seeds")).models} == {"watched"}


def test_rows_are_paired_by_the_declared_key_or_told_apart_as_a_whole(shop: Path, judge: Judge) -> None:
    edit(shop / "models" / "core" / "guests.sql", ">= 3", "> 3")
    edit(shop / "models" / "reports" / "takings_by_month.sql", "count(*)", "count(*) + 1")
    report = judge(shop)
    assert sorted(blocked(report)) == ["guests", "takings_by_month"]
    assert {one["difference"] for one in differences_at(report, "guests")["first"]} == {"changed"}
    assert {tuple(one["row_key"]) for one in differences_at(report, "guests")["first"]} == {("guest_id",)}
    found = differences_at(report, "takings_by_month")["first"]
    assert {one["difference"] for one in found} == {"missing", "unexpected"}


def test_sensitivity_knows_the_declared_keys_and_what_is_compared(shop: Path) -> None:
    with (shop / "angiogram.yml").open("a", encoding="utf-8") as settings:
        settings.write("expectations: [{model: takings_by_month, precision: {takings: 1}}]\n")
    models = compile_project(shop).models
    assert models["takings_by_month"].how.precision == {"takings": 1}
    keys = {name: model.key for name, model in models.items() if model.expected}
    assert len(keys) == 6
    assert {name: key for name, key in keys.items() if key} == {"guests": ("guest_id",), "tickets": ("ticket_id",)}
