"""The dbt models as tasks of a DAG: one `dbt build`, and for each model a task that watches how it fared in it.

Cosmos draws the models from a manifest that `dbt parse` wrote beforehand (`python dags/manifests.py`), so that reading
a DAG file runs no dbt.
"""

import os
from pathlib import Path
from typing import Any

from airflow.sdk import Context, TaskGroup, TaskInstanceState
from airflow.sdk.exceptions import AirflowException
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import DbtResourceType, ExecutionMode, LoadMode, SeedRenderingBehavior, TestBehavior
from cosmos.dbt.graph import DbtNode
from cosmos.operators.watcher import DbtTestWatcherOperator

from manifests import PROJECT, manifest

PROFILE = "taxi_angiogram"


class WatchedModel(DbtTestWatcherOperator):
    """Watches one model and its tests in the build; fails if the build never began.

    Cosmos 1.15 knows of a build that failed or was skipped, but waits for ever for one that did not begin because of a
    task before it. And it tells that a test failed, but not how: the cells that differ are in the build's log, behind
    those of all other models.
    """

    def execute(self, context: Context, **kwargs: Any) -> None:
        """Wait for the model and its tests; if they failed, show the cells that differ from the expected seed."""
        try:
            super().execute(context, **kwargs)
        except AirflowException:
            if self.profile_config.target_name == "angiogram":
                self._show_differences()
            raise

    def _show_differences(self) -> None:
        from angiogram.failures import failures
        from angiogram.report import console

        if found := failures(manifest("angiogram"), self.model_unique_id):
            console().print(found)

    def _get_producer_task_status(self, context: Context) -> str | None:
        state = super()._get_producer_task_status(context)
        return TaskInstanceState.FAILED if state == TaskInstanceState.UPSTREAM_FAILED else state


def dbt_models(
    group_id: str, target: str, select: list[str], dbt_vars: dict[str, str], trigger_rule: str = "all_success"
) -> TaskGroup:
    """A group of tasks: one builds and tests what is selected, one for each model watches it.

    A model's task succeeds if the model was built and all its tests passed. None of the tasks is tried again: another
    try of one model would run dbt for it alone, beside the build.

    Args:
        group_id: the group's id.
        target: dbt target.
        select: what dbt builds, in dbt's selector syntax; all if empty.
        dbt_vars: variables of the dbt project.
        trigger_rule: when a model's task starts, given those of the models that it reads.
    """

    def watch(*, node: DbtNode, task_group: TaskGroup, task_args: dict[str, Any], **_: Any) -> WatchedModel:
        return WatchedModel(
            task_id=node.name,
            task_group=task_group,
            trigger_rule=trigger_rule,
            extra_context={"dbt_node_config": node.context_dict},
            **task_args,
        )

    return DbtTaskGroup(
        group_id=group_id,
        project_config=ProjectConfig(
            dbt_project_path=PROJECT,
            manifest_path=manifest(target),
            project_name=PROFILE,
            dbt_vars=dbt_vars,
            install_dbt_deps=False,
        ),
        profile_config=ProfileConfig(
            profile_name=PROFILE,
            target_name=target,
            profiles_yml_filepath=Path(os.environ.get("DBT_PROFILES_DIR") or PROJECT) / "profiles.yml",
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            # Cosmos names the resource types to build, and leaves out the tests unless they are among them.
            setup_operator_args={"dbt_cmd_flags": ["--resource-type", "test"]},
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.NONE,  # no tasks of their own
            seed_rendering_behavior=SeedRenderingBehavior.NONE,
            select=select,
            node_converters={DbtResourceType.MODEL: watch},
            emit_datasets=False,
        ),
        # Watching costs little, so it needs no triggerer to wait in.
        operator_args={"retries": 0, "deferrable": False, "poke_interval": 1},
    )
