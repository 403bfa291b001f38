"""From what was found at each stage to who is to blame: the expected data, what lies before dbt, or a model itself.

Nothing here runs while all is right.
"""

from collections.abc import Mapping
from dataclasses import replace

from psycopg2.extensions import connection

from angiogram.diagnose import Finding, Health, OnRightInput, diagnose
from angiogram.differences import Differences
from angiogram.inject import Sent
from angiogram.kept import Kept
from angiogram.project import LOADER, Project, expected_name
from angiogram.right_input import RightInput
from angiogram.runs import Run
from angiogram.stage import Stage, finding_of
from angiogram.stale import Calculation, has_only_new_columns

BEFORE_DBT = (
    "the models turn the dye's input seeds into what is expected, but not what was loaded: the rides in hand are not "
    "those that the loader was seen to store"
)


def _broke_a_reader(name: str, stages: Mapping[str, Stage]) -> bool:
    """Whether a model that reads this one could not be built: what it asked for is no matter of the seed alone."""
    return any(name in stage.reads and stage.finding is Finding.FAILED for stage in stages.values())


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

    def judge(self, stages: Mapping[str, Stage]) -> tuple[dict[str, Stage], dict[str, Health]]:
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
        findings = {name: stage.finding for name, stage in stages.items()}
        on_right_input = RightInput(self._database, self._project, findings, self._sent)
        stages = self._with_stale_expected(stages)
        stages = _with_way_blamed(stages, on_right_input)
        reads = {name: stage.reads for name, stage in stages.items()}
        findings = {name: stage.finding for name, stage in stages.items()}
        # Where dbt was never run there are no expected seeds in the database to run a model on.
        if all(stage.finding is Finding.SKIPPED for stage in stages.values() if stage.kind == "model"):
            return stages, diagnose(reads, findings)
        return stages, diagnose(reads, findings, on_right_input)

    def _with_stale_expected(self, stages: Mapping[str, Stage]) -> dict[str, Stage]:
        calculation = Calculation(self._database, self._project)
        judged: dict[str, Stage] = {}
        for name, stage in stages.items():
            node = self._project.nodes.get(name)
            if stage.kind != "model" or stage.finding is not Finding.WRONG or node is None:
                judged[name] = stage
                continue
            lost = [found.column for found in stage.differences.first if found.difference == "missing" and found.column]
            if has_only_new_columns(stage.differences) and not (lost and _broke_a_reader(name, stages)):
                self._kept.rename(name, expected_name(name))
                without = f" and lacks {', '.join(lost)}" if lost else ""
                reason = f"{name} has columns that it does not know{without}; all others are equal"
                judged[name] = replace(stage, finding=Finding.RIGHT, differences=Differences())
            elif calculated := calculation.compare(node, self._kept):
                reason = "it is not what the independent calculation makes of the dye"
                judged[name] = replace(stage, finding=finding_of(calculated), differences=calculated.differences)
            else:
                judged[name] = stage
                continue
            reason += f". If the model is right, write it anew: angiogram accept {name}"
            expected = expected_name(name)
            judged[expected] = Stage("expected", [], Finding.WRONG, stage.differences, None, 0.0, reason)
        return judged


def _with_way_blamed(stages: Mapping[str, Stage], on_right_input: OnRightInput) -> dict[str, Stage]:
    """Blame what lies before dbt if the models are right on the input seeds and wrong on what was loaded."""
    readers = [name for name, stage in stages.items() if LOADER in stage.reads and stage.finding is Finding.WRONG]
    is_before_dbt = (
        bool(readers)
        and stages[LOADER].finding is Finding.RIGHT
        and all(on_right_input(name, frozenset()) is Finding.RIGHT for name in readers)
    )
    judged = dict(stages)
    if is_before_dbt:
        judged[LOADER] = replace(stages[LOADER], finding=Finding.WRONG, reason=BEFORE_DBT)
    return judged
