"""The dye test: each weekday at 07:30 in New York, before the morning meeting.

The dye goes through the front door, the topic, the loader and the dbt models, and every model is compared with its
expected seed. **The task `verdict` fails if the run is blocked or could not be judged; its log names the stage, the
rows and the cells.** A red task among the models shows where an output differs; all of them are built and compared all
the same. Nothing here touches the live tables.

By hand: `angiogram run` does the same without Airflow, `angiogram show` prints the last verdict again.
"""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import dag, task

from dbt_models import dbt_models


@dag(
    dag_id="angiogram",
    schedule="30 7 * * 1-5",
    start_date=pendulum.datetime(2026, 1, 1, tz="America/New_York"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={
        "owner": "data-platform",
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=35),  # another run is waited for 30 minutes at most
    },
    tags=["taxi", "dye"],
    doc_md=__doc__,
)
def angiogram() -> None:
    @task(doc_md="All services answer, no other run is in hand, nothing is left of the last one. Gives the run id.")
    def begin() -> str:
        from angiogram import steps

        return steps.begin()

    # Sent twice, the dye would be counted twice: a run whose dye was not sent whole is over, a new one is free.
    @task(retries=0, doc_md="Send the dye. Checkpoint: published = in Kafka.")
    def inject(dye_run: str) -> dict[str, Any]:
        from angiogram import steps

        return {"inject": steps.inject(dye_run), "check_topic": steps.check_topic(dye_run)}

    @task(doc_md="Wait until the loader has passed the dye, or load it. Checkpoint: loaded + dead letters = published.")
    def load(dye_run: str) -> dict[str, Any]:
        from angiogram import steps

        return {"load": steps.load(dye_run), "check_loaded": steps.check_loaded(dye_run)}

    @task(doc_md="Seeds, and the incremental models from batch 1; then batch 2 is in hand: late and corrected rides.")
    def first_batch(dye_run: str) -> dict[str, Any]:
        from angiogram import steps

        built = steps.build_batch(dye_run, 1)
        steps.take_batch(dye_run, 2)
        return built

    @task(trigger_rule="all_done", doc_md="Healthy, or which stage is blocked. Fails unless healthy.")
    def verdict(dye_run: str) -> dict[str, Any]:
        from airflow.sdk.exceptions import AirflowFailException

        from angiogram import steps
        from angiogram.report import console, render

        report = steps.verdict(dye_run)
        console().print(render(report))
        if report["verdict"] != "healthy":
            told = report.get("error") or ", ".join(report["blockage"])
            raise AirflowFailException(f"{report['verdict']}: {told}")
        return report

    @task(doc_md="Release the run, whatever happened.")
    def finish(dye_run: str) -> None:
        from angiogram import steps

        steps.finish(dye_run)

    dye_run = begin()  # not run_id: that name is Airflow's own in a task
    models = dbt_models(
        "models",
        target="angiogram",
        select=["resource_type:model"],  # with all their tests; the seeds are loaded before
        dbt_vars={"dye_source": "topic"},
        trigger_rule="all_done",  # one that differs must not hide how the others fared
    )
    judged = verdict(dye_run)
    inject(dye_run) >> load(dye_run) >> first_batch(dye_run) >> models >> judged
    judged >> finish(dye_run).as_teardown()  # its own outcome does not count


angiogram()
