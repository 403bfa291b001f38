"""What a test equals_expected is configured to do: dbt and `angiogram` heed it alike."""

from pathlib import Path

from angiogram.from_seeds import run_from_seeds
from angiogram.project import Project
from tests.angiogram.recorded import blocked
from tests.angiogram.sensitivity.test_from_seeds import edit

KEY = "            key: [guest_id]\n"


def configured(coffee_shop: Path, config: str) -> None:
    """Give the test of the model guests a configuration."""
    usual = f"{KEY}          config: "
    text = (coffee_shop / "models" / "models.yml").read_text()
    line = text[text.index(usual) :].splitlines()[1]
    edit(coffee_shop / "models" / "models.yml", f"{KEY}{line}\n", f"{usual}{config}\n")


def judged(coffee_shop: Path) -> tuple[list[str], list[str]]:
    """The blockage as `angiogram` names it, and the models whose test fails for dbt."""
    project = Project(coffee_shop, dye_source="seeds")
    report = run_from_seeds(project).report
    outcomes = project.invoke(["test", "--select", "test_name:equals_expected"])
    failed = [o.node.attached_node.split(".")[-1] for o in outcomes if o.status in ("fail", "error")]
    return blocked(report), failed


def test_rows_outside_of_the_where_are_compared_neither_by_dbt_nor_by_angiogram(coffee_shop: Path) -> None:
    configured(coffee_shop, '{where: "guest_id < 5"}')
    expected = coffee_shop / "seeds" / "expected" / "expected__guests.csv"
    expected.write_text("".join(line for line in expected.read_text().splitlines(True) if line[0] not in "56"))
    guests = coffee_shop / "models" / "core" / "guests.sql"
    wrong = "guests.guest_name || case when guests.guest_id > 4 then '?' else '' end as guest_name,"
    edit(guests, "guests.guest_name,", wrong)
    assert judged(coffee_shop) == ([], [])
    edit(guests, "> 4", "> 3")
    assert judged(coffee_shop) == (["guests"], ["guests"])
