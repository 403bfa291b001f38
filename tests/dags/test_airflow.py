"""From topic to verdict through a running Airflow: the live DAG and the dye's, with Airflow's own record of them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from psycopg2.extensions import connection

from ingestion.database.sessions import connect
from sandbox.airflow.airflow import USER, Airflow
from sandbox.airflow.runs import DagRuns
from sandbox.services import Sandbox
from taxi.replay import replay
from tests.browser import browser, in_browser
from tests.services import connect_as_administrator

PROJECT = Path(__file__).parents[2] / "dbt_project"
SANDBOX = Path(sys.executable).with_name("sandbox")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project for Airflow to build, whose models a test may break."""
    copy = tmp_path_factory.mktemp("airflow") / "dbt_project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target*", "logs"))
    return copy


@pytest.fixture(scope="module")
def environment(sandbox: Sandbox, models: Path) -> Iterator[dict[str, str]]:
    """Environment of the command `sandbox` for the tests' sandbox; its Airflow, started once, is stopped in the end."""
    variables = {
        **os.environ,
        "SANDBOX_DIR": str(sandbox.folder.path),
        "DBT_PROJECT_DIR": str(models),
        "DBT_PROFILES_DIR": str(models),
        "HTTP_PROXY": "http://127.0.0.1:1",  # nobody answers there: whatever is on this machine is reached past it
        "NO_PROXY": "elsewhere.example",
    }
    yield variables
    subprocess.run([SANDBOX, "airflow", "down"], check=True, env=variables)


@dataclass(frozen=True)
class Blocked:
    """A run of the dye's DAG over models that leave the tax out of the revenue."""

    code: int
    stdout: str
    stderr: str
    dag_run: str
    dye_run: str
    in_hand: bool


@pytest.fixture(scope="module")
def blocked(environment: dict[str, str], models: Path) -> Blocked:
    """The blocked run; the models are sound again after it."""
    model = models / "models" / "facts" / "fct_rides.sql"
    sound = model.read_text()
    model.write_text(sound.replace("fare_amount + tax_amount", "fare_amount"))
    try:
        run = subprocess.run(
            [SANDBOX, "airflow", "run", "angiogram"], env=environment, capture_output=True, text=True, check=False
        )
    finally:
        model.write_text(sound)
    with closing(connect_as_administrator("airflow")) as airflow, airflow.cursor() as query:
        query.execute("select run_id from dag_run where dag_id = 'angiogram' order by id desc limit 1")
        ((dag_run,),) = query.fetchall()
    with closing(connect("angiogram", "tests")) as database, database.cursor() as query:
        query.execute("select run_id, in_hand from angiogram.runs order by started_at desc limit 1")
        ((dye_run, in_hand),) = query.fetchall()
    return Blocked(run.returncode, run.stdout, run.stderr, dag_run, dye_run, in_hand)


@pytest.fixture
def token(blocked: Blocked, sandbox: Sandbox) -> str:
    """What Airflow gives to somebody who logs in."""
    airflow = Airflow(sandbox)
    login = {"username": USER, "password": airflow.password}
    answer = httpx.post(f"{airflow.url}/auth/token", json=login).raise_for_status()
    return str(answer.json()["access_token"])


