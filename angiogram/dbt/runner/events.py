"""Listens to dbt's events: what its results leave out, and what it is about to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from angiogram.core.stage_id import OPERATION
from angiogram.dbt.runner.results import NodeResult


@dataclass(frozen=True, slots=True)
class Started:
    """A node that dbt begins with.

    Attributes:
        number: which of the command's nodes it is, from 1.
        total: how many there are.
        kind: dbt's word for its kind: model, seed, test and so on.
        name: its name.
    """

    number: int
    total: int
    kind: str
    name: str


_listeners: list[Callable[[Started], None]] = []


@contextmanager
def told_of_each(listener: Callable[[Started], None]) -> Iterator[None]:
    """Tell a listener of each node that a dbt command of this process begins with.

    Args:
        listener: called in the threads of dbt.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class Heard:
    """What dbt reports as events while it works, and not in its results.

    Attributes:
        finished: the results of all nodes so far.
        ephemeral: those of ephemeral models, which dbt reports nowhere else.
    """

    def __init__(self) -> None:
        self.finished: list[NodeResult] = []
        self.ephemeral: list[NodeResult] = []
        self._errors: dict[str, list[str]] = {}

    def __call__(self, event: Any) -> None:
        """Take an event of dbt."""
        if event.info.name == "NodeFinished":
            node, result = event.data.node_info, event.data.run_result
            finished = NodeResult(
                node.unique_id,
                node.node_name,
                node.resource_type,
                result.status,
                result.message or None,
                result.execution_time,
            )
            self.finished.append(finished)
            if node.materialized == "ephemeral":
                self.ephemeral.append(finished)
        elif event.info.name == "LogStartLine":
            node = event.data.node_info
            started = Started(event.data.index, event.data.total, node.resource_type, node.node_name)
            for listener in list(_listeners):
                listener(started)
        elif event.info.name == "GenericExceptionOnRun":
            told = event.data.exc.removeprefix("Exception on worker thread. ")
            self._errors.setdefault(event.data.node_info.unique_id, []).append(told)

    def completed(self, result: NodeResult) -> NodeResult:
        """Add the errors of microbatches to a result, since dbt's own message only counts them."""
        errors = [told for told in self._errors.get(result.unique_id, []) if told not in (result.message or "")]
        if result.is_success or not errors:
            return result
        message = f"{result.message}: {errors[0]}" if result.message else errors[0]
        return NodeResult(result.unique_id, result.name, result.kind, result.status, message, result.seconds)


def result_of(found: Any) -> NodeResult:
    """Return a result of dbt in words of our own."""
    node, kind = found.node, str(found.node.resource_type)
    message = None if found.message is None else str(found.message)
    if kind == OPERATION and message:
        message = message.replace(" failed, error:\n", " failed:", 1)  # the next line says what happened
    return NodeResult(node.unique_id, node.name, kind, str(found.status), message, found.execution_time)
