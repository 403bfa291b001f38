"""What of dbt sensitivity knows: it is run as dbt runs it, or refused by name."""

from pathlib import Path

import pytest

from angiogram.errors import NotReady
from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.feed import surroundings
from angiogram.sensitivity.runner import Runner

SNAPSHOT = """
snapshots:
  - name: guests_before
    relation: ref('raw_guests')
    config: {unique_key: id, strategy: check, check_cols: all}
"""
VERSIONS = """
models:
  - name: bills
    latest_version: 1
    versions: [{v: 1}, {v: 2}]
"""
NEWEST = "{{ config(materialized='incremental', incremental_strategy='own') }} select 1"


def test_mistakes_in_an_ephemeral_model_are_made_in_its_readers(coffee_shop: Path) -> None:
    model = coffee_shop / "models" / "base" / "base_lines.sql"
    model.write_text("{{ config(materialized='ephemeral') }}\n" + model.read_text())
    project = compile_project(coffee_shop)
    assert "base_lines" not in project.models
    assert {"base_tickets", "menu", "raw_lines"} <= set(project.models["tickets"].reads)
    with Runner(project, coffee_shop, "angiogram", surroundings(project, coffee_shop)) as runner:
        mutants = [m for m in runner.mutants() if m.before == "cups > 0"]
        outcomes, _ = runner.run(mutants)
    assert {m.node for m in mutants} == {"tickets"}
    assert "differs" in {outcome.how for outcome in outcomes}


def test_what_narrows_a_merge_is_known(coffee_shop: Path) -> None:
    model = coffee_shop / "models" / "core" / "tickets.sql"
    settings = "unique_key='ticket_id', merge_exclude_columns=['state'], incremental_predicates=['true'],"
    model.write_text(model.read_text().replace("unique_key='ticket_id',", settings))
    later = compile_project(coffee_shop).models["tickets"].incremental
    assert later is not None
    assert (later.exclude_columns, later.predicates) == (("state",), ("true",))


@pytest.mark.parametrize(
    ("files", "refusal"),
    [
        pytest.param(
            {
                "snapshots/snapshots.yml": SNAPSHOT,
                "models/reports/history.sql": "select * from {{ ref('guests_before') }}",
            },
            "history reads the snapshot guests_before",
            id="snapshot",
        ),
        pytest.param(
            {"models/reports/scores.py": "def model(dbt, session):\n    return dbt.ref('guests')\n"},
            "scores is a python model",
            id="Python",
        ),
        pytest.param(
            {
                "models/reports/bills.yml": VERSIONS,
                "models/reports/bills_v1.sql": "select 1 as bill",
                "models/reports/bills_v2.sql": "select 2 as bill",
            },
            "several models bills",
            id="versions",
        ),
        pytest.param(
            {"models/reports/newest.sql": NEWEST},
            "newest has the incremental strategy own",
            id="strategy",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(coffee_shop: Path, files: dict[str, str], refusal: str) -> None:
    for name, text in files.items():
        file = coffee_shop / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    with pytest.raises(NotReady, match=f"{refusal}.* under target angiogram"):
        compile_project(coffee_shop)
