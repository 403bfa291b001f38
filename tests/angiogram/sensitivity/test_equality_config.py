"""What a test equals_expected is configured to do: dbt and `angiogram` heed it alike."""

import json
from pathlib import Path
from typing import Any

from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from tests.angiogram.recorded import blocked, stages_of
from tests.angiogram.sensitivity.test_from_seeds import edit

KEY = "            key: [guest_id]\n"
LENIENCIES: dict[str, tuple[dict[str, Any], bool]] = {
    "strict": ({"severity": "ERROR", "store_failures": False}, False),
    "warned": ({"severity": "warn"}, True),
    "uncounted": ({"limit": 0}, True),
    "limited": ({"limit": 1}, False),
    "few": ({"error_if": "> 3"}, True),
    "many": ({"error_if": "> 2"}, False),
    "many_of_few": ({"error_if": "> 2", "limit": 2}, True),
    "counted": ({"fail_calc": "count(*) - 3"}, True),
}
"""Configurations by model, each of which differs in three rows, and whether dbt takes that for no failure."""


def configured(coffee_shop: Path, config: str) -> None:
    """Give the test of the model guests a configuration."""
    usual = f"{KEY}          config: "
    text = (coffee_shop / "models" / "models.yml").read_text()
    line = text[text.index(usual) :].splitlines()[1]
    edit(coffee_shop / "models" / "models.yml", f"{KEY}{line}\n", f"{usual}{config}\n")


def judged(coffee_shop: Path) -> tuple[dict[str, Any], list[str]]:
    """The report of a run from the seeds, and the models whose test fails for dbt."""
    project = Project(coffee_shop, dye_source="seeds")
    report = run_from_seeds(project).report
    outcomes = project.invoke(["test", "--select", "test_name:equals_expected"]).results
    tested = [project.manifest.nodes[o.unique_id].attached_node for o in outcomes if o.status in ("fail", "error")]
    failed = [model.split(".")[-1] for model in tested]
    return report, failed


def test_rows_outside_of_the_where_are_compared_neither_by_dbt_nor_by_angiogram(coffee_shop: Path) -> None:
    configured(coffee_shop, '{where: "guest_id < 5"}')
    expected = coffee_shop / "seeds" / "expected" / "expected__guests.csv"
    expected.write_text("".join(line for line in expected.read_text().splitlines(True) if line[0] not in "56"))
    guests = coffee_shop / "models" / "core" / "guests.sql"
    wrong = "guests.guest_name || case when guests.guest_id > 4 then '?' else '' end as guest_name,"
    edit(guests, "guests.guest_name,", wrong)
    report, failed = judged(coffee_shop)
    assert (blocked(report), failed) == ([], [])
    edit(guests, "> 4", "> 3")
    report, failed = judged(coffee_shop)
    assert (blocked(report), failed) == (["guests"], ["guests"])


def test_differences_that_are_no_failure_for_dbt_do_not_block_and_are_noticed(coffee_shop: Path) -> None:
    """All of a configuration counts by which dbt decides: severity, error_if, fail_calc and limit."""
    for name, (config, _) in LENIENCIES.items():
        (coffee_shop / "models" / f"{name}.sql").write_text("select 1 as id union all select 2")
        (coffee_shop / "seeds" / "expected" / f"expected__{name}.csv").write_text("id\n3\n")
        arguments = {"compare_model": f"ref('expected__{name}')", "key": "id"}
        test = {"data_angiogram.equals_expected": {"arguments": arguments, "config": config}}
        described = {"models": [{"name": name, "data_tests": [test]}]}
        (coffee_shop / "models" / f"{name}.yml").write_text(json.dumps(described))
    report, failed = judged(coffee_shop)
    assert sorted(blocked(report)) == sorted(failed) == sorted(n for n, (_, passes) in LENIENCIES.items() if not passes)
    tolerated = {n for n, (_, passes) in LENIENCIES.items() if passes}
    assert {name for name, stage in stages_of(report).items() if stage["verdict"] == "tolerated"} == tolerated
    notices = [notice["text"] for notice in report["notices"] if notice["code"] == "tolerated"]
    assert len(notices) == len(tolerated)
    assert (
        "warned has 3 differences from what is expected; its test equals_expected has severity: warn, so that does not "
        "block." in notices
    )
