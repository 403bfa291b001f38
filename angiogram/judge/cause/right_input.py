"""Runs models on right input for the diagnosis.

The diagnosis asks about models downstream of a fault, and about models that may have received wrong input.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from angiogram.core.diagnose import OutputState
from angiogram.core.differences import Comparison
from angiogram.core.stage import state_of
from angiogram.core.stage_id import MODEL, SEED, SNAPSHOT, StageId
from angiogram.dbt.project import Project
from angiogram.dye.messages import Sent
from angiogram.judge.cause.isolate import BothForms, Isolation
from angiogram.judge.cause.stale import has_only_new_columns
from angiogram.warehouse.engines.protocol import Warehouse


class RightInput:
    """Runs a model on right input when first asked. Until then nothing is compiled."""

    def __init__(
        self,
        database: Warehouse,
        project: Project,
        states: Mapping[StageId, OutputState],
        sent: Sequence[Sent] = (),
        forms: BothForms | None = None,
    ) -> None:
        """Remember the inputs. Nothing is compiled yet.

        Args:
            database: as the role of target angiogram, in autocommit. The expected seeds are loaded.
            project: the project whose models were built.
            states: the state of each stage's output.
            sent: where the broker put each dye message. Empty if the models read the input seeds.
            forms: the models' SQL, if known.
        """
        self._database = database
        self._project = project
        self._states = states
        self._sent = sent
        self._forms = forms
        self._known: dict[StageId, OutputState | None] = {}

    def __call__(self, stage: StageId, sound: frozenset[StageId]) -> OutputState | None:
        """State of a stage's output on right input. None: unknown.

        Args:
            stage: the stage.
            sound: the stages whose output is right as it is.
        """
        if not self._is_model(stage):
            return None
        if stage not in self._known:
            trusted = {other.name for other in sound if other.kind in (MODEL, SEED, SNAPSHOT)}
            self._known[stage] = self._state(stage, self._isolation.judge(stage.name, trusted))
        return self._known[stage]

    def apart(
        self, stage: StageId, remade: Collection[StageId] = (), as_it_is: StageId | None = None
    ) -> OutputState | None:
        """State of a stage's output on expected input alone. None: unknown.

        Args:
            stage: the stage.
            remade: models above it to rebuild from expected input.
            as_it_is: a stage above it whose output is read as it is, right or wrong.
        """
        if not self._is_model(stage):
            return None
        return self._state(stage, self._isolation.judge(stage.name, remade=remade, as_it_is=as_it_is))

    def unknown_columns(self, stage: StageId) -> set[str]:
        """Run-dependent columns that a stage reads and that none of its inputs has.

        No comparison looks at these columns.
        """
        return self._isolation.unknown_columns(stage.name)

    def _is_model(self, stage: StageId) -> bool:
        return stage.kind == MODEL and stage.name in self._project.nodes

    def _state(self, stage: StageId, comparison: Comparison | None) -> OutputState | None:
        if comparison is None:
            return None
        if has_only_new_columns(comparison.differences):
            # Its rows are right. If dbt did not build it, the cause is that its contract forbids the columns.
            return OutputState.FAILED if self._states[stage] is OutputState.FAILED else None
        return state_of(comparison)

    @cached_property
    def _isolation(self) -> Isolation:
        return Isolation(self._database, self._project, self._states, self._sent, self._forms)
