"""Decides what is to blame: the expected data, the path before dbt, or a model itself.

Live runs and runs from the seeds use the same judge. Nothing here runs while all outputs are right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from angiogram.core.diagnose import OnRightInput, OutputState, StageHealth, diagnose, in_order, tolerate
from angiogram.core.differences import Differences
from angiogram.core.stage import Stage, state_of
from angiogram.core.stage_id import EXPECTED, MODEL, StageId, listed, loader_stage
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import Node
from angiogram.dbt.project import Project
from angiogram.dye.messages import Sent
from angiogram.judge.cause.isolate import BothForms
from angiogram.judge.cause.right_input import RightInput
from angiogram.judge.cause.stale import Calculated, Strangers
from angiogram.judge.cause.unseen_input import UnseenInput
from angiogram.store.local import SomeKept
from angiogram.warehouse.engines.protocol import Warehouse

_NOT_STARTED = (OutputState.SKIPPED, OutputState.NOT_BUILT)
_NOT_RIGHT = (StageHealth.BLOCKED, StageHealth.AFFECTED, StageHealth.NOT_BUILT, StageHealth.NOT_REACHED)

BEFORE_DBT = (
    "the models are right on the dye's input seeds but wrong on the loaded rows: the messages that they read are "
    "not those that the loader's check found"
)


class Blame:
    """Judges the stages of one run."""

    def __init__(
        self,
        database: Warehouse,
        project: Project,
        sent: Iterable[Sent] = (),
        kept: SomeKept | None = None,
        forms: BothForms | None = None,
    ) -> None:
        """Remember the inputs. Nothing is compiled or calculated yet.

        Args:
            database: as the role of target angiogram, in autocommit.
            project: the project whose models were built.
            sent: where the broker put each dye message. Empty if the models read the input seeds.
            kept: where all differences are kept. None: they are not kept.
            forms: the models' SQL, if known.
        """
        self._forms = forms
        self._database = database
        self._project = project
        self._sent = list(sent)
        self._kept = kept
        self._suspects: set[StageId] = set()

    def judge(self, stages: Mapping[StageId, Stage]) -> tuple[dict[StageId, Stage], dict[StageId, StageHealth]]:
        """Find what is blocked.

        Args:
            stages: the stages, each judged by itself.

        Returns:
            The stages and the health of each. Stages that only a second look finds are included: stale expected seeds,
            and a stage before dbt that let an error through unnoticed.

        Raises:
            DbtFailed: dbt cannot compile the project.
            SeedError: the dye cannot be read.
        """
        stages = {name: stages[name] for name in in_order({name: stage.reads for name, stage in stages.items()})}
        states = {name: stage.state for name, stage in stages.items()}
        on_right_input = RightInput(self._database, self._project, states, self._sent, self._forms)
        stages = self._with_stale_expected(stages)
        stages = _with_way_blamed(stages, on_right_input)
        reads = {name: stage.reads for name, stage in stages.items()}
        states = {name: stage.state for name, stage in stages.items()}
        # If dbt was never run, the database has no expected seeds on which a model could run.
        if all(stage.state in _NOT_STARTED for found, stage in stages.items() if found.kind == MODEL):
            return stages, diagnose(reads, states)
        health = diagnose(reads, states, on_right_input) | dict.fromkeys(self._suspects, StageHealth.BLOCKED)
        stages, health = self._with_unseen_input(stages, health, UnseenInput(self._project, on_right_input))
        return stages, tolerate(reads, health, {name for name, stage in stages.items() if stage.tolerated})

    def _with_unseen_input(
        self, stages: Mapping[StageId, Stage], health: Mapping[StageId, StageHealth], unseen: UnseenInput
    ) -> tuple[dict[StageId, Stage], dict[StageId, StageHealth]]:
        """Move the blame to a stage above if it spoils its readers in a way no comparison sees.

        Otherwise the stage to blame gets a hint where else the cause may lie.
        """
        judged, found = dict(stages), dict(health)
        spoilt: dict[StageId, list[StageId]] = {}
        for name, stage in stages.items():
            is_first = all(health[above] not in _NOT_RIGHT or above in self._suspects for above in stage.reads)
            is_blamed = health[name] is StageHealth.BLOCKED and name.kind == MODEL and name not in self._suspects
            if not is_blamed or not is_first:
                continue
            if cause := unseen.cause(name):
                spoilt.setdefault(cause, []).append(name)
                found[name] = StageHealth.AFFECTED
            else:
                judged[name] = replace(stage, hint=unseen.suspects(name))
        for cause, readers in spoilt.items():
            reason = self._told(cause, readers, stages)
            judged[cause] = replace(judged[cause], state=OutputState.WRONG, reason=reason)
            found[cause] = StageHealth.BLOCKED
            if cause in self._suspects:  # not a stale seed alone: the new column replaced one that a reader needs
                seed = StageId(EXPECTED, cause.name)
                stale, _ = judged.pop(seed), found.pop(seed)
                if stale.differences.count:
                    self._move(seed, cause)
                    judged[cause] = replace(judged[cause], differences=stale.differences)
        return judged, found

    def _told(self, cause: StageId, readers: Sequence[StageId], stages: Mapping[StageId, Stage]) -> str:
        several = len(readers) > 1
        first = stages[readers[0]]
        many = f"{first.differences.count} difference{'s' if first.differences.count != 1 else ''}"
        return (
            f"{listed(readers)} {'are' if several else 'is'} right on the expected output of {cause} and wrong on its "
            f"actual output ({readers[0]}: {first.headline or many}). The cause is something that no comparison covers"
            + (f", such as {', '.join(columns)}" if (columns := self._excluded(cause)) else "")
        )

    def _excluded(self, stage: StageId) -> list[str]:
        node = self._project.nodes.get(stage.name)
        return node.excluded if node and node.stage == stage else []

    def _with_stale_expected(self, stages: Mapping[StageId, Stage]) -> dict[StageId, Stage]:
        """Blame expected seeds that are stale by the rule of angiogram.judge.cause.stale.

        Where either the seed or its model may be wrong, suspect the model too.
        """
        calculation = Calculated(self._database, self._project)
        judged: dict[StageId, Stage] = {}
        for model, stage in stages.items():
            node = self._project.nodes.get(model.name)
            if model.kind != MODEL or stage.state is not OutputState.WRONG or node is None:
                judged[model] = stage
            elif calculation.denies_seed(node):
                judged |= self._stale_by_calculation(node, stage, calculation)
            elif (strangers := Strangers.of(stage.differences)) and not (strangers.lost and _broke(model, stages)):
                judged |= self._stale_or_wrong(node, stage, strangers)
            else:
                judged[model] = stage
        return judged

    def _stale_by_calculation(self, node: Node, stage: Stage, calculation: Calculated) -> dict[StageId, Stage]:
        seed = StageId(EXPECTED, node.name)
        self._move(node.stage, seed)
        calculated = calculation.compare(node, self._kept)
        reason = f"it differs from what the independent calculation makes of the dye. {_accept(node)}"
        return {
            node.stage: replace(stage, state=state_of(calculated), differences=calculated.differences),
            seed: Stage([], OutputState.WRONG, stage.differences, None, 0.0, reason),
        }

    def _stale_or_wrong(self, node: Node, stage: Stage, strangers: Strangers) -> dict[StageId, Stage]:
        """Return both suspects. The likelier one gets the differences.

        The model counts as right, so that its readers are judged by themselves.
        """
        seed = StageId(EXPECTED, node.name)
        self._suspects.add(node.stage)
        stale = Stage([], OutputState.WRONG, Differences(), None, 0.0)
        wrong = replace(stage, state=OutputState.RIGHT)
        found = f"{node.name} has {strangers}; all other columns are equal."
        if strangers.are_meant(node_with_id(self._project.manifest, node.unique_id).columns):
            self._move(node.stage, seed)
            stale = replace(stale, differences=stage.differences, reason=f"{found} {_accept(node)}")
            wrong = replace(
                wrong, differences=Differences(), reason=f"{found} If that is not intended, correct the model."
            )
            return {seed: stale, node.stage: wrong}
        wrong = replace(wrong, reason=f"{found} If that is intended, see {seed}.")
        return {node.stage: wrong, seed: replace(stale, reason=f"{found} {_accept(node)}")}

    def _move(self, stage: StageId, other: StageId) -> None:
        if self._kept:
            self._kept.rename(stage, other)


def _accept(node: Node) -> str:
    return f"If the model is right, rewrite the seed: angiogram accept {node.name}"


def _broke(model: StageId, stages: Mapping[StageId, Stage]) -> bool:
    """Whether a model that reads this one could not be built.

    Then more than a stale seed is wrong: the reader asked for a column that is gone.
    """
    return any(model in stage.reads and stage.state is OutputState.FAILED for stage in stages.values())


def _with_way_blamed(stages: Mapping[StageId, Stage], on_right_input: OnRightInput) -> dict[StageId, Stage]:
    """Blame the path before dbt if models are right on input seeds but wrong on loaded rows."""
    readers = [
        name for name, stage in stages.items() if loader_stage() in stage.reads and stage.state is OutputState.WRONG
    ]
    is_before_dbt = (
        bool(readers)
        and stages[loader_stage()].state is OutputState.RIGHT
        and all(on_right_input(name, frozenset()) is OutputState.RIGHT for name in readers)
    )
    judged = dict(stages)
    if is_before_dbt:
        judged[loader_stage()] = replace(stages[loader_stage()], state=OutputState.WRONG, reason=BEFORE_DBT)
    return judged
