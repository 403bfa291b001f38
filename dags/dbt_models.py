"""The dbt models as tasks of a DAG.

One task runs `dbt build`, and one for each model reports the model's result. Cosmos draws the models from a manifest
that `dbt parse` wrote beforehand (`python dags/manifests.py`), so that reading a DAG file does not run dbt. The tasks
themselves are in dbt_tasks.py.
"""

import json
from collections.abc import Callable
from typing import Any

from airflow.sdk import TaskGroup
from cosmos import DbtTaskGroup, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import DbtResourceType, LoadMode, SeedRenderingBehavior, TestBehavior
from cosmos.dbt.graph import DbtNode

from dbt_build import dbt_build
from dbt_tasks import BUILD, Builder, DbtBuild, DbtGroup, DbtModel
from manifests import manifest
from project_settings import PROFILES, PROJECT

PROFILE = "taxi_angiogram"


def dbt_models(
    group_id: str,
    target: str,
    trigger_rule: str = "all_success",
    build: Builder | None = None,
    show: Callable[[str], None] | None = None,
) -> TaskGroup:
    """Return a group of tasks that build and test everything and report on each model.

    A model's task succeeds if the model was built and all its tests passed. If it is cleared, it rebuilds the model,
    together with the other models whose tasks were cleared.

    Args:
        group_id: the group's ID.
        target: dbt target.
        trigger_rule: when a model's task starts, given the tasks of the models that it reads.
        build: builds what dbt's selectors name, everything if there are none; by default `dbt build` under the target.
        show: prints more about a model that failed, given its ID.
    """
    group = DbtGroup(build or (lambda _, select: dbt_build(target, select)), show=show)

    def draw(*, node: DbtNode, task_group: TaskGroup, **_: Any) -> DbtModel:
        # No retry: what is wrong with a model is still wrong a moment later.
        return DbtModel(
            task_id=node.name,
            task_group=task_group,
            group=group,
            model=node.unique_id,
            trigger_rule=trigger_rule,
            retries=0,
        )

    drawn = DbtTaskGroup(
        group_id=group_id,
        project_config=ProjectConfig(
            dbt_project_path=PROJECT, manifest_path=manifest(target), project_name=PROFILE, install_dbt_deps=False
        ),
        profile_config=ProfileConfig(
            profile_name=PROFILE,
            target_name=target,
            profiles_yml_filepath=PROFILES / "profiles.yml",
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.NONE,  # tests get no tasks of their own
            seed_rendering_behavior=SeedRenderingBehavior.NONE,
            node_converters={DbtResourceType.MODEL: draw, DbtResourceType.SNAPSHOT: draw},
            emit_datasets=False,
        ),
    )
    tasks = [task for task in drawn.topological_sort() if isinstance(task, DbtModel)]
    build = DbtBuild(task_id=BUILD, task_group=drawn, group=group)
    build >> [task for task in tasks if not task.upstream_task_ids]
    group.models = {task.task_id: task.model for task in tasks}
    nodes = json.loads(manifest(target).read_text(encoding="utf-8"))["nodes"]
    group.selectors = _selectors(nodes, set(group.models.values()))
    group.ephemeral = {name for name, node in nodes.items() if node["config"].get("materialized") == "ephemeral"}
    return drawn


def _selectors(nodes: dict[str, dict[str, Any]], models: set[str]) -> dict[str, list[str]]:
    """Return the dbt selectors of each model and of the seeds that it reads, by model ID."""

    def seeds(node_id: str) -> set[str]:
        read = [parent for parent in nodes[node_id]["depends_on"].get("nodes", []) if parent in nodes]
        own = {parent for parent in read if nodes[parent]["resource_type"] == "seed"}
        return own.union(*(seeds(parent) for parent in read if parent not in models))

    def selector(node_id: str) -> str:
        return f"fqn:{'.'.join(nodes[node_id]['fqn'])}"

    return {model: [selector(node_id) for node_id in sorted({model, *seeds(model)})] for model in models}
