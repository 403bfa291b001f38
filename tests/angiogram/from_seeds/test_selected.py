"""Runs of selected models on PostgreSQL: what is fed, with which types, and what is there."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria
from angiogram.judge.from_seeds import run_from_seeds
from tests.angiogram.edits import edit
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked
from tests.report_schema import validated
from tests.services import connect_as_administrator

RELATIONS = (
    "select relname::text from pg_class where relnamespace = 'angiogram_coffee_shop'::regnamespace"
    " and relkind in ('r', 'v') and relname !~ '^(expected__|raw_)' order by 1"
)


def select(project: Path, *words: str) -> dict[str, Any]:
    """The report on a run of what is selected."""
    return validated(run_from_seeds(Project(project, dye_source="seeds"), criteria=Criteria(select=words)).report)


def asked(database: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, if it has any."""
    with closing(connect_as_administrator(database)) as server, server.cursor() as query:
        query.execute(statement)
        return query.fetchall() if query.description else []


def test_only_selected_models_are_built_and_a_live_table_answers_nothing(
    coffee_shop: Path, database: str, judge: Judge
) -> None:
    """What an earlier whole run left is gone, and what the live target has is never read."""
    assert judge(coffee_shop)["verdict"] == "healthy"
    asked(database, "create schema coffee_shop; create table coffee_shop.tickets (ticket_id int)")
    edit(coffee_shop / "models/core/guests.sql", "/ 100.0", "/ 10.0")
    edit(coffee_shop / "models/core/tickets.sql", "lines.cups * menu.price_cents", "lines.cups")
    found = select(coffee_shop, "guests")
    assert blocked(found) == ["guests"]
    assert [one["name"] for one in found["selection"]["fed"]] == ["base_guests", "tickets"]
    assert asked(database, RELATIONS) == [("base_guests",), ("guests",), ("menu",), ("tickets",)]
    edit(coffee_shop / "models/core/guests.sql", "/ 10.0", "/ 100.0")
    assert blocked(select(coffee_shop, "guests")) == []
    assert blocked(judge(coffee_shop)) == ["tickets"]
    asked(database, "drop schema coffee_shop cascade")


def test_what_is_fed_has_the_columns_of_the_accepted_surface(coffee_shop: Path, database: str) -> None:
    """A seed may have other types than its model: both write the same JSON."""
    edit(coffee_shop / "dbt_project.yml", "total_cents: bigint}", "total_cents: text}")
    edit(coffee_shop / "dbt_project.yml", "drink_cups: bigint", "drink_cups: text")
    found = select(coffee_shop, "takings_by_month")
    assert (found["verdict"], found["selection"]["also_built"]) == ("healthy", [])
    types = asked(database, "select distinct pg_typeof(total_cents)::text from angiogram_coffee_shop.tickets")
    assert types == [("bigint",)]


def test_a_hook_that_names_what_is_left_out_is_no_failure_of_the_selection(coffee_shop: Path) -> None:
    project = coffee_shop / "dbt_project.yml"
    end = '\non-run-end:\n  - "analyze {{ target.schema }}.takings_by_month"\n'
    project.write_text(project.read_text() + end)
    assert select(coffee_shop, "guests")["verdict"] == "healthy"


def test_a_broken_model_elsewhere_does_not_stop_the_selected_ones(coffee_shop: Path) -> None:
    """dbt builds the selected models all the same, and the broken file is named."""
    edit(coffee_shop / "models/reports/takings_by_month.sql", "sum(total_cents)", "sum(total_pence)")
    assert select(coffee_shop, "guests")["verdict"] == "healthy"
    (coffee_shop / "models/reports/takings_by_month.sql").write_text("{% if %}")
    found = select(coffee_shop, "guests")
    assert [(one["kind"], one["name"]) for one in found["blockage"]] == [("model", "takings_by_month")]
    found = select(coffee_shop, "takings_by_month")
    assert [(one["kind"], one["name"]) for one in found["blockage"]] == [("model", "takings_by_month")]
    (coffee_shop / "dbt_project.yml").write_text("name: [")
    assert [one["kind"] for one in select(coffee_shop, "guests")["findings"]] == ["build"]


def test_what_is_compared_in_part_gives_no_table_to_read(coffee_shop: Path) -> None:
    edit(
        coffee_shop / "models/models.yml",
        "            key: guest_id\n          config: {enabled",
        '            key: guest_id\n          config: {where: "guest_id > 0", enabled',
    )
    edit(
        coffee_shop / "models/models.yml",
        "            key: [ticket_id]\n",
        "            key: [ticket_id]\n            precision: {total_cents: 0}\n",
    )
    found = select(coffee_shop, "guests")
    reasons = {one["stage"]["name"]: one["reason"] for one in found["selection"]["also_built"]}
    assert reasons.keys() == {"base_guests", "tickets", "base_tickets"}
    assert reasons["base_guests"] == "its expected seed has only the rows that the test's `where` chooses"
    assert "precision" in reasons["tickets"]
    assert [one["name"] for one in found["selection"]["fed"]] == ["base_lines"]
    assert found["verdict"] == "healthy"


def test_an_incremental_model_is_fed_batch_by_batch_where_rows_are_messages(
    project_copy: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row with a message_id arrives with its message, at a position that is known too."""
    for variable in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        monkeypatch.setenv(variable, str(project_copy))
    found = select(project_copy, "fct_rides")
    assert (found["verdict"], [stage["name"] for stage in found["stages"]]) == ("healthy", ["fct_rides"])
    assert [one["name"] for one in found["selection"]["fed"]] == ["int_rides__checked"]
    assert "incremental_untested" not in {notice["code"] for notice in found["notices"]}


def test_an_expected_seed_that_cannot_have_the_models_types_does_not_stand_for_it(coffee_shop: Path) -> None:
    edit(
        coffee_shop / ".angiogram/surface.yml",
        "      guest_id: integer\n      guest_name: text",
        "      guest_id: integer\n      guest_name: mood",
    )
    found = select(coffee_shop, "guests")
    (also,) = found["selection"]["also_built"]
    assert also["stage"]["name"] == "base_guests"
    assert also["reason"] == 'its expected seed cannot be read with the model\'s types: type "mood" does not exist'
