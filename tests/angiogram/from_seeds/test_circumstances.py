"""What stands around a run, as variables, flags and hooks, makes no verdict better than the truth."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.dbt.builds import Builds
from angiogram.dbt.project import Project
from angiogram.dbt.runner.results import NodeResult
from angiogram.judge.build.early_ends import forget_early_ends
from tests.angiogram.edits import edit, prepend
from tests.angiogram.from_seeds.conftest import Judge
from tests.angiogram.recorded import blocked, stages_of
from tests.report_schema import validated

WEAKENING = {
    "DBT_FULL_REFRESH": "1",
    "DBT_ENGINE_FULL_REFRESH": "true",
    "DBT_EMPTY": "1",
    "DBT_SAMPLE": "1 day",
    "DBT_EVENT_TIME_START": "2025-01-01",
    "DBT_EVENT_TIME_END": "2025-01-02",
    "DBT_DEFER": "1",
    "DBT_FAVOR_STATE": "1",
    "DBT_STATE": "elsewhere",
    "DBT_DEFER_STATE": "elsewhere",
    "DBT_RESOURCE_TYPES": "snapshot",
    "DBT_EXCLUDE_RESOURCE_TYPES": "model",
    "DBT_FAIL_FAST": "1",
    "DBT_INDIRECT_SELECTION": "empty",
    "DBT_PARTIAL_PARSE_FILE_DIFF": "0",
    "DBT_WARN_ERROR": "1",
    "DBT_ENGINE_RECORDER_MODE": "replay",
}
SELECTOR = """
selectors:
  - name: little
    default: true
    definition: {method: fqn, value: base_lines}
"""


def test_no_variable_flag_or_selector_of_dbt_leaves_anything_untested(
    coffee_shop: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebuilt in full, batch 2 would hide the first fault; ended at the first failure, dbt would hide the second."""
    for name, value in WEAKENING.items():
        monkeypatch.setenv(name, value)
    edit(coffee_shop / "dbt_project.yml", "\nflags:\n", "\nflags:\n  fail_fast: true\n  indirect_selection: empty\n")
    (coffee_shop / "selectors.yml").write_text(SELECTOR)
    edit(coffee_shop / "models" / "core" / "tickets.sql", "'merge'", "'append'")
    edit(coffee_shop / "models" / "base" / "base_guests.sql", "trim(full_name)", "full_name")
    (coffee_shop / "models" / "base" / "aaa.sql").write_text("select 1 / 0 as broken from generate_series(1, 1)")
    report = judge(coffee_shop)
    assert {*blocked(report)} == {"aaa", "base_guests", "tickets"}
    assert WEAKENING.items() <= os.environ.items()


DIVISION = "{{ run_query('select 1 / 0') }}"


@pytest.mark.parametrize(
    ("hook", "built"),
    [
        pytest.param('on-run-end: ["select 1", "select 1 / 0"]', "healthy", id="a statement at the end"),
        pytest.param(f'on-run-end: ["select 1", "{DIVISION}"]', "healthy", id="a query of a macro at the end"),
        pytest.param('on-run-start: [GUARD, "select 1 / 0"]', "healthy", id="a statement at the start"),
        pytest.param(f'on-run-start: [GUARD, "{DIVISION}"]', "not_built", id="a query of a macro at the start"),
    ],
)
def test_a_hook_that_fails_is_named(coffee_shop: Path, judge: Judge, hook: str, built: str) -> None:
    """At the start dbt goes on after a statement that failed, and ends at a macro that did."""
    project = coffee_shop / "dbt_project.yml"
    hook = hook.replace("GUARD", '"{{ data_angiogram.keep_dye_apart() }}"')
    edit(project, 'on-run-start:\n  - "{{ data_angiogram.keep_dye_apart() }}"\n', "")
    project.write_text(f"{project.read_text()}\n{hook}\n")
    report = judge(coffee_shop)
    when = hook.partition(":")[0]
    assert blocked(report) == [f"hook:coffee_shop-{when}-1"]
    (finding,) = report["findings"]
    line = project.read_text().splitlines().index(hook) + 1
    assert (finding["kind"], finding["file"], finding["line"]) == ("build", "dbt_project.yml", line)
    assert "division by zero" in finding["text"]
    models = {name: stage["verdict"] for name, stage in stages_of(report).items() if stage["kind"] == "model"}
    assert {*models.values()} == {built}


