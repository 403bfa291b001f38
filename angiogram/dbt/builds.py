"""The build result of each dbt node over all batches of a run.

A failure in one batch remains a failure of the run.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from angiogram.core.stage_id import OPERATION
from angiogram.dbt.runner.results import SKIPPED, NodeResult, Outcome

_AT_START, _AT_END = "on-run-start", "on-run-end"


@dataclass(frozen=True, slots=True)
class NodeBuild:
    """The build result of one node.

    Attributes:
        results: by batch; if a batch was tried several times, the latest result, since it built on the earlier ones.
        seconds: of all its builds.
    """

    results: dict[int, NodeResult] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failure(self) -> NodeResult | None:
        """Return the first failed result of all batches, or None if no batch failed.

        Its message names the batch if other batches succeeded, since a later batch may hide the failure.
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
        """Return whether dbt skipped the node in any batch because of what it reads."""
        return any(found.status == SKIPPED for found in self.results.values())

    def saw(self, batch: int) -> bool:
        """Return whether the node was built with a batch."""
        return batch in self.results


class Builds:
    """The build results of all nodes, by dbt's ID."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeBuild] = {}
        self.is_unexplained = False
        """Whether dbt exited with an error that no node explains."""

    def add(self, batch: int, outcome: Outcome) -> None:
        """Add what one dbt command did with a batch.

        Args:
            batch: its number; 0 for what was loaded before the first batch.
            outcome: of the command.
        """
        self.add_results(batch, outcome.results)
        self.is_unexplained |= outcome.is_unexplained

    def add_results(self, batch: int, results: Iterable[NodeResult]) -> None:
        """Add the results of a batch. A later result of a node replaces an earlier one."""
        for result in results:
            before = self._nodes.get(result.unique_id, NodeBuild())
            self._nodes[result.unique_id] = NodeBuild(before.results | {batch: result}, before.seconds + result.seconds)

    def of(self, unique_id: str) -> NodeBuild | None:
        """Return the build result of one node, or None if dbt never reached it."""
        return self._nodes.get(unique_id)

    def failures(self, kind: str | None = None) -> dict[str, NodeResult]:
        """Return the nodes that failed in any batch, with their messages.

        Args:
            kind: dbt's word for the kind of node; None: all kinds.
        """
        found = {unique_id: node.failure for unique_id, node in self._nodes.items()}
        return {i: failed for i, failed in found.items() if failed is not None and kind in (None, failed.kind)}

    def at_end(self) -> dict[str, NodeBuild]:
        """Return the hooks that dbt runs at the end of a command, by their IDs."""
        return {
            unique_id: node
            for unique_id, node in self._nodes.items()
            if any(found.kind == OPERATION and _AT_END in found.name for found in node.results.values())
        }

    def not_yet_built(self, batch: int) -> set[str]:
        """Return the IDs of what dbt first built, or tried to, with a later batch."""
        return {unique_id for unique_id, node in self._nodes.items() if min(node.results, default=batch) > batch}

    def forget(self, unique_id: str, batch: int) -> None:
        """Drop the result of a node in one batch."""
        self._nodes[unique_id].results.pop(batch)

    @property
    def was_kept_from_beginning(self) -> bool:
        """Return whether a hook failed that dbt runs before it builds anything."""
        return any(_AT_START in failed.name for failed in self.failures(OPERATION).values())

    def unbuilt(self) -> list[str]:
        """Return the names of nodes that failed or were skipped in any batch, including hooks."""
        return [
            next(iter(node.results.values())).name
            for node in self._nodes.values()
            if node.failure is not None or node.was_skipped
        ]
