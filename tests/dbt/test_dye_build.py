"""`dbt build --target angiogram` compares every model with its expected seed, and every broken model fails."""

from collections.abc import Callable

import pytest
from psycopg2.extensions import connection

from tests.dbt.conftest import Built
from tests.dbt.project import DbtRun

MODELS = (
    "stg_taxi__rides",
    "int_rides__checked",
    "fct_rides",
    "fct_rejected_rides",
    "dim_dates",
    "dim_zipcodes",
    "daily_revenue",
    "revenue_by_car_model",
    "revenue_by_state",
    "revenue_by_date",
    "revenue_by_currency",
)

BREAKS: dict[str, tuple[str, str, str]] = {
    "revenue_by_car_model": ("revenue", "sum(fare_amount)", "max(fare_amount)"),
    "revenue_by_state": ("revenue", "sum(ride_count)::bigint", "count(*)"),
    "revenue_by_date": ("revenue", "sum(tax_amount)", "sum(fare_amount)"),
    "revenue_by_currency": ("revenue", "sum(revenue_usd_amount)", "sum(revenue_amount)"),
    "fct_rejected_rides": ("facts", "not is_valid", "rejection_reasons like 'missing%'"),
    "dim_dates": ("dimensions", "in (6, 7)", "in (5, 6)"),
    "daily_revenue": ("revenue", "round(sum(revenue_usd_amount), 2)", "sum(round(revenue_usd_amount, 2))"),
    "fct_rides": ("facts", "message_at desc", "message_at asc"),
    "int_rides__checked": ("intermediate", "trip_date >= rate_periods", "trip_date > rate_periods"),
    "dim_zipcodes": ("dimensions", "        state\n", "        upper(state) as state\n"),
    "stg_taxi__rides": ("staging", "upper({{ trimmed('currency') }})", "{{ trimmed('currency') }}"),
}
"""For each model its folder and a mistake: the text to change, and to what."""

DOWNSTREAM_FIRST = (
    ("revenue_by_car_model", "revenue_by_state", "revenue_by_date", "revenue_by_currency"),
    ("daily_revenue", "fct_rejected_rides", "dim_dates"),
    ("fct_rides",),
    ("int_rides__checked",),
    ("dim_zipcodes", "stg_taxi__rides"),
)
"""Models that do not read one another are broken together; each group before those that it reads."""


@pytest.fixture(scope="module")
def runs_of_broken_models(built: Built) -> dict[str, DbtRun]:
    """For each model the run in which it alone, of all that it reads, was broken."""
    assert built.run.exit_code == 0, built.run.output
    runs: dict[str, DbtRun] = {}
    for group in DOWNSTREAM_FIRST:
        for name in group:
            folder, right, wrong = BREAKS[name]
            built.project.replace(f"models/{folder}/{name}.sql", right, wrong)
        equality = [f"{test}__{name}" for name in group for test in ("equals_expected", "equality")]
        run = built.project.run("build", "--target", "angiogram", "--full-refresh", "--select", *group, *equality)
        runs |= dict.fromkeys(group, run)
        for name in group:
            folder, right, wrong = BREAKS[name]
            built.project.replace(f"models/{folder}/{name}.sql", wrong, right)
    return runs


def test_the_dye_comes_out_as_expected(built: Built) -> None:
    """Every model equals its expected seed, by both tests, whatever the session's time zone."""
    assert built.run.exit_code == 0, built.run.output
    for test in ("equals_expected", "equality"):
        assert {name: built.run.statuses.get(f"{test}__{name}") for name in MODELS} == dict.fromkeys(MODELS, "pass")


@pytest.mark.parametrize("model", MODELS)
def test_a_broken_model_fails_its_equality_tests(model: str, runs_of_broken_models: dict[str, DbtRun]) -> None:
    """A mistake in any one model is seen by both tests of that model: the dye has a ride for it."""
    run = runs_of_broken_models[model]
    assert run.exit_code == 1, run.output
    assert {f"equals_expected__{model}", f"equality__{model}"} <= run.failed(), run.output


def test_the_log_shows_the_differences(runs_of_broken_models: dict[str, DbtRun]) -> None:
    """dbt itself prints a number alone; here the first differences follow, each with key, column and both cells."""
    output = runs_of_broken_models["dim_dates"].output
    lines = output.splitlines()
    heading = next(n for n, line in enumerate(lines) if "equals_expected__dim_dates: " in line)
    assert "differences, all in" in lines[heading]
    shown = [line for line in lines[heading + 1 : heading + 21] if "column is_weekend" in line]
    assert len(shown) == 20
    assert "equals_expected__dim_dates: " not in "\n".join(lines[heading + 1 :])
    assert 'changed | key {"date_day": "2024-01-05"} | column is_weekend | expected false | actual true' in shown[0]


def test_every_result_is_recorded(
    runs_of_broken_models: dict[str, DbtRun], connect_as: Callable[..., connection]
) -> None:
    """angiogram_results.node_results holds each node's end, models and tests, also those that failed."""
    run = runs_of_broken_models["fct_rides"]
    with connect_as("angiogram").cursor() as query:
        query.execute(
            """
            select name, status, seconds >= 0, rows_affected is not null
            from angiogram_results.node_results
            where invocation_id = (
                select invocation_id from angiogram_results.node_results
                where name = 'equality__fct_rides' and status = 'fail'
            )
            """
        )
        recorded = {name: (status, timed, counted) for name, status, timed, counted in query.fetchall()}
    assert {name: status for name, (status, _, _) in recorded.items()} == dict(run.statuses)
    assert recorded["fct_rides"] == ("success", True, True)
    assert recorded["equals_expected__fct_rides"][0] == "fail"


def test_a_model_that_fails_to_build_is_no_silent_pass(built: Built) -> None:
    """Where there is nothing to compare, the equality tests are skipped with the model, never passed."""
    path = "models/revenue/revenue_by_date.sql"
    built.project.replace(path, "sum(tax_amount)", "sum(no_such_column)")
    run = built.project.run("build", "--target", "angiogram", "--select", "revenue_by_date")
    built.project.replace(path, "sum(no_such_column)", "sum(tax_amount)")
    assert run.exit_code == 1
    assert run.statuses["revenue_by_date"] == "error"
    assert run.statuses["equals_expected__revenue_by_date"] == "skipped"
