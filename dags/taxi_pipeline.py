"""The live pipeline: each hour, load the topic, build the models, and check for losses.

While the hold is on (`angiogram hold on`) and the latest verdict is blocked, the published marts are not changed: their
tasks succeed, and the log of the build says why they were held. `checkpoints` fails if an offset of the topic is
neither a ride nor a dead letter, or a message is neither accepted, superseded nor rejected.

After a repair, clear the failed model and its downstream: the cleared models are built again with one `dbt build`.
Clear the whole group `models` to build everything again.

By hand: `ingestion load`, `dbt build --target prod`, `angiogram live`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

import dag_defaults
from dbt_models import dbt_models
from task_log import log_lines


@dag(
    dag_id="taxi_pipeline",
    schedule="0 * * * *",
    dagrun_timeout=timedelta(minutes=55),
    default_args=dag_defaults.tasks(retries=2, pause=timedelta(seconds=30), within=timedelta(minutes=40)),
    tags=["taxi", "live"],
    doc_md=__doc__,
    **dag_defaults.DAG,
)
def taxi_pipeline() -> None:
    @task(doc_md="Load up to the end of the topic as it is now; what a loader with --follow takes is waited for.")
    def load() -> dict[str, int]:
        from ingestion.loader.run import load_until_caught_up

        report = load_until_caught_up()
        return {"rides": report.live_rows, "dye_rides": report.dye_rows, "dead_letters": report.dead_letters}

    @task(
        doc_md="End offsets = loaded offsets = messages + dead letters + dye + gaps + empty offsets;"
        " raw = taken = checked = accepted + superseded + rejected; facts = marts."
    )
    def checkpoints() -> dict[str, Any]:
        from airflow.sdk.exceptions import AirflowFailException

        from angiogram.operate.live import check_live
        from angiogram.report.report import checkpoint_line

        found = check_live(timedelta(days=1))
        for point in found.checkpoints:
            log_lines(checkpoint_line(point.report()))
        if not found.holds:
            lost = [point.name for point in found.checkpoints if not point.holds]
            raise AirflowFailException("; ".join([f"does not hold: {', '.join(lost)}", *found.partitions]))
        return found.report()

    load() >> dbt_models("models", target="prod") >> checkpoints()


taxi_pipeline()
