"""From topic to verdict through a running Airflow: the live DAG and the dye's, with Airflow's own record of them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from ingestion.replay import replay
from sandbox.services import Sandbox

SANDBOX = Path(sys.executable).with_name("sandbox")


@pytest.fixture
def environment(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Environment of the command `sandbox` for the tests' sandbox; its Airflow is stopped in the end."""
    variables = {**os.environ, "SANDBOX_DIR": str(sandbox.folder.path)}
    yield variables
    subprocess.run([SANDBOX, "airflow", "down"], check=True, env=variables)


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
        airflow.execute("select distinct dag_id, state from dag_run order by dag_id")
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
