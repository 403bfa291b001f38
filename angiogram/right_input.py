"""What a model makes of right input, for the diagnosis of what lies below another fault."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from psycopg2.extensions import connection

from angiogram.diagnose import OutputState
from angiogram.inject import Sent
from angiogram.isolate import Isolation
from angiogram.project import Project
from angiogram.stage import state_of
from angiogram.stage_id import MODEL, SEED, StageId
from angiogram.stale import has_only_new_columns


class RightInput:
    """Runs a model on right input when it is first asked about; until then nothing is compiled."""

    def __init__(
        self, database: connection, project: Project, states: Mapping[StageId, OutputState], sent: Iterable[Sent] = ()
    ) -> None:
        """Nothing is compiled yet.

        Args:
            database: as the role of target angiogram, in autocommit; the expected seeds are loaded.
            project: whose models were built.
            states: what each stage's output looked like.
            sent: where the dye was put; nowhere if the models read the input seeds.
        """
        self._database = database
        self._project = project
        self._findings = states
        self._sent = sent
        self._known: dict[StageId, OutputState | None] = {}

    def __call__(self, stage: StageId, sound: frozenset[StageId]) -> OutputState | None:
        """What a stage makes of right input; None: unknown.

        Args:
            stage: which.
            sound: the stages whose output is right as it is.
        """
        if stage.kind != MODEL or stage.name not in self._project.nodes:
            return None
        if stage not in self._known:
            self._known[stage] = self._finding(stage, sound)
        return self._known[stage]

    def _finding(self, stage: StageId, sound: frozenset[StageId]) -> OutputState | None:
        comparison = self._isolation.judge(stage.name, {other.name for other in sound if other.kind in (MODEL, SEED)})
        if comparison is None:
            return None
        if has_only_new_columns(comparison.differences):
            # Its rows are right: if dbt did not build it, then because its contract forbids the columns.
            return OutputState.FAILED if self._findings[stage] is OutputState.FAILED else None
        return state_of(comparison)

    @cached_property
    def _isolation(self) -> Isolation:
        return Isolation(self._database, self._project, self._findings, self._sent)
