"""The one list of a run's steps, and the way through it: for `angiogram run`, for the faults and for the DAG.

`angiogram.run.steps.begin` comes before it and gives the run id, `finish` comes after it whatever happened.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from angiogram.core.words import STEPS
from angiogram.dbt.project import Project
from angiogram.dye.inject import OutgoingMessage
from angiogram.run import steps
from angiogram.store import runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What the steps of a run are given.

    Attributes:
        run_id: the run in hand.
        project: an open one, whose manifest is used again; None: each step opens that of the environment.
        dye: in another order than the usual one; None: the usual one.
        say: told what is waited for.
    """

    run_id: str
    project: Project | None = None
    dye: list[OutgoingMessage] | None = None
    say: Callable[[str], None] = runs.say_on_stderr


_DO: Mapping[str, Callable[[Walk], dict[str, Any] | None]] = {
    "prepare": lambda walk: steps.prepare(walk.run_id, walk.project, walk.say),
    "inject": lambda walk: steps.inject(walk.run_id, walk.dye),
    "check_topic": lambda walk: steps.check_topic(walk.run_id),
    "load": lambda walk: steps.load(walk.run_id),
    "check_loaded": lambda walk: steps.check_loaded(walk.run_id),
    "build_batch_1": lambda walk: steps.build_batch(walk.run_id, 1, walk.project),
    "build_batch_2": lambda walk: steps.build_batch(walk.run_id, 2, walk.project),
    "verdict": lambda walk: steps.verdict(walk.run_id, walk.project),
}
"""What is done in each step, by its name."""


def through(
    walk: Walk,
    first: str = "prepare",
    last: str = "verdict",
    around: Callable[[str], AbstractContextManager[Any]] = lambda step: nullcontext(),
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Do the steps from one to another, and give each one's name and result as it ends.

    Args:
        walk: what they are given.
        first: the step to begin with.
        last: the step to end with.
        around: what each step is done within, by its name.

    Raises:
        AngiogramError, IngestionError: a step ended with it.
    """
    for name in STEPS[STEPS.index(first) : STEPS.index(last) + 1]:
        with around(name):
            result = _DO[name](walk)
        yield name, result or {}
