"""What of dbt sensitivity knows: it is run as dbt runs it, or refused by name."""

import re
from pathlib import Path

import pytest

from angiogram.core.errors import UnsupportedProject
from angiogram.sensitivity.bench.runner import Runner
from angiogram.sensitivity.compiled import compile_project
from angiogram.sensitivity.witnesses.feed import surroundings
from angiogram.sensitivity.witnesses.survivors import crowds, told_apart
from angiogram.sensitivity.witnesses.witness import witnesses

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


@pytest.mark.parametrize(("watched", "node"), [(True, "base_lines"), (False, "tickets")])
def test_mistakes_in_an_ephemeral_model_are_its_own_or_if_nothing_compares_it_made_in_its_readers(
    coffee_shop: Path, watched: bool, node: str
) -> None:
    model = coffee_shop / "models" / "base" / "base_lines.sql"
    model.write_text("{{ config(materialized='ephemeral') }}\n" + model.read_text())
    if not watched:
        (coffee_shop / "seeds" / "expected" / "expected__base_lines.csv").unlink()
        told = (coffee_shop / "models" / "models.yml").read_text()
        [test] = re.findall(r"  - name: base_lines\n(?:    .*\n)+", told)
        (coffee_shop / "models" / "models.yml").write_text(told.replace(test, ""))
    project = compile_project(coffee_shop)
    assert ("base_lines" in project.models) is watched
    above = {"base_lines"} if watched else {"menu", "raw_lines"}
    assert {"base_tickets"} | above <= set(project.models["tickets"].reads)
    with Runner(project, coffee_shop, "angiogram", surroundings(project, coffee_shop)) as runner:
        mutants = [m for m in runner.mutants() if m.before == "cups > 0"]
        outcomes, _ = runner.run(mutants)
    assert {m.node for m in mutants} == {node}
    assert "differs" in {outcome.how for outcome in outcomes}


def test_what_narrows_a_merge_is_known(coffee_shop: Path) -> None:
    model = coffee_shop / "models" / "core" / "tickets.sql"
    settings = "unique_key='ticket_id', merge_exclude_columns=['state'], incremental_predicates=['true'],"
    model.write_text(model.read_text().replace("unique_key='ticket_id',", settings))
    later = compile_project(coffee_shop).models["tickets"].incremental
    assert later is not None
    assert (later.exclude_columns, later.predicates) == (("state",), ("true",))


CAPITALS = """seeds:
  coffee_shop:
    Orders:
      +schema: Mixed Case
      input: {{+quote_columns: {quoted}, +column_types: {{OrderId: integer, Amount: numeric}}}}
      expected: {{+column_types: {{{order}: integer, Due: numeric}}}}
"""
ORDERS = """{{{{ config(schema='Mixed Case') }}}}
select "{order}", "{amount}" as "Due" from {{{{ ref('RawOrders') }}}} as "Raw" where "Raw"."{amount}" > 9"""


@pytest.mark.parametrize(
    ("quoted", "order", "amount"),
    [pytest.param("true", "OrderId", "Amount", id="quoted"), pytest.param("false", "orderid", "amount", id="unquoted")],
)
def test_names_in_capitals_are_those_that_postgresql_has(
    coffee_shop: Path, quoted: str, order: str, amount: str
) -> None:
    """Of schemas, tables and columns. A seed's columns that dbt does not quote are written in small letters."""
    settings = coffee_shop / "dbt_project.yml"
    orders = CAPITALS.format(quoted=quoted, order=order)
    settings.write_text(settings.read_text().replace("seeds:\n  coffee_shop:\n", orders))
    files = {
        "models/Orders.sql": ORDERS.format(order=order, amount=amount),
        "seeds/Orders/input/RawOrders.csv": "OrderId,Amount\n1,8.00\n2,10.00\n",
        "seeds/Orders/expected/expected__Orders.csv": f"{order},Due\n2,10.00\n",
    }
    for name, text in files.items():
        (coffee_shop / name).parent.mkdir(parents=True, exist_ok=True)
        (coffee_shop / name).write_text(text)
    project = compile_project(coffee_shop)
    with Runner(project, coffee_shop, "angiogram", surroundings(project, coffee_shop)) as runner:
        mutants = [m for m in runner.mutants() if m.node == "Orders"]
        outcomes, _ = runner.run(mutants)
    survivors = [m for m, outcome in zip(mutants, outcomes, strict=True) if outcome.how == "survived"]
    boundary = [m for m in survivors if ">=" in m.after]
    assert len(boundary) == 1
    inputs = crowds(project, coffee_shop)
    apart = told_apart(project, coffee_shop, "angiogram", boundary, inputs)
    [witness] = witnesses(project, coffee_shop, "angiogram", boundary, apart, inputs)
    [rows_added] = witness.told(project).rows
    assert (rows_added.header, rows_added.lines) == ("OrderId,Amount", "21,9.00\n")


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
    with pytest.raises(UnsupportedProject, match=f"{refusal}.* under the dye target"):
        compile_project(coffee_shop)


def test_a_dye_in_a_folder_of_another_name_is_no_dye(coffee_shop: Path) -> None:
    (coffee_shop / "seeds" / "input").rename(coffee_shop / "seeds" / "raw")
    with pytest.raises(UnsupportedProject, match=r"reads an input seed.*folder named input"):
        surroundings(compile_project(coffee_shop), coffee_shop)
