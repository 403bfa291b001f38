"""What goes wrong in one batch stays wrong, and batches that test nothing are told."""

from contextlib import closing
from pathlib import Path

import pytest

from ingestion.contract import ANGIOGRAM
from ingestion.database.sessions import connect
from tests.angiogram.edits import edit, prepend
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked, stages_of

BATCH_1_FAILS = "where 1 / ((select count(*) from {{ ref('base_tickets') }}) - 11) <> 0"
"""A condition that fails while there are eleven rows of tickets, as many as batch 1 has."""


def test_an_error_in_the_first_batch_is_not_forgotten_for_a_second_that_went_well(
    coffee_shop: Path, judge: Judge
) -> None:
    """What batch 2 makes on top of it may be right: all rows at once, or the rows of a run before."""
    tickets = coffee_shop / "models" / "core" / "tickets.sql"
    assert blocked(judge(coffee_shop)) == []
    edit(tickets, "    from tickets\n    order", f"    from tickets\n    {BATCH_1_FAILS}\n    order")
    report = judge(coffee_shop)
    assert blocked(report) == ["tickets"]
    (finding,) = report["findings"]
    assert (finding["kind"], finding["file"]) == ("build", "models/core/tickets.sql")
    assert finding["text"].startswith("in batch 1: Database Error: division by zero")
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert (health["takings_by_month"], health["guests"]) == ("not_built", "not_built")
    assert health["base_tickets"] == "healthy"


LOCKED = """
  - "{% if results | selectattr('node.resource_type', 'equalto', 'model') | list %}
     select pg_terminate_backend(pid) from pg_locks where relation = 'elsewhere.rates'::regclass and granted
     and pid <> pg_backend_pid(){% endif %}"
"""


def test_a_lock_of_another_session_in_the_first_batch_is_not_forgotten_either(coffee_shop: Path, judge: Judge) -> None:
    """The other session ends with that batch."""
    with closing(connect(ANGIOGRAM, "tests")) as other:
        other.cursor().execute("create schema elsewhere; create table elsewhere.rates as select 1 as one")
        other.commit()
        other.cursor().execute("lock table elsewhere.rates")
        guests = coffee_shop / "models" / "core" / "guests.sql"
        prepend(guests, "{{ config(pre_hook=\"set local lock_timeout = '50ms'\") }}\n")
        edit(guests, "select * from final", "select * from final where exists (select from elsewhere.rates)")
        edit(coffee_shop / "dbt_project.yml", "\nmodels:\n", f"\non-run-end:{LOCKED}\nmodels:\n")
        report = judge(coffee_shop)
    assert blocked(report) == ["guests"]
    (finding,) = report["findings"]
    assert finding["text"].startswith("in batch 1: Database Error: canceling statement due to lock timeout")


MICROBATCHES = """
{{ config(
    materialized='incremental', incremental_strategy='microbatch', unique_key='ticket_id',
    event_time='opened_on', batch_size='year', begin='2024-01-01',
) }}
select ticket_id, opened_on, 1 / (2025 - extract(year from opened_on)) as inverse
from {{ ref('base_tickets') }}
"""


def test_a_model_of_which_one_microbatch_failed_is_no_success(coffee_shop: Path, judge: Judge) -> None:
    """dbt calls that a partial success, goes on with what reads the model, and names the error in its log alone."""
    (coffee_shop / "models" / "reports" / "yearly.sql").write_text(MICROBATCHES)
    edit(
        coffee_shop / "models" / "models.yml",
        "  - name: base_tickets\n",
        "  - name: base_tickets\n    config: {event_time: opened_on}\n",
    )
    report = judge(coffee_shop)
    assert blocked(report) == ["yearly"]
    (finding,) = report["findings"]
    assert finding["kind"] == "build"
    assert finding["text"].startswith("PARTIAL SUCCESS (")
    assert finding["text"].endswith("division by zero")


@pytest.mark.parametrize("numbers", [{"1": "2", "2": "2"}, {"1": "0", "2": "1"}], ids=["2 only", "0 and 1"])
def test_batches_that_leave_the_incremental_form_untested_are_told(
    coffee_shop: Path, judge: Judge, numbers: dict[str, str]
) -> None:
    dye = coffee_shop / "seeds" / "input" / "raw_tickets.csv"
    header, *lines = dye.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    dye.write_text("\n".join([header, *(",".join([row[0], numbers[row[1]], *row[2:]]) for row in rows)]) + "\n")
    (notice,) = judge(coffee_shop)["notices"]
    assert notice["code"] == "incremental_untested"
    assert notice["text"].startswith("The incremental form of tickets was not tested")
