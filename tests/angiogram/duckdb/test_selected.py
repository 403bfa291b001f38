"""Runs of selected models: what is built, what is fed, and what the verdict covers."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from angiogram.author.accept import propose, write
from angiogram.cli.main import app
from angiogram.core.errors import NothingSelected, UnusableState
from angiogram.dbt.command import run_dbt
from angiogram.dbt.project import Project
from angiogram.dbt.selection.criteria import Criteria
from angiogram.judge.from_seeds import run_from_seeds
from tests.angiogram.duckdb.conftest import Judge
from tests.angiogram.edits import edit
from tests.angiogram.recorded import states
from tests.report_schema import validated

PRICED, ORDERS, BY_DAY = (f"models/sales/{name}.sql" for name in ("priced_orders", "orders", "sales_by_day"))


def select(project: Path, *words: str, exclude: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """The report on a run of what is selected."""
    found = run_from_seeds(
        Project(project, dye_source="seeds"), wait=0, criteria=Criteria(select=words, exclude=exclude, **more)
    )
    return validated(found.report)


def relations() -> set[str]:
    """The models' tables and views in the dye's file."""
    with duckdb.connect("dye.duckdb") as database:
        found = database.execute(
            "select table_name from duckdb_tables() where not regexp_matches(schema_name, 'expected|input|reference')"
            " and schema_name like 'dye%' union select view_name from duckdb_views() where schema_name like 'dye%'"
        )
        return {name for (name,) in found.fetchall()}


def state_of(project: Path, target: str) -> Path:
    """A folder with the manifest that dbt itself writes of the project under a target."""
    folder = project.parent / f"state_{target}"
    done = run_dbt(
        [
            *("parse", "--target", target, "--target-path", str(folder), "--log-path", str(folder)),
            *("--project-dir", str(project), "--profiles-dir", str(project), "--no-partial-parse"),
        ]
    )
    assert done.success, done.error
    return folder


def test_no_run_is_answered_by_what_another_left(bakery: Path, judge: Judge) -> None:
    """A whole run, a selected one beside a fault in what it reads, an edit, and a whole run again."""
    assert judge(bakery)["verdict"] == "healthy"
    edit(bakery / ORDERS, "    amount,", "    amount * 2 as amount,")
    found = select(bakery, "sales_by_day")
    assert (found["verdict"], states(found)) == ("healthy", {"sales_by_day": "healthy"})
    assert found["selection"] == {
        "by": "--select sales_by_day",
        "selected": 1,
        "total": 7,
        "fed": [{"kind": "model", "name": "orders"}],
        "also_built": [],
    }
    assert relations() == {"orders", "sales_by_day"}
    whole = judge(bakery)
    assert ("selection" in whole, [stage["name"] for stage in whole["blockage"]]) == (False, ["orders"])
    edit(bakery / ORDERS, "    amount * 2 as amount,", "    amount,")
    edit(bakery / BY_DAY, "sum(amount)", "max(amount)")
    assert states(select(bakery, "sales_by_day")) == {"sales_by_day": "blocked"}
    edit(bakery / BY_DAY, "max(amount)", "sum(amount)")
    assert judge(bakery)["verdict"] == "healthy"


def test_what_keeps_rows_takes_the_dye_batch_by_batch(bakery: Path) -> None:
    """An expected seed says what a model holds after the last batch alone."""
    found = select(bakery, "orders", "customers_over_time")
    assert states(found) == {
        "raw_orders": "healthy",
        "stg_orders": "healthy",
        "loaves": "healthy",
        "priced_orders": "healthy",
        "orders": "healthy",
        "raw_customers": "healthy",
        "customers": "healthy",
        "customers_over_time": "healthy",
    }
    assert found["selection"]["fed"] == []
    reasons = {one["stage"]["name"]: one["reason"] for one in found["selection"]["also_built"]}
    assert reasons.keys() == {"stg_orders", "priced_orders", "customers"}
    assert "after each batch" in reasons["stg_orders"]
    assert "ephemeral" in reasons["priced_orders"]
    assert "incremental_untested" not in {notice["code"] for notice in found["notices"]}
    # Its own later form is tested, and a fault in it found.
    edit(
        bakery / ORDERS,
        "where id not in (select id from {{ this }}) or quantity > 10",
        "where false",
    )
    assert states(select(bakery, "orders"))["orders"] == "blocked"


def test_an_ephemeral_model_is_compared_on_what_is_fed(bakery: Path) -> None:
    edit(bakery / PRICED, "orders.quantity * loaves.price", "orders.quantity + loaves.price")
    found = select(bakery, "priced_orders")
    assert states(found) == {"loaves": "healthy", "priced_orders": "blocked"}
    assert found["selection"]["fed"] == [{"kind": "model", "name": "stg_orders"}]


def test_a_parent_without_an_expected_seed_is_built_and_named(bakery: Path) -> None:
    (bakery / "seeds/expected/expected__stg_orders.csv").unlink()
    text = (bakery / "models/models.yml").read_text()
    start, end = text.index("  - name: stg_orders"), text.index("  - name: priced_orders")
    (bakery / "models/models.yml").write_text(text[:start] + text[end:])
    found = select(bakery, "priced_orders")
    assert (found["verdict"], states(found)["stg_orders"]) == ("healthy", "not_watched")
    assert found["selection"]["also_built"] == [
        {"stage": {"kind": "model", "name": "stg_orders"}, "reason": "it has no expected seed"}
    ]


def test_dbt_alone_reads_the_grammar(bakery: Path) -> None:
    (bakery / "selectors.yml").write_text(
        "selectors: [{name: towns, definition: {union: [customers_over_time, moves, {exclude: [moves]}]}}]"
    )
    found = run_from_seeds(Project(bakery, dye_source="seeds"), wait=0, criteria=Criteria(selector="towns")).report
    assert (found["selection"]["by"], found["selection"]["selected"]) == ("--selector towns", 1)
    found = select(bakery, "1+sales_by_day", "config.materialized:view,path:models/customers", exclude=("orders",))
    assert (found["verdict"], found["selection"]["selected"]) == ("healthy", 2)
    assert states(found).keys() >= {"sales_by_day", "customers"}
    with pytest.raises(NothingSelected, match=r"No model is selected by --select loaves nowhere, so nothing was built"):
        select(bakery, "loaves", "nowhere")


def test_what_was_modified_is_built_with_what_reads_it(bakery: Path) -> None:
    """dbt compares with the manifest of the dye target, or of the live target."""
    (bakery / "angiogram.yml").write_text("live_target: live\n")
    for target in ("angiogram", "live"):
        state = state_of(bakery, target)
        with pytest.raises(NothingSelected, match="nothing that this selects was modified"):
            select(bakery, "state:modified+", state=state)
        edit(bakery / PRICED, "orders.quantity * loaves.price", "orders.quantity + loaves.price")
        found = select(bakery, "state:modified+", exclude=("orders",), state=state)
        assert [stage["name"] for stage in found["blockage"]] == ["priced_orders"]
        assert found["selection"]["selected"] == 2
        assert [one["name"] for one in found["selection"]["fed"]] == ["orders", "stg_orders"]
        edit(bakery / PRICED, "orders.quantity + loaves.price", "orders.quantity * loaves.price")
    edit(bakery / "macros/raw_orders.sql", "'raw_orders', 'till'", "'raw_' ~ 'orders', 'till'")
    found = select(bakery, "state:modified+", exclude=("orders+",), state=state)
    assert states(found).keys() == {"raw_orders", "stg_orders", "loaves", "priced_orders"}


def test_a_state_that_is_missing_or_of_another_project_is_refused_by_name(bakery: Path) -> None:
    state = state_of(bakery, "angiogram")
    with pytest.raises(UnusableState, match=r"There is no .*nowhere/manifest.json"):
        select(bakery, "state:modified", state=bakery / "nowhere")
    told = json.loads((state / "manifest.json").read_text())
    (state / "manifest.json").write_text(json.dumps(told | {"metadata": {**told["metadata"], "project_name": "shop"}}))
    with pytest.raises(UnusableState, match="is the manifest of dbt project shop, and this project is bakery"):
        select(bakery, "state:modified", state=state)
    (state / "manifest.json").write_text("{")
    with pytest.raises(UnusableState, match="cannot be read as dbt's manifest"):
        select(bakery, "state:modified", state=state)
    with pytest.raises(UnusableState, match=r"Name that target as live_target in angiogram\.yml"):
        select(bakery, "state:modified", state=state_of(bakery, "live"))


def test_accept_writes_the_selected_models_seeds_only(bakery: Path) -> None:
    edit(bakery / PRICED, "orders.quantity * loaves.price", "orders.quantity * loaves.price + 1")
    edit(bakery / "models/customers/moves.sql", "count(*) - 1", "count(*)")
    seeds = {file.name: file.read_bytes() for file in (bakery / "seeds/expected").iterdir()}
    project = Project(bakery, tests=False, dye_source="seeds")
    written = write(project, propose(project, [], print, 0, Criteria(select=("priced_orders",))))
    assert [file.name for file in written] == ["expected__priced_orders.csv"]
    changed = {file.name for file in (bakery / "seeds/expected").iterdir() if file.read_bytes() != seeds[file.name]}
    assert changed == {"expected__priced_orders.csv"}
    assert not (bakery / ".angiogram" / "surface.yml").exists()


def test_a_selected_run_stands_for_no_verdict_on_the_whole(
    bakery: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, arguments)

    whole = judge(bakery)
    edit(bakery / BY_DAY, "sum(amount)", "max(amount)")
    outcome = run("run", "--from-seeds", "--select", "sales_by_day customers", "--exclude", "moves")
    assert outcome.exit_code == 1
    words = "2 of 7 models, selected by --select sales_by_day customers --exclude moves"
    assert f"BLOCKED at sales_by_day · {words}" in " ".join(outcome.stdout.split())
    edit(bakery / BY_DAY, "max(amount)", "sum(amount)")
    outcome = run("run", "--from-seeds", "--select", "sales_by_day", "--json")
    found = validated(json.loads(outcome.stdout))
    assert (outcome.exit_code, found["verdict"], found["selection"]["selected"]) == (0, "healthy", 1)
    words = "1 of 7 models, selected by --select sales_by_day"
    assert f"HEALTHY  1 model equals its expected seed · {words}" in run("show").stdout
    assert "healthy (1 of 7 models)" in run("runs").stdout
    listed = json.loads(run("runs", "--json").stdout)
    assert [one["selection"]["selected"] for one in listed if "selection" in one] == [1, 2]
    for form in ("junit", "markdown", "html"):
        told = run("report", "--format", form).stdout.replace("&#95;", "_")
        assert words in told, form
    page = run("history").stdout
    verdict = page.split('aria-label="Last verdict"')[1].split("</section>")[0]
    assert whole["run_id"] in page.split('id="verdicts"')[1].split('id="rows"')[0]
    assert found["run_id"] not in page.split('id="verdicts"')[1].split('id="rows"')[0]
    assert "Healthy" in verdict
    assert "Blocked" not in verdict
    assert "blocked (2 of 7 models)" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "--select", "orders"), "A live run tests all models. To test some, add --from-seeds."),
        (("run", "--from-seeds", "--state", "."), "add --select state:modified+"),
        (("run", "--from-seeds", "--select", "orders", "--selector", "towns"), "either --select or --selector"),
        (("accept", "orders", "--select", "orders"), "Name models or select them, not both."),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: tuple[str, ...], told: str) -> None:
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2
    assert told in " ".join(outcome.output.replace("│", " ").split())


def test_nothing_selected_could_not_run(bakery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(bakery))
    outcome = CliRunner().invoke(app, ["run", "--from-seeds", "--select", "nowhere", "--json"])
    assert isinstance(outcome.exception, NothingSelected)
    assert outcome.exception.exit_code == 2
    found = validated(json.loads(outcome.stdout))
    assert found["verdict"] == "could_not_run"
    assert "No model is selected by --select nowhere" in found["error"]
    outcome = CliRunner().invoke(app, ["run", "--from-seeds", "--select", "nowhere", "--if-any"])
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert "so nothing was built or compared" in " ".join(outcome.stderr.split())
