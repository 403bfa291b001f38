"""The tasks of a dbt group: one builds everything, one for each model reports its result.

If the task of a model is cleared, it rebuilds the model. Every task here can run `dbt build`. It leaves the results as
its XCom `built`, together with the DAG run's clear number, which Airflow increases each time somebody clears tasks. If
a model's task finds no build of its model under the current number, it was cleared without the task that builds
everything. Then the first of the cleared tasks builds all their models with one `dbt build`, so that dbt keeps the
order and runs the tests that they share; the others wait.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import BaseOperator, BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from dbt_build import Build, Report, failed_elsewhere, in_words, reports, why_not_right
from task_log import log_lines

BUILD = "dbt_build"
"""Name of the task that builds everything."""

_XCOM = "built"
_LOOK_AGAIN = 2.0
_FAILED = ("failed", "upstream_failed")
_ENDED = (*_FAILED, "success", "skipped", "removed")

Builder = Callable[[Context, Sequence[str]], Build]
"""Builds what dbt's selectors name, or everything without selectors. Raises if nothing may be built now."""


@dataclass(slots=True)
class DbtGroup:
    """What the tasks of a group have in common.

    Attributes:
        build: runs dbt.
        show: prints more about a model that failed, given its ID.
        models: task ID → model ID; a model comes after those that it reads.
        selectors: model ID → dbt selectors of the model and of the seeds that it reads.
        ephemeral: IDs of the models without a table, for which dbt reports no result.
    """

    build: Builder
    show: Callable[[str], None] | None = None
    models: dict[str, str] = field(default_factory=dict)
    selectors: dict[str, list[str]] = field(default_factory=dict)
    ephemeral: set[str] = field(default_factory=set)


class DbtBuild(BaseOperator):
    """Builds and tests everything. A failed model fails its own task, not this one."""

    def __init__(self, *, group: DbtGroup, **kwargs: Any) -> None:
        """Take the arguments of every operator, and the group."""
        super().__init__(**kwargs)
        self.group = group

    def execute(self, context: Context) -> None:
        """Build.

        Raises:
            AirflowException: dbt could not start, or something other than a model failed: a seed, a hook, dbt itself.
        """
        _build(context, self.group, [], list(self.group.models.values()))


class DbtModel(BaseSensorOperator):
    """Waits for the build of a model, and starts it if necessary.

    The task fails if the model or one of its tests failed.
    """

    def __init__(self, *, group: DbtGroup, model: str, **kwargs: Any) -> None:
        """Take the arguments of every operator, the group, and dbt's ID of the model."""
        super().__init__(mode="reschedule", poke_interval=_LOOK_AGAIN, **kwargs)
        self.group = group
        self.model = model

    def poke(self, context: Context) -> bool:
        """Report the model's result, or return false while another task is about to build it.

        Raises:
            AirflowException: the model was not built, or one of its tests failed.
            AirflowSkipException: the same, below a model for which that holds too.
        """
        built = self._reported(context) or self._build_what_was_cleared(context)
        if built is None:
            return False
        if why := why_not_right(built.get(self.model)):
            if self.group.show:
                self.group.show(self.model)
            if above := self._wrong_above(built):
                raise AirflowSkipException(f"Affected by {', '.join(above)}, which it reads: look there first. {why}")
            raise AirflowException(why)
        return True

    def _wrong_above(self, built: dict[str, Report]) -> list[str]:
        """Name the models that this one reads and that are wrong too.

        None where a wrong model stops those below it; a model that dbt could not build is wrong by itself.
        """
        if self.trigger_rule != "all_done" or (built.get(self.model) or {}).get("status") == "error":
            return []
        above = sorted(self.upstream_task_ids & self.group.models.keys())
        wrong = [task for task in above if (model := self.group.models[task]) in built and why_not_right(built[model])]
        return [task.rpartition(".")[2] for task in wrong]

    def _reported(self, context: Context) -> dict[str, Report] | None:
        """Return the results of the build with this model, if one ran since the latest clear."""
        clear = context["dag_run"].clear_number
        for task in self._tasks():
            built = context["ti"].xcom_pull(task_ids=task, key=_XCOM)
            if built and built["clear"] == clear and self.model in built["models"]:
                models: dict[str, Report] = built["models"]
                return models
        return None

    def _build_what_was_cleared(self, context: Context) -> dict[str, Report] | None:
        ti, tasks = context["ti"], self._tasks()
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=tasks, run_ids=[ti.run_id])[ti.run_id]
        if states.get(tasks[0]) in _FAILED:
            raise AirflowException(f"The models were not built. See the log of task {tasks[0]}, then clear that task.")
        cleared = [task for task in tasks if states.get(task, "removed") not in _ENDED]
        if cleared[0] != self.task_id:
            self.log.info("%s is about to build this model.", cleared[0])
            return None
        if built := self._reported(context):  # built by a task that has ended since the first look
            return built
        models = [self.group.models[task] for task in cleared]
        return _build(context, self.group, sorted({s for m in models for s in self.group.selectors[m]}), models)

    def _tasks(self) -> list[str]:
        """Return the IDs of the group's tasks in the order in which they run."""
        return [f"{self.task_group.group_id}.{BUILD}", *self.group.models]


def _build(context: Context, group: DbtGroup, select: list[str], models: list[str]) -> dict[str, Report]:
    built = group.build(context, select)
    for line in in_words(built):
        log_lines(line)
    found = reports(built, models, group.ephemeral)
    context["ti"].xcom_push(key=_XCOM, value={"clear": context["dag_run"].clear_number, "models": found})
    if failed := failed_elsewhere(built, group.models.values()):
        raise AirflowException("; ".join(failed))
    return found
