"""`angiogram run --from-seeds`: another dbt project's models on its input seeds, batch by batch, without Kafka."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from angiogram.dbt.project import Project
from angiogram.judge.from_seeds import run_from_seeds
from tests.angiogram.conftest import Outcome, command
from tests.angiogram.recorded import blocked, differences_at, stages_of

NOT_NEEDED = ("KAFKA_BOOTSTRAP_SERVERS", "FRONT_DOOR_API_KEY", "DYE_KEY")
STOP = "{% if execute %}{{ exceptions.raise_compiler_error('no such day') }}{% endif %} "
HOOK = "{{ config(post_hook='update {{ this }} set takings = takings - 1') }}\n"


@pytest.fixture
def run(coffee_shop: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Function that runs the command on the second project, without Kafka's and the API's variables."""
    for name in NOT_NEEDED:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DBT_TARGET_PATH", str(coffee_shop / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(coffee_shop / "logs"))

    def from_seeds(*arguments: str) -> Outcome:
        return command("run", "--from-seeds", *arguments)

    return from_seeds


def edit(file: Path, right: str, wrong: str) -> None:
    """Put a fault in the place of what is right."""
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))


def test_another_project_is_healthy_on_its_own_dye(run: Callable[..., Outcome], coffee_shop: Path) -> None:
    """Its incremental model is built on batch 1 and changed by batch 2; its own dbt tests then agree.

    It names no run_dependent_columns: no column of its models differs from run to run.
    """
    assert "run_dependent_columns" not in (coffee_shop / "dbt_project.yml").read_text()
    page = coffee_shop / "run.html"
    edit(coffee_shop / "dbt_project.yml", "\nvars:\n", "\nvars:\n  max_seconds: {guests: 0}\n")
    result = run("--json", "--page", str(page))
    report = result.report()
    assert (result.code, report["verdict"], blocked(report)) == (0, "healthy", [])
    [warning] = [notice["text"] for notice in report["notices"]]
    assert warning.startswith("guests took ")
    assert warning.endswith("its limit is 0 s.")
    models = {stage["name"] for stage in report["stages"] if stage["kind"] == "model"}
    assert models == {"base_guests", "base_tickets", "base_lines", "tickets", "guests", "takings_by_month"}
    assert all(f'id="stage={name}"' in page.read_text() for name in models)
    subprocess.run([sys.executable, "-m", "dbt.cli.main", "--quiet", "test"], cwd=coffee_shop, check=True)
    results = json.loads((coffee_shop / "target" / "run_results.json").read_text())["results"]
    outcomes = [result for result in results if result["unique_id"].startswith("test.")]
    assert {outcome["status"] for outcome in outcomes} == {"pass"}
    assert sum("equals_expected" in outcome["unique_id"] for outcome in outcomes) == len(models)


def put_an_ephemeral_model_between(models: Path) -> None:
    """Let guests read base_guests through a model that is no table."""
    edit(models / "core" / "guests.sql", "ref('base_guests')", "ref('named_guests')")
    ephemeral = "{{ config(materialized='ephemeral') }} select * from {{ ref('base_guests') }}"
    (models / "core" / "named_guests.sql").write_text(ephemeral)


def test_a_wrong_ephemeral_model_that_nothing_compares_is_named_as_the_possible_cause(coffee_shop: Path) -> None:
    put_an_ephemeral_model_between(coffee_shop / "models")
    edit(
        coffee_shop / "models" / "core" / "named_guests.sql",
        "select *",
        "select guest_id, guest_name || '?' as guest_name",
    )
    [finding] = run_from_seeds(Project(coffee_shop, dye_source="seeds")).report["findings"]
    assert finding["stage"]["name"] == "guests"
    assert finding["text"].endswith("It reads named_guests, which is not compared: the cause may lie there.")


def test_an_ephemeral_model_is_there_in_every_batch(run: Callable[..., Outcome], coffee_shop: Path) -> None:
    put_an_ephemeral_model_between(coffee_shop / "models")
    result = run("--json")
    assert (result.code, blocked(result.report())) == (0, []), result.stdout