def test_airflow_runs_the_live_models_and_the_dye(
    environment: dict[str, str], connect_as: Callable[..., connection]
) -> None:
    """6,433 real rides become marts, the dye finds them healthy, and no dye is left among them."""
    replay()
    run = subprocess.run(
        [SANDBOX, "airflow", "run", "taxi_pipeline", "angiogram"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr + run.stdout

    with connect_as("postgres", "airflow").cursor() as airflow:
        airflow.execute("select distinct on (dag_id) dag_id, state from dag_run order by dag_id, id desc")
        assert airflow.fetchall() == [("angiogram", "success"), ("taxi_pipeline", "success")]
    with connect_as("postgres").cursor() as query:
        query.execute("select verdict from angiogram.runs order by started_at desc limit 1")
        assert query.fetchone() == ("healthy",)
        query.execute(
            "select count(*) from angiogram_raw.taxi_rides as dye join raw.taxi_rides as live using (taxi_id)"
        )
        assert query.fetchone() == (0,)
        query.execute("""
            select
                (select count(*) from raw.taxi_rides),
                (select count(*) from facts.fct_rides)
                + (select count(*) from facts.fct_rejected_rides)
                + (
                    select count(*) from intermediate.int_rides__checked as checked
                    where is_valid and not exists (
                        select from facts.fct_rides as won where won.message_id = checked.message_id
                    )
                )
        """)
        taken, judged = query.fetchone() or (None, None)
        assert taken == judged
        assert taken is not None
        assert taken >= 6433


def all_cells_before_the_folded_end(sandbox: Sandbox, blocked: Blocked) -> bool:
    """Whether the log of the model has each difference, before the group that Airflow folds at its end."""
    logs = sandbox.folder.path / "airflow" / "logs" / "dag_id=angiogram" / f"run_id={blocked.dag_run}"
    log = logs / "task_id=models.fct_rides" / "attempt=1.log"  # a test that clears the task adds a second one
    with closing(connect("angiogram", "tests")) as database, database.cursor() as query:
        query.execute(
            "select count(*) from angiogram.differences where run_id = %s and stage_name = 'fct_rides'",
            (blocked.dye_run,),
        )
        ((found,),) = query.fetchall()
    events = [json.loads(line)["event"] for line in log.read_text(encoding="utf-8").splitlines()]
    shown = events[: events.index("::group::Post Execute")]
    return found == sum(" → actual " in event for event in shown) > 0


def test_a_blocked_run_fails_and_shows_its_cells(
    blocked: Blocked, connect_as: Callable[..., connection], sandbox: Sandbox
) -> None:
    """The failed model's log has the cells; the branch `blocked` fails the DAG run, the clean-up still comes.

    The log says where the report is.
    """
    assert blocked.code == 1, blocked.stderr + blocked.stdout
    log_of_model = blocked.stderr.split("The end of the log of models.fct_rides:")[1].split("The end of the log of")[0]
    assert "revenue_amount: expected" in log_of_model
    assert all_cells_before_the_folded_end(sandbox, blocked)
    log_of_stop = blocked.stderr.split("The end of the log of blocked.stop:")[1]
    assert "Blocked at fct_rides. fct_rides, revenue_amount" in log_of_stop
    address = f"Report: {Airflow(sandbox).url}/plugin/angiogram/angiogram/runs/{blocked.dye_run}"
    assert address in log_of_stop
    assert not blocked.in_hand

    with connect_as("postgres", "airflow").cursor() as query:
        query.execute("select task_id, state from task_instance where run_id = %s", (blocked.dag_run,))
        states = dict(query.fetchall())
    assert (states["verdict"], states["blocked.stop"]) == ("success", "failed")
    assert (states["healthy.verified"], states["finish"]) == ("skipped", "success")
    of_models = {name.removeprefix("models."): state for name, state in states.items() if name.startswith("models.")}
    assert [name for name, state in of_models.items() if state == "failed"] == ["fct_rides"], "the cause alone is red"
    assert (of_models["daily_revenue"], of_models["revenue_by_state"]) == ("skipped", "skipped")
    assert of_models["fct_rejected_rides"] == "success"


def test_a_model_cleared_after_its_run_has_ended_says_what_to_clear(blocked: Blocked, sandbox: Sandbox) -> None:
    with DagRuns(Airflow(sandbox)) as runs:
        runs.clear("angiogram", blocked.dag_run, ["models.fct_rides"])
        *_, (_, tasks) = runs.follow("angiogram", blocked.dag_run)
        (cleared,) = [task for task in tasks if task.name == "models.fct_rides"]
        said = "\n".join(runs.log("angiogram", blocked.dag_run, cleared))
    assert f"Run {blocked.dye_run} is no longer in hand" in said
    assert "Clear `begin`" in said


def test_the_page_of_a_run_is_for_those_who_are_logged_in(blocked: Blocked, token: str, sandbox: Sandbox) -> None:
    page = f"{Airflow(sandbox).url}/angiogram/runs/{blocked.dye_run}"
    assert httpx.get(page).status_code == httpx.codes.UNAUTHORIZED
    shown = httpx.get(page, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    assert "Blocked at fct_rides" in shown.text


@in_browser
def test_airflows_own_pages_lead_to_the_report(blocked: Blocked, token: str, sandbox: Sandbox) -> None:
    airflow = Airflow(sandbox)
    with browser() as seen:
        seen.log_in(airflow.url, "_token", token)
        seen.open(f"{airflow.url}/dags/angiogram/runs/{blocked.dag_run}/tasks/verdict/details")
        assert seen.await_text(f'a[href$="/plugin/angiogram/angiogram/runs/{blocked.dye_run}"]') == "Report"
        seen.open(f"{airflow.url}/plugin/angiogram/angiogram/runs/{blocked.dye_run}")
        assert "Blocked at fct_rides" in seen.await_text("section.verdict h1")
        with closing(connect("angiogram", "tests")) as database, database.cursor() as query:
            query.execute("select verdict from angiogram.runs order by started_at desc limit 1")
            ((newest,),) = query.fetchall()
        seen.open(f"{airflow.url}/plugin/angiogram")
        shown = seen.await_text("section.verdict h1").lower()
        assert newest in shown, "the entry in Airflow's menu shows the newest run"


def ends(runs: DagRuns, run_id: str) -> tuple[str, dict[str, str | None]]:
    """State of a run of the live pipeline at its end, and the states of its tasks."""
    *_, (state, tasks) = runs.follow("taxi_pipeline", run_id)
    return state, {task.name: task.state for task in tasks}


def test_clear_rebuilds_a_failed_model_with_its_downstream_and_the_whole_group(
    environment: dict[str, str], models: Path, sandbox: Sandbox, connect_as: Callable[..., connection]
) -> None:
    """The mended mart is there at the end, and so is the one below it; models that were not cleared are left alone."""
    subprocess.run([SANDBOX, "airflow", "up"], check=True, env=environment)
    mart = models / "models" / "revenue" / "daily_revenue.sql"
    sound = mart.read_text()
    with DagRuns(Airflow(sandbox)) as runs, connect_as("postgres").cursor() as query:

        def drop_marts() -> None:
            query.execute("drop table if exists revenue.daily_revenue, revenue.revenue_by_state")

        def built() -> dict[str, datetime]:
            query.execute("select name, built_at from angiogram.live_nodes where to_regclass(relation) is not null")
            return dict(query.fetchall())

        drop_marts()
        mart.write_text("select 1 / 0 as broken")
        run_id = runs.trigger("taxi_pipeline")
        state, tasks = ends(runs, run_id)
        assert (state, tasks["models.daily_revenue"], tasks["models.fct_rides"]) == ("failed", "failed", "success")
        assert tasks["models.revenue_by_state"] == tasks["checkpoints"] == "upstream_failed"
        before = built()

        mart.write_text(sound)
        runs.clear("taxi_pipeline", run_id, ["models.daily_revenue"], with_downstream=True)
        state, tasks = ends(runs, run_id)
        assert (state, set(tasks.values())) == ("success", {"success"})
        assert {"daily_revenue", "revenue_by_state"} <= built().keys()
        assert built()["fct_rides"] == before["fct_rides"], "it was not cleared"

        both = ["models.dim_dates", "models.dim_zipcodes"]
        runs.clear("taxi_pipeline", run_id, both)
        *_, (state, seen) = runs.follow("taxi_pipeline", run_id)
        assert state == "success"
        assert all(built()[name] > before[name] for name in ("dim_dates", "dim_zipcodes"))
        logs = [str(runs.log("taxi_pipeline", run_id, task)) for task in seen if task.name in both]
        assert sum("Running with dbt" in log for log in logs) == 1, "one task builds both"

        drop_marts()
        runs.clear("taxi_pipeline", run_id, [name for name in tasks if name.startswith("models.")])
        assert ends(runs, run_id)[0] == "success"
        assert {"daily_revenue", "revenue_by_state"} <= built().keys()
