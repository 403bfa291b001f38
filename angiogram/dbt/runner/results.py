"""What one dbt command did with each node."""

from dataclasses import dataclass
from typing import Any

SUCCESS = frozenset({"success", "pass", "warn"})
"""dbt's words for success of a model, of a test, and of a test that only warns."""

SKIPPED = "skipped"
"""dbt's word for a node that it did not try because one that it reads failed."""

NO_OP = "no-op"
BUILDABLE = frozenset({"model", "seed", "snapshot"})
"""dbt's words for what it builds."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """The result of one node in one dbt command.

    Attributes:
        unique_id: dbt's ID of the node.
        name: its name.
        kind: dbt's word for its kind: model, seed, test, operation and so on.
        status: dbt's word for its result.
        message: dbt's message.
        seconds: how long it took.
    """

    unique_id: str
    name: str
    kind: str
    status: str
    message: str | None
    seconds: float

    @property
    def is_success(self) -> bool:
        """Return whether dbt reports no problem with the node.

        Exposures and the like have nothing to build.
        """
        return self.status in SUCCESS or (self.status == NO_OP and self.kind not in BUILDABLE)

    @property
    def is_failure(self) -> bool:
        """Return whether dbt tried the node and reports a problem with it."""
        return not self.is_success and self.status != SKIPPED


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one dbt command.

    Attributes:
        answer: dbt's own result: the manifest of a parse, the results of a build; None if dbt ended with an error.
        results: the result of each node, including hooks, and ephemeral models, which dbt only reports as events.
        success: whether dbt would have exited with 0.
        error: what stopped the command early; None if it completed, or if a hook stopped it, which then has a result.
    """

    answer: Any
    results: list[NodeResult]
    success: bool
    error: BaseException | None

    @property
    def is_unexplained(self) -> bool:
        """Return whether dbt would exit with an error although it reports no failed node."""
        return not self.success and all(result.is_success for result in self.results)
