"""The dye test: each weekday at 07:30 in New York, before the morning meeting.

The dye (test records with known results) goes through the front door, the topic, the loader and the dbt models, and
every model is compared with its expected seed. A red task among the models shows where an output differs, with the
cells in its log; one that differs below a red one is skipped (pink), with its cells in its log too. All other models
are still built and compared. The task `verdict` follows one of two branches:

- **healthy**: `verified` updates the asset `taxi_verified`. A DAG with `schedule=[Asset("taxi_verified")]` starts then.
- **blocked**: `stop` fails, and the DAG run with it, and names the stage and one cell.

You can add your own tasks to these two groups. `verdict` and `stop` have a button to the report, under Details. Where
nothing could be judged, `verdict` itself fails. `finish` releases the run in any case. Nothing here touches the live
tables.

To repeat the test after a repair, trigger the DAG again, or clear `begin` and its downstream: a run that has ended is
never built again.

By hand: `angiogram run` does the same without Airflow, `angiogram show` prints the latest verdict again.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Context, dag, task, task_group

import dag_defaults
from dbt_build import Build, dbt_words
from dbt_models import dbt_models
from manifests import DYE_TARGET, manifest
from report_link import ReportLink, report_address
from task_log import log_lines

VERIFIED = Asset("taxi_verified")


@dag(
    dag_id="angiogram",
    schedule="30 7 * * 1-5",
    dagrun_timeout=timedelta(hours=1),
    # Waits for another run for 30 minutes at most.
    default_args=dag_defaults.tasks(retries=1, pause=timedelta(seconds=10), within=timedelta(minutes=35)),
    tags=["taxi", "dye"],
    doc_md=__doc__,
    **dag_defaults.DAG,
)
def angiogram() -> None:
    @task(doc_md="Check services, other runs, and that dbt writes only the dye. Returns the run ID.")
    def begin(ti: Any) -> str:
        from angiogram.core.errors import AngiogramError
        from angiogram.run import steps
        from ingestion.errors import IngestionError

        try:
            run_id = steps.begin()
            steps.prepare(run_id)
        except (AngiogramError, IngestionError) as error:
            ti.xcom_push(key="why", value=f"{type(error).__name__}: {error}")  # for the verdict, which fails next
            raise
        return run_id

    # Sent twice, the dye would be counted twice. So a run whose dye was not sent completely has ended; start a new one.
    @task(retries=0, doc_md="Send the dye. Checkpoint: published = in Kafka.")
    def inject(dye_run: str) -> dict[str, Any]:
        return _steps(dye_run, "inject", "check_topic")

    @task(doc_md="Wait until the loader has passed the dye, or load it. Checkpoint: loaded + dead letters = published.")
    def load(dye_run: str) -> dict[str, Any]:
        return _steps(dye_run, "load", "check_loaded")

    @task(doc_md="Build seeds and incremental models from batch 1, then let the models see batch 2.")
    def first_batch(dye_run: str) -> dict[str, Any]:
        from angiogram.run import steps

        built: dict[str, Any] = _steps(dye_run, "build_batch_1", "build_batch_1")["build_batch_1"]
        steps.take_batch(dye_run, 2)
        return built

    @task.branch(trigger_rule="all_done", doc_md="Compare, judge, and follow the branch healthy or blocked.")
    def verdict(dye_run: str | None, ti: Any) -> str:
        from airflow.sdk.exceptions import AirflowFailException

        from angiogram.core.errors import NeverBegan
        from angiogram.report.report import render
        from angiogram.run import steps

        why = ti.xcom_pull(task_ids="begin", key="why")
        try:
            begun = steps.require_begun(dye_run, why)
        except NeverBegan as error:  # another try of this task would not start it either
            raise AirflowFailException(f"could_not_run: {error}") from error
        report = _steps(begun, "verdict", "verdict")["verdict"]
        log_lines(render(report))
        log_lines(f"Report: {report_address(begun)}")
        if report["verdict"] not in ("healthy", "blocked"):
            raise AirflowFailException(f"{report['verdict']}: {report.get('error')}")
        return str(report["verdict"])

    @task_group
    def healthy(dye_run: str) -> None:
        @task(
            outlets=[VERIFIED],
            doc_md="Tell Airflow that the pipeline is verified, so that DAGs that wait for it start.",
        )
        def verified(dye_run: str, outlet_events: Any) -> None:
            outlet_events[VERIFIED].extra = {"dye_run": dye_run}

        verified(dye_run)  # type: ignore[call-arg]  # Airflow gives outlet_events

    @task_group
    def blocked(dye_run: str) -> None:
        @task(retries=0, doc_md="Fail the DAG run; the log names the blockage, one cell and its rides.")
        def stop(dye_run: str) -> None:
            from airflow.sdk.exceptions import AirflowFailException

            from angiogram.report.headline import example, title
            from angiogram.store import runs

            with runs.database("stop") as database:
                report = runs.read(database, dye_run).report
            found = f" {example(report)}." if example(report) else ""
            raise AirflowFailException(f"{title(report)}.{found} Report: {report_address(dye_run)}")

        _with_report(stop(dye_run))

    @task(doc_md="Release the run, whatever happened.")
    def finish(dye_run: str | None) -> None:
        from angiogram.run import steps

        steps.finish(dye_run)

    dye_run = begin()  # type: ignore[call-arg]  # Airflow gives ti; not run_id: that name is Airflow's own in a task
    models = dbt_models(
        "models",
        target=DYE_TARGET,
        trigger_rule="all_done",  # a model that differs must not hide the results of the others
        build=_build,
        show=_show_differences,
    )
    judged = _with_report(verdict(dye_run))  # type: ignore[call-arg]  # Airflow gives ti
    inject(dye_run) >> load(dye_run) >> first_batch(dye_run) >> models >> judged
    released = finish(dye_run).as_teardown()  # its own outcome does not count
    judged >> [healthy(dye_run), blocked(dye_run)] >> released


def _steps(dye_run: str, first: str, last: str) -> dict[str, Any]:
    """Do the steps of a run from one to another, and return each one's result by its name.

    They are the same as in `angiogram run`.
    """
    from angiogram.run.walk import Walk, through

    return dict(through(Walk(run_id=dye_run), first, last))


def _build(context: Context, select: Sequence[str]) -> Build:
    """Build as `angiogram run` does, and store what dbt reported for the verdict.

    The run stays active meanwhile: once a run has ended, its tables may belong to another run.
    """
    from airflow.sdk.exceptions import AirflowFailException

    from angiogram.core.errors import LeaseLost
    from angiogram.dbt.project import Project
    from angiogram.run import steps
    from angiogram.run.passage import kept_in_hand

    dye_run = context["ti"].xcom_pull(task_ids="begin")
    try:
        with kept_in_hand(dye_run), dbt_words():
            project = Project(verbose=True)
            return Build(steps.build_in_hand(dye_run, project, select), project.manifest)
    except LeaseLost as error:
        raise AirflowFailException(
            f"{error} Clear `begin` and what is downstream of it, or trigger the DAG."
        ) from error


def _show_differences(model: str) -> None:
    """Log the cells in which a model differs from its expected seed.

    dbt's log mixes them with those of other models.
    """
    from angiogram.report.failures import failures

    if found := failures(manifest(DYE_TARGET), model):
        log_lines(found)


def _with_report(of: Any) -> Any:
    """Return the task with a button to the report. `@task` itself does not take one."""
    of.operator.operator_extra_links = (ReportLink(),)
    return of


angiogram()
