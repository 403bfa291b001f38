"""Finds a cause in input that no comparison sees.

No comparison sees excluded columns, excluded rows, and relations that are not compared. A stage whose output is wrong
although all comparisons of its input are right is to blame, with one exception: it is right on expected input. Then a
stage above it made something wrong that no comparison looks at, such as a run-dependent column. That stage is found by
trial: the models in between are rebuilt from expected input, one by one from the stage upwards.
"""

from collections.abc import Iterator

from angiogram.core.diagnose import OutputState
from angiogram.core.stage_id import MODEL, StageId, listed, loader_stage
from angiogram.dbt.manifest.lookup import node_with_id
from angiogram.dbt.manifest.nodes import Node, inlined
from angiogram.dbt.project import Project
from angiogram.dbt.seeds.dye_seeds import is_dye_seed
from angiogram.judge.cause.right_input import RightInput

_BROKEN = (OutputState.WRONG, OutputState.FAILED)


class UnseenInput:
    """Searches the stages above a wrong one for a fault that no comparison sees."""

    def __init__(self, project: Project, right_input: RightInput) -> None:
        """Remember the inputs. No model is run yet.

        Args:
            project: the project whose models were built.
            right_input: runs the models on expected input.
        """
        self._project = project
        self._right_input = right_input

    def cause(self, stage: StageId) -> StageId | None:
        """The stage above that spoils a stage's output unseen. None if none is known.

        Args:
            stage: a stage whose output is wrong or absent although all comparisons above it are right.
        """
        node = self._project.nodes.get(stage.name)
        apart = self._right_input.apart(stage)
        if node is None or apart is None or apart in _BROKEN or (node.is_watched and apart is not OutputState.RIGHT):
            return None
        return self._above(stage, ())

    def _above(self, stage: StageId, remade: tuple[StageId, ...]) -> StageId | None:
        """Search upwards from the topmost rebuilt model, or from the stage if none is rebuilt."""
        top = self._project.nodes[(remade or (stage,))[-1].name]
        parents = list(self._compared_parents(top))
        for parent in parents:
            is_model = parent.kind == MODEL
            if is_model and self._right_input.apart(stage, remade=(*remade, parent)) in _BROKEN:
                return parent
        for parent in parents:
            if self._right_input.apart(stage, remade=remade, as_it_is=parent) in _BROKEN:
                higher = self._above(stage, (*remade, parent)) if parent.kind == MODEL else None
                return higher or parent
        return None

    def _compared_parents(self, node: Node) -> Iterator[StageId]:
        """Yield the nearest stages above that are compared.

        Stages that are not compared are rebuilt or read as they are in any case.
        """
        for parent in node.reads:
            above = self._project.nodes.get(parent.name)
            if parent == loader_stage() or (above and above.is_watched):
                yield parent
            elif above:
                yield from self._compared_parents(above)

    def suspects(self, stage: StageId) -> str | None:
        """Say in a few sentences what a stage reads that no comparison sees. None if nothing.

        The cause may lie there.
        """
        node = self._project.nodes.get(stage.name)
        if node is None or node.stage != stage:
            return None
        reads = [(above, read) for above in node.reads if (read := self._project.nodes.get(above.name))]
        partly = [above for above, read in reads if read.where]
        coarsely = [above for above, read in reads if read.is_partly_expected and not read.where]
        told = []
        if unwatched := list(dict.fromkeys(self._unwatched(node))):
            are = "are" if len(unwatched) > 1 else "is"
            told.append(f"It reads {listed(unwatched)}, which {are} not compared: the cause may lie there.")
        if partly:
            told.append(
                f"It reads {listed(partly)}, where a `where` limits the comparison to some rows: the cause may lie in "
                "the others."
            )
        if coarsely:
            told.append(
                f"It reads {listed(coarsely)}, of which only some columns, or rounded numbers, are compared: the cause "
                "may lie in the rest."
            )
        if lost := self._right_input.unknown_columns(stage):
            told.append(
                f"It reads {', '.join(sorted(lost))}, which no comparison covers and none of its inputs has: the cause "
                f"may lie in {listed(node.reads)}."
            )
        return " ".join(told) or None

    def _unwatched(self, node: Node) -> Iterator[StageId]:
        manifest = self._project.manifest
        for inside in inlined(manifest, node.unique_id, self._project.shown_ephemeral):
            yield StageId(MODEL, node_with_id(manifest, inside).search_name)
        for parent in node.reads:
            above = self._project.nodes.get(parent.name)
            if above and not above.is_watched and not self._is_dye(above):
                yield parent
                yield from self._unwatched(above)

    def _is_dye(self, node: Node) -> bool:
        """Whether a node is an input seed, which is right by definition."""
        return node.is_seed and is_dye_seed(node_with_id(self._project.manifest, node.unique_id))
