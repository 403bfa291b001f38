"""A button on tasks of the DAG `angiogram` that shows the run's report within Airflow."""

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey


class ReportLink(BaseOperatorLink):
    """Links to the page of the run whose ID the task `begin` returned.

    plugins/angiogram_plugin.py serves the page.
    """

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address, or an empty text if the run never started.

        Airflow asks for it when a task has ended.
        """
        dye_run = BaseXCom.get_one(
            key=BaseXCom.XCOM_RETURN_KEY, dag_id=ti_key.dag_id, task_id="begin", run_id=ti_key.run_id
        )
        return report_address(dye_run) if dye_run else ""


def report_address(dye_run: str) -> str:
    """Return the address of a run's page within Airflow."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/plugin/angiogram/angiogram/runs/{dye_run}"
