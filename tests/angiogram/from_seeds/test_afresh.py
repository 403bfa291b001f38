"""A run meets nothing that an earlier one left, and a model that is gone is never passed over."""

import re
import shutil
from pathlib import Path

import pytest

from angiogram.author.accept import propose
from angiogram.core.stage_id import StageId
from angiogram.dbt.project import Project
from angiogram.judge.guards.guards import LEFT_BY_HOOKS
from tests.angiogram.edits import edit, prepend
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked

LINES = """
      expected__base_lines:
        +enabled: false"""
ON_START = '\n  - "{{ data_angiogram.keep_dye_apart() }}"\n'
OLD_NAME = "select * from {{ ref('guests') }}\nwhere guest_id in (select guest_id from angiogram_coffee_shop.visitors)"


def test_the_table_of_a_renamed_model_answers_nobody(coffee_shop: Path, judge: Judge) -> None:
    (coffee_shop / ".angiogram" / "surface.yml").unlink()  # the other name is no finding of its own then
    guests = coffee_shop / "models" / "core" / "guests.sql"
    prepend(guests, "{{ config(alias='visitors') }}\n")
    reader = coffee_shop / "models" / "reports" / "regulars.sql"
    reader.write_text(OLD_NAME)
    assert blocked(judge(coffee_shop)) == []
    edit(guests, "{{ config(alias='visitors') }}\n", "")
    assert blocked(judge(coffee_shop)) == ["regulars"]


def test_accept_is_answered_by_no_table_of_an_earlier_build(coffee_shop: Path) -> None:
    """Where a fresh database blocks, there is never "nothing to accept"."""
    guests = coffee_shop / "models" / "core" / "guests.sql"
    prepend(guests, "{{ config(alias='visitors') }}\n")
    (coffee_shop / "models" / "reports" / "regulars.sql").write_text(OLD_NAME)
    assert propose(Project(coffee_shop, tests=False, dye_source="seeds"), [], print).models == []
    edit(guests, "{{ config(alias='visitors') }}\n", "")
    proposals = propose(Project(coffee_shop, tests=False, dye_source="seeds"), [], print)
    assert proposals.unrecorded == {"regulars": "dbt could not build it"}


READS_ITSELF = """{{{{ config(materialized='table') }}}}
{{% if execute and load_relation(this) %}}select * from {{{{ this }}}}
{{% else %}}select id as guest_id, {name} as guest_name from {{{{ raw('guests') }}}}{{% endif %}}
"""


def test_neither_a_model_that_reads_itself_nor_an_expected_seed_of_other_types_answers_from_before(
    coffee_shop: Path, judge: Judge
) -> None:
    """`full_refresh: false` keeps the types of a seed's table, and a table that is there passes for its SQL."""
    (coffee_shop / ".angiogram" / "surface.yml").unlink()
    project, guests = coffee_shop / "dbt_project.yml", coffee_shop / "models" / "base" / "base_guests.sql"
    types = "      expected__takings_by_month:\n        +column_types: {month: date, tickets: bigint, takings: numeric}"
    edit(project, types, f"{types}\n        +full_refresh: false")
    guests.write_text(READS_ITSELF.format(name="trim(full_name)"))
    assert blocked(judge(coffee_shop)) == []
    guests.write_text(READS_ITSELF.format(name="full_name"))
    edit(project, "tickets: bigint, takings: numeric}", "tickets: text, takings: numeric}")
    edit(coffee_shop / "models" / "reports" / "takings_by_month.sql", "count(*) as", "count(*)::text as")
    assert blocked(judge(coffee_shop)) == ["base_guests"]


def test_a_materialized_view_that_cannot_be_made_is_no_old_one_refreshed(coffee_shop: Path, judge: Judge) -> None:
    takings = coffee_shop / "models" / "reports" / "takings_by_month.sql"
    prepend(takings, "{{ config(materialized='materialized_view', full_refresh=false) }}\n")
    assert blocked(judge(coffee_shop)) == []
    edit(takings, "/ 100.0 as takings", "/ 0 as takings")
    assert blocked(judge(coffee_shop)) == ["takings_by_month"]


@pytest.mark.parametrize("folder", ["analyses", "tests"])
def test_a_model_moved_to_where_nothing_is_compared_is_named(coffee_shop: Path, judge: Judge, folder: str) -> None:
    (coffee_shop / folder).mkdir(exist_ok=True)
    (coffee_shop / "models" / "reports" / "takings_by_month.sql").rename(coffee_shop / folder / "takings_by_month.sql")
    report = judge(coffee_shop)
    assert blocked(report) == ["takings_by_month"]
    (finding,) = report["findings"]
    assert (finding["kind"], finding["file"]) == ("build", f"{folder}/takings_by_month.sql")