@pytest.mark.parametrize(
    ("faults", "blockage", "key"),
    [
        pytest.param(
            {"base/base_guests.sql": ("trim(full_name)", "full_name"), "core/guests.sql": ("/ 100.0", "/ 10.0")},
            ["base_guests", "guests"],
            "guest_id",
            id="a rule, and another one below it",
        ),
        pytest.param(
            {"core/tickets.sql": ("'merge'", "'append'")}, ["tickets"], "ticket_id", id="how batch 2 comes in"
        ),
    ],
)
def test_the_blocked_models_are_named_with_the_rows_that_differ(
    run: Callable[..., Outcome],
    coffee_shop: Path,
    faults: dict[str, tuple[str, str]],
    blockage: list[str],
    key: str,
) -> None:
    """Below them none is blamed that makes its table by more than its SQL, or of a column that no expected seed has."""
    models = coffee_shop / "models"
    put_an_ephemeral_model_between(models)
    edit(coffee_shop / "dbt_project.yml", "\nvars:\n", "\nvars:\n  run_dependent_columns: [made_at]\n")
    edit(models / "core" / "tickets.sql", "newest.changed_at,", "newest.changed_at, now() as made_at,")
    edit(models / "core" / "guests.sql", "= 'paid'", "= 'paid' and made_at is not null")
    takings = models / "reports" / "takings_by_month.sql"
    edit(takings, "as takings", "+ 1 as takings")
    takings.write_text(HOOK + takings.read_text())
    for file, (right, wrong) in faults.items():
        edit(models / file, right, wrong)
    result = run("--json")
    report = result.report()
    reads = {name: stage["reads"] for name, stage in stages_of(report).items()}
    assert sorted(above["name"] for above in reads["guests"]) == ["base_guests", "tickets"]
    assert "named_guests" not in reads
    assert (result.code, blocked(report)) == (1, blockage)
    first = differences_at(report, blockage[0])["first"]
    assert {*first[0]["row_key"]} == {key}


def test_models_that_fail_are_blocked_and_those_below_are_not_built(
    run: Callable[..., Outcome], coffee_shop: Path
) -> None:
    """A view fails only when it is read: dbt sees no error. What cannot be compiled hides no fault below it."""
    models = coffee_shop / "models"
    edit(models / "base" / "base_guests.sql", "trim(full_name)", "(id / 0)::text")
    edit(models / "core" / "tickets.sql", "with tickets as", STOP + "with tickets as")
    edit(models / "core" / "guests.sql", "/ 100.0", "/ 10.0")
    report = run("--json").report()
    health = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert blocked(report) == ["base_guests", "tickets", "guests"]
    assert (health["base_tickets"], health["takings_by_month"]) == ("healthy", "not_built")


def test_the_taxi_models_are_judged_as_in_a_run(
    run: Callable[..., Outcome], project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its models are changed by batch 2 and not only built, its reference seeds compared, and a second fault found."""
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project_copy))
    monkeypatch.setenv("DBT_PROFILES_DIR", str(project_copy))
    models = project_copy / "models"
    edit(models / "staging" / "stg_taxi__rides.sql", "where {{ beyond_taken('source') }}", "where false")
    edit(models / "facts" / "fct_rides.sql", "fare_amount + tax_amount as", "fare_amount as")
    edit(project_copy / "seeds" / "reference" / "car_models.csv", "\nBenz", "\nBence")
    report = run("--json").report()
    assert sorted(blocked(report)) == ["fct_rides", "seed:car_models", "stg_taxi__rides"]


def test_nothing_of_an_earlier_run_answers_for_this_one(run: Callable[..., Outcome], coffee_shop: Path) -> None:
    """Neither the rows of a model that dbt may not build anew, nor those of an expected seed that it cannot load."""
    tickets = coffee_shop / "models" / "core" / "tickets.sql"
    edit(tickets, "on_schema_change='fail',", "on_schema_change='fail', full_refresh=false,")
    assert run().code == 0

    edit(tickets, "coalesce(priced.total_cents, 0)", "coalesce(priced.total_cents, 0) + 1")
    edit(coffee_shop / "seeds" / "expected" / "expected__base_guests.csv", "1,Ada", "first,Ada")
    report = run("--json").report()

    assert blocked(report) == ["expected:base_guests", "tickets"]
    stages = stages_of(report)
    assert stages["base_guests"]["verdict"] == "not_compared"
    assert 'invalid input syntax for type integer: "first"' in stages["base_guests"]["reason"]


def test_a_model_that_is_not_sql_is_refused_before_the_work(run: Callable[..., Outcome], coffee_shop: Path) -> None:
    scores = coffee_shop / "models" / "reports" / "scores.py"
    scores.write_text("def model(dbt, session):\n    return dbt.ref('guests')\n")
    result = run("--json")
    assert (result.code, result.report()["verdict"]) == (2, "could_not_run")
    assert "scores is a python model" in result.report()["error"]
    assert "under target angiogram" in result.report()["error"]


def test_an_error_that_nobody_foresaw_is_no_blockage(run: Callable[..., Outcome], coffee_shop: Path) -> None:
    """1 would say that the models are wrong. Whoever reads stdout gets JSON all the same."""
    after_batch_1 = "results | selectattr('node.resource_type', 'equalto', 'model') | list"
    change = "alter table {{ target.schema }}.raw_tickets add constraint none check (id < 0) not valid"
    hook = f"{{% if {after_batch_1} %}}{change}{{% endif %}}"
    edit(coffee_shop / "dbt_project.yml", "\nmodels:\n", f'\non-run-end: "{hook}"\nmodels:\n')
    result = run("--json")
    assert result.code == 2
    assert result.report()["verdict"] == "could_not_run"
    assert "CheckViolation" in result.report()["error"]
    assert "CheckViolation is an unexpected error in angiogram. Please report it" in result.stderr
