"""A button on tasks of the DAG `angiogram`: the run's report, in Airflow's own frame."""

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey


class ReportLink(BaseOperatorLink):
    """Leads to the page of the run whose id the task `begin` gave. plugins/angiogram_plugin.py serves it."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The page's address, as Airflow asks for it when a task has ended; empty if the run never began."""
        dye_run = BaseXCom.get_one(
            key=BaseXCom.XCOM_RETURN_KEY, dag_id=ti_key.dag_id, task_id="begin", run_id=ti_key.run_id
        )
        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{base}/plugin/angiogram/angiogram/runs/{dye_run}" if dye_run else ""
