"""From what was found at each stage to who is to blame: the expected data, what lies before dbt, or a model itself.

Nothing here runs while all is right.
"""

from collections.abc import Mapping
from dataclasses import replace

from psycopg2.extensions import connection

from angiogram.diagnose import Health, OnRightInput, OutputState, diagnose
from angiogram.differences import Differences
from angiogram.inject import Sent
from angiogram.kept import Kept
from angiogram.project import Project
from angiogram.right_input import RightInput
from angiogram.runs import Run
from angiogram.stage import Stage, state_of
from angiogram.stage_id import EXPECTED, LOADER_STAGE, MODEL, StageId
from angiogram.stale import Calculation, has_only_new_columns

BEFORE_DBT = (
    "the models turn the dye's input seeds into what is expected, but not what was loaded: the rides in hand are not "
    "those that the loader was seen to store"
)


def _broke_a_reader(model: StageId, stages: Mapping[StageId, Stage]) -> bool:
    """Whether a model that reads this one could not be built: what it asked for is no matter of the seed alone."""
    return any(model in stage.reads and stage.state is OutputState.FAILED for stage in stages.values())


class Blame:
    """Judges the stages of one run."""

    def __init__(self, database: connection, project: Project, run: Run) -> None:
        """Nothing is compiled or calculated yet.

        Args:
            database: as role angiogram, in autocommit.
            project: whose models were built.
            run: with the results of its steps.
        """
        self._database = database
        self._project = project
        self._sent = [Sent.of(state) for state in run.step("inject").get("sent", [])]
        self._kept = Kept(database, run.run_id)

    def judge(self, stages: Mapping[StageId, Stage]) -> tuple[dict[StageId, Stage], dict[StageId, Health]]:
        """Find what is blocked.

        Args:
            stages: as found, each by itself.

        Returns:
            The stages with those that only a second look shows: stale expected seeds, and a way that let through what
            its checks did not see; and the health of each.

        Raises:
            DbtFailed: dbt cannot compile the project.
            SeedError: the dye cannot be read.
        """
        states = {name: stage.state for name, stage in stages.items()}
        on_right_input = RightInput(self._database, self._project, states, self._sent)
        stages = self._with_stale_expected(stages)
        stages = _with_way_blamed(stages, on_right_input)
        reads = {name: stage.reads for name, stage in stages.items()}
        states = {name: stage.state for name, stage in stages.items()}
        # Where dbt was never run there are no expected seeds in the database to run a model on.
        if all(stage.state is OutputState.SKIPPED for found, stage in stages.items() if found.kind == MODEL):
            return stages, diagnose(reads, states)
        return stages, diagnose(reads, states, on_right_input)

    def _with_stale_expected(self, stages: Mapping[StageId, Stage]) -> dict[StageId, Stage]:
        calculation = Calculation(self._database, self._project)
        judged: dict[StageId, Stage] = {}
        for model, stage in stages.items():
            node = self._project.nodes.get(model.name)
            if model.kind != MODEL or stage.state is not OutputState.WRONG or node is None:
                judged[model] = stage
                continue
            expected = StageId(EXPECTED, model.name)
            lost = [found.column for found in stage.differences.first if found.difference == "missing" and found.column]
            if has_only_new_columns(stage.differences) and not (lost and _broke_a_reader(model, stages)):
                self._kept.rename(model, expected)
                without = f" and lacks {', '.join(lost)}" if lost else ""
                reason = f"{model} has columns that it does not know{without}; all others are equal"
                judged[model] = replace(stage, state=OutputState.RIGHT, differences=Differences())
            elif calculated := calculation.compare(node, self._kept):
                reason = "it is not what the independent calculation makes of the dye"
                judged[model] = replace(stage, state=state_of(calculated), differences=calculated.differences)
            else:
                judged[model] = stage
                continue
            reason += f". If the model is right, write it anew: angiogram accept {model}"
            judged[expected] = Stage([], OutputState.WRONG, stage.differences, None, 0.0, reason)
        return judged


def _with_way_blamed(stages: Mapping[StageId, Stage], on_right_input: OnRightInput) -> dict[StageId, Stage]:
    """Blame what lies before dbt if the models are right on the input seeds and wrong on what was loaded."""
    readers = [
        name for name, stage in stages.items() if LOADER_STAGE in stage.reads and stage.state is OutputState.WRONG
    ]
    is_before_dbt = (
        bool(readers)
        and stages[LOADER_STAGE].state is OutputState.RIGHT
        and all(on_right_input(name, frozenset()) is OutputState.RIGHT for name in readers)
    )
    judged = dict(stages)
    if is_before_dbt:
        judged[LOADER_STAGE] = replace(stages[LOADER_STAGE], state=OutputState.WRONG, reason=BEFORE_DBT)
    return judged
