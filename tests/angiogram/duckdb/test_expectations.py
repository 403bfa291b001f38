"""How a model is compared may be said in angiogram.yml and in its meta: by a run, `accept` and `coverage` alike."""

from pathlib import Path

import pytest
import yaml

from angiogram.author.accept import propose, write
from angiogram.author.coverage import coverage
from angiogram.core.errors import UnsupportedProject
from angiogram.dbt.project import Project
from tests.angiogram.duckdb.conftest import Judge
from tests.angiogram.edits import edit
from tests.angiogram.recorded import blocked, stages_of

SEED = Path("seeds", "expected", "expected__priced_orders.csv")


@pytest.fixture
def coarse(bakery: Path) -> Path:
    """The project, whose prices are compared as whole numbers, by the settings, and whose orders leave a column out."""
    file = bakery / "models" / "models.yml"
    described = yaml.safe_load(file.read_text(encoding="utf-8"))
    for model in described["models"]:
        if model["name"] == "priced_orders":
            del model["data_tests"]
        if model["name"] == "orders":
            model["config"] = {"meta": {"equals_expected": {"exclude": "ordered_on"}}}
    file.write_text(yaml.safe_dump(described), encoding="utf-8")
    (bakery / "angiogram.yml").write_text(
        "expectations:\n  - model: priced_orders\n    key: id\n    precision: {amount: 0}\n"
        "    only: [customer, amount]\n  - {model: nothing, types: false}\n",
        encoding="utf-8",
    )
    return bakery


def test_what_is_not_compared_blocks_nothing_and_is_named_where_it_may_be_the_cause(coarse: Path, judge: Judge) -> None:
    edit(
        coarse / "models/sales/priced_orders.sql",
        "orders.quantity * loaves.price",
        "orders.quantity * loaves.price + 0.01",
    )
    edit(coarse / "models/sales/orders.sql", "ordered_on\nfrom", "ordered_on + 1 as ordered_on\nfrom")
    report = judge(coarse)
    assert stages_of(report)["priced_orders"]["verdict"] == "healthy"
    assert blocked(report) == ["orders"]
    [found] = report["findings"]
    assert "It reads priced_orders, of which only some columns, or rounded numbers, are compared" in found["text"]
    assert {one["column"] for one in report["differences"][0]["first"]} == {"amount"}


def test_accept_keeps_the_digits_of_what_is_equal_once_rounded(coarse: Path) -> None:
    head = "\ufeffid,quantity,customer,amount,ordered_on\r\n"
    before = f"{head}1,77,anna,8.4,\r\n2,1,ben,9.9,\r\n5,12,dora,50.37,\r\n"
    (coarse / SEED).write_bytes(before.encode())
    project = Project(coarse, dye_source="seeds")
    proposals = propose(project, ["priced_orders"], lambda told: None, wait=0)
    [proposal] = proposals.models
    assert [one["row_key"] for one in proposal.differences["first"]] == [{"id": 2}]
    write(project, proposals)
    assert (coarse / SEED).read_bytes() == before.replace("9.9", "3").encode()


def test_an_entry_for_no_model_is_named_by_coverage(coarse: Path) -> None:
    [mistake] = coverage(Project(coarse, dye_source="seeds")).mistakes
    assert "angiogram.yml:6 expectations.1 names nothing, which is no model." in mistake


def test_an_entry_for_a_model_with_a_test_is_refused(bakery: Path) -> None:
    (bakery / "angiogram.yml").write_text("expectations: [{model: orders, exclude: amount}]\n", encoding="utf-8")
    with pytest.raises(
        UnsupportedProject, match=r"angiogram.yml:1 expectations.0: orders has a test equals_expected, in"
    ):
        _ = Project(bakery, dye_source="seeds").nodes