def test_a_hook_that_names_a_model_runs_after_that_model_is_there(coffee_shop: Path, judge: Judge) -> None:
    """After the seeds alone it finds none. And a reader's table keeps its name although the model has another one."""
    for file, name in (("dbt_project.yml", "expected__guests:"), ("models/models.yml", "'expected__guests'")):
        edit(coffee_shop / file, name, name.replace("guests", "visitors"))
    edit(coffee_shop / "models/models.yml", "  - name: guests\n", "  - name: visitors\n")
    expected = coffee_shop / "seeds" / "expected" / "expected__guests.csv"
    expected.rename(expected.with_name("expected__visitors.csv"))
    core = coffee_shop / "models" / "core"
    (core / "guests.sql").rename(core / "visitors.sql")
    prepend(core / "visitors.sql", "{{ config(alias='guests') }}\n")
    hooks = ["grant select on {{ ref('visitors') }} to public", "analyze {{ target.schema }}.guests"]
    listed = "".join(f'  - "{hook}"\n' for hook in hooks)
    edit(coffee_shop / "dbt_project.yml", "\nmodels:\n", f"\non-run-end:\n{listed}\nmodels:\n")
    report = judge(coffee_shop)
    assert (blocked(report), report["findings"]) == ([], [])
    assert [notice["code"] for notice in report["notices"]] == ["renamed_model"]


def test_only_a_hook_that_names_what_is_built_later_may_fail_in_the_first_batch(coffee_shop: Path) -> None:
    """A live run builds only incremental models, and what they read, in its first batch."""
    hooks = ["grant select on {{ ref('guests') }} to public", "insert into log values ('tickets')"]
    edit(coffee_shop / "dbt_project.yml", "\nmodels:\n", f"\non-run-end: {hooks}\nmodels:\n")
    project, builds = Project(coffee_shop, dye_source="seeds"), Builds()
    of_all = [("model.coffee_shop.guests", "guests"), ("model.coffee_shop.tickets", "tickets")]
    at_end = [(f"operation.coffee_shop.coffee_shop-on-run-end-{n}", f"coffee_shop-on-run-end-{n}") for n in (0, 1)]
    builds.add_results(1, [NodeResult(*of_all[1], "model", "success", None, 0.1)])
    builds.add_results(1, [NodeResult(*hook, "operation", "error", "does not exist", 0.1) for hook in at_end])
    builds.add_results(2, [NodeResult(*model, "model", "success", None, 0.1) for model in of_all])
    builds.add_results(2, [NodeResult(*hook, "operation", "success", None, 0.1) for hook in at_end])
    forget_early_ends(project, builds)
    assert {*builds.failures()} == {at_end[1][0]}


def test_what_production_runs_otherwise_is_said_as_in_a_run(
    coffee_shop: Path, judge: Judge, connect_as: Callable[..., connection]
) -> None:
    """The live target built a model that the project does not have any more."""
    with connect_as("dbt_prod").cursor() as query:
        query.execute(
            "insert into angiogram.live_nodes (pipeline, unique_id, name, resource_type, relation, fingerprint) values"
            " ('coffee_shop', 'coffee_shop:model.coffee_shop.gone', 'gone', 'model', 'coffee_shop.gone', 'f'),"
            " ('orders', 'orders:model.orders.theirs', 'theirs', 'model', 'orders.theirs', 'f')"
        )
    report = validated(judge(coffee_shop))
    connect_as("postgres").cursor().execute("delete from angiogram.live_nodes")  # for the tests that follow
    assert report["verdict"] == "healthy"
    assert report["production"]["differing"] == {"model": ["gone"], "seed": []}
    sentence = "The dye did not test what runs in production: model gone differs."
    assert [notice["text"] for notice in report["notices"] if notice["code"] == "production"] == [sentence]
