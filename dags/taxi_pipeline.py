"""The live pipeline: each hour, load what lies on the topic and build the models from it."""

from datetime import timedelta

from airflow.sdk import dag, task

import habits
from dbt_models import dbt_models


@dag(
    dag_id="taxi_pipeline",
    schedule="0 * * * *",
    dagrun_timeout=timedelta(minutes=55),
    default_args=habits.tasks(retries=2, pause=timedelta(seconds=30), within=timedelta(minutes=40)),
    tags=["taxi", "live"],
    doc_md=__doc__,
    **habits.DAG,
)
def taxi_pipeline() -> None:
    @task(doc_md="Load up to the end of the topic as it is now; what a loader with --follow takes is waited for.")
    def load() -> dict[str, int]:
        from ingestion.loader import load_until_caught_up

        report = load_until_caught_up()
        return {"rides": report.rides, "dye_rides": report.dye_rides, "dead_letters": report.dead_letters}

    load() >> dbt_models("models", target="prod", select=[], dbt_vars={})


taxi_pipeline()
