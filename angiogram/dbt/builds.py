"""What became of each dbt node over all batches of a run: what went wrong in one of them stays wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from angiogram.dbt.command import OPERATION, SKIPPED, NodeResult, Outcome

_AT_START = "on-run-start"


@dataclass(frozen=True, slots=True)
class NodeBuild:
    """What became of one node.

    Attributes:
        results: by batch; of several tries of a batch the last one, for it built on what the others left.
        seconds: of all its builds.
    """

    results: dict[int, NodeResult] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failure(self) -> NodeResult | None:
        """The first batch's result that was neither right nor left out; None if there is none.

        Its message names the batch if others went better: what came later may hide what went wrong then.
        """
        failed = {batch: found for batch, found in self.results.items() if found.is_failure}
        if not failed:
            return None
        first = min(failed)
        found = failed[first]
        if len(failed) == len(self.results):
            return found
        return replace(found, message=f"in batch {first}: {found.message or found.status}")

    @property
    def was_skipped(self) -> bool:
        """Whether dbt left it out in one of the batches, because of what it reads."""
        return any(found.status == SKIPPED for found in self.results.values())

    def saw(self, batch: int) -> bool:
        """Whether it was built with a batch."""
        return batch in self.results


class Builds:
    """What became of all nodes, by dbt's id."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeBuild] = {}
        self.is_unexplained = False
        """Whether dbt exited with an error that no node explains."""

    def add(self, batch: int, outcome: Outcome) -> None:
        """Take in what one dbt command did with a batch.

        Args:
            batch: its number; 0 for what was loaded before the first.
            outcome: of the command.
        """
        self.add_results(batch, outcome.results)
        self.is_unexplained |= outcome.is_unexplained

    def add_results(self, batch: int, results: Iterable[NodeResult]) -> None:
        """Take in what became of nodes in a batch: a later result of a node takes the place of an earlier one."""
        for result in results:
            before = self._nodes.get(result.unique_id, NodeBuild())
            self._nodes[result.unique_id] = NodeBuild(before.results | {batch: result}, before.seconds + result.seconds)

    def of(self, unique_id: str) -> NodeBuild | None:
        """What became of one node; None if dbt never came to it."""
        return self._nodes.get(unique_id)

    def failures(self, kind: str | None = None) -> dict[str, NodeResult]:
        """Nodes that failed in any batch, with their messages.

        Args:
            kind: dbt's word for what they are; None: all kinds.
        """
        found = {unique_id: node.failure for unique_id, node in self._nodes.items()}
        return {i: failed for i, failed in found.items() if failed is not None and kind in (None, failed.kind)}

    @property
    def was_kept_from_beginning(self) -> bool:
        """Whether a hook failed that dbt runs before it builds anything."""
        return any(_AT_START in failed.name for failed in self.failures(OPERATION).values())

    def unbuilt(self) -> list[str]:
        """Names of the nodes that failed or were skipped in any batch, hooks included."""
        return [
            next(iter(node.results.values())).name
            for node in self._nodes.values()
            if node.failure is not None or node.was_skipped
        ]
