"""What readers find and what is watched, from the seeds: the second project, changed in one way after another.

dbt runs in this process; each run has several changes at once, since each of them has a model of its own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from angiogram.judge.guards.surface import SURFACE_FILE, Surface
from sandbox.services import Sandbox
from tests.angiogram.coffee_shop import copied
from tests.angiogram.recorded import blocked, stages_of
from tests.dbt.project import DbtProject
from tests.services import new_database


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A new database of the module's own, to which PGDATABASE points."""
    with new_database() as name:
        yield name


@pytest.fixture
def shop(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DbtProject:
    """A copy of the second project that a test may change."""
    copy = copied(tmp_path / "coffee_shop")
    for variable in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        monkeypatch.setenv(variable, str(copy))
    monkeypatch.setenv("DBT_TARGET_PATH", str(copy / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(copy / "logs"))
    return DbtProject(copy)


def run(shop: DbtProject) -> dict[str, Any]:
    """The report of a run from the seeds."""
    return run_from_seeds(Project(shop.folder, dye_source="seeds")).report


def findings(report: dict[str, Any], kind: str) -> dict[str, str]:
    """The findings of one kind by the names of their stages."""
    return {found["stage"]["name"]: found["text"] for found in report["findings"] if found["kind"] == kind}


def notices(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(notice["code"], notice["text"]) for notice in report["notices"]]


def without_test(shop: DbtProject, model: str) -> None:
    """Delete the test equals_expected of a model."""
    file = shop.folder / "models" / "models.yml"
    before, _, rest = file.read_text().partition(f"  - name: {model}\n")
    description, _, tests = rest.partition("    data_tests:\n")
    after = tests[tests.index("\n", tests.index("config: {enabled")) + 1 :]
    file.write_text(f"{before}  - name: {model}\n{description}{after}")


def test_what_readers_lose_is_red_and_what_is_compared_less_is_told(shop: DbtProject) -> None:
    """An alias, a grant, an order of columns; a seed removed, a test made a warning, a column or a row left out."""
    shop.replace("models/core/guests.sql", "with guests", "{{ config(alias='customers') }}\nwith guests")
    shop.replace(
        "models/base/base_lines.sql", "id as line_id,\n        ticket_id,", "ticket_id,\n        id as line_id,"
    )
    surface = shop.folder / SURFACE_FILE
    granted = "relation: coffee_shop.base_tickets\n    grants:\n      select: [till, cook]\n"
    surface.write_text(surface.read_text().replace("relation: coffee_shop.base_tickets\n", granted))
    shop.replace(
        "models/base/base_tickets.sql",
        "with source",
        "{{ config(grants={'select': ['cook'] if target.name == 'live' else []}) }}\nwith source",
    )
    shop.replace("dbt_project.yml", "\nvars:\n", "\nvars:\n  run_dependent_columns: [state]\n")
    shop.replace("seeds/input/raw_lines.csv", "20,13,ESP,1\n", "")
    shop.replace("seeds/expected/expected__base_lines.csv", "20,13,ESP,1\n", "")
    shop.replace("seeds/expected/expected__tickets.csv", "09:00:00,1,0,250\n14", "09:00:00,0,0,0\n14")
    without_test(shop, "base_guests")
    (shop.folder / "seeds" / "expected" / "expected__base_guests.csv").unlink()
    monthly = "key: [month]\n          config: {"
    shop.replace("models/models.yml", monthly, f"{monthly}severity: warn, ")

    report = run(shop)

    assert findings(report, "surface").keys() == {"guests", "base_lines", "base_tickets"}
    assert "builds it as coffee_shop.customers" in findings(report, "surface")["guests"]
    assert "till may no longer select from coffee_shop.base_tickets" in findings(report, "surface")["base_tickets"]
    assert "in another order, from ticket_id on" in findings(report, "surface")["base_lines"]
    assert findings(report, "watch").keys() == {"base_guests", "takings_by_month"}
    assert "its expected seed is gone" in findings(report, "watch")["base_guests"]
    assert "its test equals_expected has severity: warn" in findings(report, "watch")["takings_by_month"]
    assert findings(report, "output") == findings(report, "build") == {}
    assert notices(report) == [
        ("watched_less", "state is no longer compared in 2 models (base_tickets, tickets)."),
        ("dye_removed", "The input seed raw_lines lost 1 dye row (20)."),
    ]
    assert (report["verdict"], report["models"]) == ("blocked", {"watched": 5, "total": 6})
    assert sorted(blocked(report)) == ["base_guests", "base_lines", "base_tickets", "guests", "takings_by_month"]
    stages = stages_of(report)
    assert {name for name, stage in stages.items() if stage["verdict"] == "blocked"} == set(blocked(report))
    assert stages["guests"]["reason"].startswith("Readers no longer find coffee_shop.guests")
    [found] = [found for found in report["findings"] if found["stage"]["name"] == "guests"]
    assert found["file"] == "models/core/guests.sql"


def test_a_column_that_is_gone_has_one_finding_where_it_was_lost(shop: DbtProject) -> None:
    """A column that no expected seed has: those below lost it for the same reason, and so did one not watched."""
    shop.replace("dbt_project.yml", "\nvars:\n", "\nvars:\n  run_dependent_columns: [made_at]\n")
    shop.replace("models/base/base_tickets.sql", "changed_at\n", "changed_at,\n        now() as made_at\n")
    (shop.folder / "models" / "reports" / "states.sql").write_text("select * from {{ ref('base_tickets') }}")
    assert accept(shop, "--yes").exit_code == 0
    assert relations(shop)["states"] == "coffee_shop.states"

    shop.replace("models/base/base_tickets.sql", "changed_at,\n        now() as made_at\n", "changed_at\n")
    report = run(shop)

    assert findings(report, "surface").keys() == {"base_tickets"}
    text = findings(report, "surface")["base_tickets"]
    assert "Column made_at of coffee_shop.base_tickets is gone. The same change occurs in states." in text
    assert report["models"] == {"watched": 6, "total": 7}

    shop.replace("models/base/base_tickets.sql", "lower(state) as state", "lower(state) as status")
    report = run(shop)

    assert blocked(report) == ["base_tickets"], "what is red already explains which columns are missing"
    assert findings(report, "surface") == {}


@pytest.mark.parametrize("has_live_target", [True, False], ids=["live target", "no live target"])
def test_a_mart_made_ephemeral_is_one_finding(shop: DbtProject, has_live_target: bool) -> None:
    if not has_live_target:
        (shop.folder / "angiogram.yml").unlink()
        shop.replace(str(SURFACE_FILE), "live_target: live\n", "")
    shop.replace(
        "models/reports/takings_by_month.sql",
        "with tickets as",
        "{{ config(materialized='ephemeral') }}\nwith tickets as",
    )
    report = run(shop)
    assert findings(report, "surface").keys() == {"takings_by_month"}
    assert "it is ephemeral now" in findings(report, "surface")["takings_by_month"]
    assert findings(report, "watch") == {}
    assert (report["verdict"], blocked(report)) == ("blocked", ["takings_by_month"])
    assert report["models"] == {"watched": 6, "total": 6}


def accept(shop: DbtProject, *arguments: str, answer: str | None = None) -> Any:
    """Run `angiogram accept` in this process."""
    return CliRunner().invoke(app, ["accept", *arguments], input=answer, catch_exceptions=False)


def test_accept_shows_what_changes_in_the_surface_and_writes_it_after_a_yes(shop: DbtProject) -> None:
    shop.replace("models/core/guests.sql", "with guests", "{{ config(alias='customers') }}\nwith guests")
    (shop.folder / "models" / "reports" / "takings_by_month.sql").unlink()
    (shop.folder / "seeds" / "expected" / "expected__takings_by_month.csv").unlink()
    tests = (shop.folder / "models" / "models.yml").read_text()
    (shop.folder / "models" / "models.yml").write_text(tests[: tests.index("  - name: takings_by_month")])
    before = (shop.folder / SURFACE_FILE).read_bytes()

    refused = accept(shop, answer="n\n")

    assert refused.exit_code == 1
    assert "surface: 2 changes" in refused.output
    assert (
        "Readers no longer find coffee_shop.guests: target live builds it as coffee_shop.customers." in refused.output
    )
    assert "Readers no longer find coffee_shop.takings_by_month: the project has no such model" in refused.output
    assert "Write the surface?" in refused.output
    assert (shop.folder / SURFACE_FILE).read_bytes() == before

    assert accept(shop, "takings_by_month", "--yes").exit_code == 0
    assert relations(shop).get("guests") == "coffee_shop.guests", "accepted was the other model alone"
    assert "takings_by_month" not in relations(shop)
    assert accept(shop, answer="y\n").exit_code == 0
    assert relations(shop)["guests"] == "coffee_shop.customers"
    report = run(shop)
    assert (report["verdict"], report["findings"], report["notices"]) == ("healthy", [], [])


def relations(shop: DbtProject) -> dict[str, str | None]:
    """The accepted relations by model."""
    accepted = Surface.accepted(shop.folder)
    assert accepted is not None
    return {name: model.relation for name, model in accepted.models.items()}


def test_without_an_accepted_surface_or_a_live_target_there_are_notices_and_nothing_is_red(shop: DbtProject) -> None:
    (shop.folder / SURFACE_FILE).unlink()
    (shop.folder / "angiogram.yml").unlink()
    shop.replace("models/core/guests.sql", "with guests", "{{ config(alias='customers') }}\nwith guests")
    without_test(shop, "base_guests")
    (shop.folder / "seeds" / "expected" / "expected__base_guests.csv").unlink()

    report = run(shop)

    assert report["verdict"] == "healthy"
    assert [code for code, _ in notices(report)] == ["live_sql_not_compared", "no_surface"]
    assert stages_of(report)["base_guests"]["verdict"] == "not_watched"
    assert report["models"] == {"watched": 5, "total": 6}


def test_a_live_target_that_is_compared_no_more_is_a_finding_until_it_is_accepted(shop: DbtProject) -> None:
    (shop.folder / "angiogram.yml").unlink()

    report = run(shop)

    (found,) = report["findings"]
    assert (found["kind"], found["file"]) == ("watch", "angiogram.yml")
    assert found["stage"] == {"kind": "target", "name": "live"}
    assert "names no live_target; the accepted surface is that of target live" in found["text"]
    assert accept(shop, "--yes").exit_code == 0
    assert run(shop)["verdict"] == "healthy"


def test_accept_needs_no_live_target_for_columns_and_what_is_watched(shop: DbtProject) -> None:
    (shop.folder / SURFACE_FILE).unlink()
    (shop.folder / "angiogram.yml").unlink()
    assert accept(shop, "--yes").exit_code == 0
    accepted = Surface.accepted(shop.folder)
    assert accepted is not None
    assert accepted.models["guests"].relation is None
    assert list(accepted.models["guests"].columns or ())[:2] == ["guest_id", "guest_name"]