def test_an_expected_seed_that_nothing_is_compared_with_is_named_without_an_accepted_surface_too(
    coffee_shop: Path, judge: Judge
) -> None:
    """Its test is gone; the seed is disabled; and a seed has taken the place of the model, whose own test is gone."""
    (coffee_shop / ".angiogram" / "surface.yml").unlink()
    models, seeds = coffee_shop / "models", coffee_shop / "seeds"
    text = (models / "models.yml").read_text()
    for name in ("base_guests", "takings_by_month"):
        [described] = re.findall(rf"  - name: {name}\n(?:    .*\n)+", text)
        text = text.replace(described, "")
    (models / "models.yml").write_text(text)
    edit(models / "base" / "base_guests.sql", "trim(full_name)", "full_name")
    edit(coffee_shop / "dbt_project.yml", "\n      expected__base_lines:", LINES)
    (models / "reports" / "takings_by_month.sql").unlink()
    shutil.copy(seeds / "expected" / "expected__takings_by_month.csv", seeds / "reference" / "takings_by_month.csv")
    report = judge(coffee_shop)
    assert (report["verdict"], report["models"]["watched"]) == ("blocked", 4)
    found = {str(StageId.of(finding["stage"])): finding for finding in report["findings"]}
    assert {found.pop("base_guests")["kind"]} == {"output"}, "its expected seed is enough"
    assert found.keys() == {"base_lines", "seed:takings_by_month"}
    assert (found["base_lines"]["kind"], found["seed:takings_by_month"]["kind"]) == ("watch", "output")
    assert found["base_lines"]["file"] == "seeds/expected/expected__base_lines.csv"


HOOK = """
  - "create or replace function {{ target.schema }}.euros(n numeric) returns numeric language sql return n / 100.0"
"""
SAME_NAMES = "{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}"
IN_LAB = "{{ config(schema='lab' if data_angiogram.is_dye_target() else none) }}\n"


def test_neither_the_function_of_an_earlier_hook_nor_a_schema_that_is_written_no_more_answers(
    coffee_shop: Path, judge: Judge
) -> None:
    (coffee_shop / "angiogram.yml").unlink()  # SQL that differs by target is a finding of its own
    (coffee_shop / ".angiogram" / "surface.yml").unlink()
    (coffee_shop / "macros" / "generate_schema_name.sql").write_text(SAME_NAMES)
    project, guests = coffee_shop / "dbt_project.yml", coffee_shop / "models" / "core" / "guests.sql"
    edit(project, ON_START, f"{ON_START.rstrip()}{HOOK}")
    edit(guests, "sum(total_cents) / 100.0", "{{ target.schema }}.euros(sum(total_cents))")
    prepend(guests, IN_LAB)
    assert blocked(judge(coffee_shop)) == []
    edit(project, HOOK, "\n")
    edit(guests, IN_LAB, "")
    takings = coffee_shop / "models" / "reports" / "takings_by_month.sql"
    edit(takings, "where state = 'paid'", "where state = 'paid' and guest_id in (select guest_id from lab.guests)")
    found = {finding["stage"]["name"]: finding["text"] for finding in judge(coffee_shop)["findings"]}
    assert found.keys() == {"guests", "takings_by_month"}
    assert "euros(numeric) does not exist" in found["guests"]
    assert 'relation "lab.guests" does not exist' in found["takings_by_month"]


IN_LAB_OF_HOOKS = """
  - "create schema if not exists {{ target.schema }}_lab"
  - "create table if not exists {{ target.schema }}_lab.rates as select 100.0 as per_euro"
"""
EUROS = '  - "create or replace function {{ target.schema }}_lab.euros(n numeric) returns numeric return n / 100.0"\n'
IN_UTIL = """
  - "create schema if not exists util"
  - "create or replace function util.euros(n numeric) returns numeric return n / 100.0"
"""


def test_what_only_hooks_make_in_a_schema_of_their_own_answers_no_later_run(coffee_shop: Path, judge: Judge) -> None:
    (coffee_shop / "angiogram.yml").unlink()
    shutil.rmtree(coffee_shop / ".angiogram")
    project, guests = coffee_shop / "dbt_project.yml", coffee_shop / "models" / "core" / "guests.sql"
    edit(project, ON_START, f"{ON_START.rstrip()}{IN_LAB_OF_HOOKS}{EUROS}")
    edit(guests, "/ 100.0", "/ (select per_euro from {{ target.schema }}_lab.rates)")
    takings = coffee_shop / "models" / "reports" / "takings_by_month.sql"
    edit(takings, "sum(total_cents) / 100.0", "{{ target.schema }}_lab.euros(sum(total_cents))")
    report = judge(coffee_shop)
    assert (blocked(report), LEFT_BY_HOOKS in [notice["code"] for notice in report["notices"]]) == ([], False)
    edit(project, EUROS, "")
    edit(project, "select 100.0", "select 10.0")
    found = {finding["stage"]["name"]: finding["text"] for finding in judge(coffee_shop)["findings"]}
    assert found.keys() == {"guests", "takings_by_month"}
    assert found["guests"].startswith("3 differences")
    assert "_lab.euros(numeric) does not exist" in found["takings_by_month"]
    edit(project, IN_LAB_OF_HOOKS.replace("100.0", "10.0"), "\n")
    found = {finding["stage"]["name"]: finding["text"] for finding in judge(coffee_shop)["findings"]}
    assert '_lab.rates" does not exist' in found["guests"]


def test_what_hooks_leave_between_runs_is_named(coffee_shop: Path, judge: Judge) -> None:
    """In a schema that live builds may share, nothing is dropped."""
    edit(coffee_shop / "dbt_project.yml", ON_START, f"{ON_START.rstrip()}{IN_UTIL}")
    report = judge(coffee_shop)
    assert blocked(report) == []
    (told,) = (notice["text"] for notice in report["notices"] if notice["code"] == LEFT_BY_HOOKS)
    assert "util.euros (hook coffee_shop-on-run-start-2)" in told
