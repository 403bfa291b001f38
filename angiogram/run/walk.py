"""The only list of a run's steps, used by `angiogram run`, the faults and the DAG.

`angiogram.run.steps.begin` comes before them and returns the run ID, `finish` comes after them whatever happened.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from angiogram.core.words import STEPS
from angiogram.dbt.project import Project
from angiogram.dye.messages import OutgoingMessage
from angiogram.run import before_dbt, steps
from angiogram.store import runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What the steps of a run receive.

    Attributes:
        run_id: the active run.
        project: an open project, whose dye and manifest are used; None: each step opens that of the environment.
        dye: the dye in an unusual order; None: in the usual one.
        door_url: the front door's address; None: FRONT_DOOR_URL.
        alerts: whether to send alerts.
        say: called with what is waited for.
    """

    run_id: str
    project: Project | None = None
    dye: list[OutgoingMessage] | None = None
    door_url: str | None = None
    alerts: bool = True
    say: Callable[[str], None] = runs.say_on_stderr


_DO: Mapping[str, Callable[[Walk], dict[str, Any] | None]] = {
    "prepare": lambda walk: steps.prepare(walk.run_id, walk.project, walk.say, walk.alerts),
    "inject": lambda walk: before_dbt.inject(walk.run_id, walk.project, walk.dye, walk.door_url),
    "check_topic": lambda walk: before_dbt.check_topic(walk.run_id, walk.project),
    "load": lambda walk: before_dbt.load(walk.run_id),
    "check_loaded": lambda walk: before_dbt.check_loaded(walk.run_id, walk.project),
    "build_batch_1": lambda walk: steps.build_batch(walk.run_id, 1, walk.project),
    "build_batch_2": lambda walk: steps.build_batch(walk.run_id, 2, walk.project),
    "verdict": lambda walk: steps.verdict(walk.run_id, walk.project, walk.alerts),
}
"""The function of each step, by its name."""


def through(
    walk: Walk,
    first: str = "prepare",
    last: str = "verdict",
    around: Callable[[str], AbstractContextManager[Any]] = lambda step: nullcontext(),
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Do the steps from one to another, and yield each one's name and result as it ends.

    Args:
        walk: what the steps receive.
        first: the step to start with.
        last: the step to end with.
        around: context managers that steps run in, by step name.

    Raises:
        AngiogramError, IngestionError: a step ended with it.
    """
    for name in STEPS[STEPS.index(first) : STEPS.index(last) + 1]:
        with around(name):
            result = _DO[name](walk)
        yield name, result or {}
