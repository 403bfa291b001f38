"""Derive where the pipeline is blocked from what was found at each stage.

Pure: a graph and states in, a health per stage out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum

from angiogram.core.stage_id import StageId


class OutputState(StrEnum):
    """What one stage's output looked like, on its own."""

    RIGHT = "right"
    """The output is as expected."""
    WRONG = "wrong"
    """The output differs from the expected output."""
    FAILED = "failed"
    """No output: the stage ended with an error."""
    SKIPPED = "skipped"
    """No output: the stage was never started."""
    NOT_BUILT = "not_built"
    """No output: a file that the stage needs does not parse or is missing."""
    UNKNOWN = "unknown"
    """There is output, but the comparison itself failed."""
    NOT_WATCHED = "not_watched"
    """There is output, but no expected output."""


class StageHealth(StrEnum):
    """What a stage's state means once the health of the stages above it is known."""

    HEALTHY = "healthy"
    """The output is right."""
    BLOCKED = "blocked"
    """The output is wrong or missing although all input is right."""
    AFFECTED = "affected"
    """The output is wrong or missing, and so is some of the input."""
    TOLERATED = "tolerated"
    """The output is wrong, but its test equals_expected tolerates that, and it makes nothing else wrong."""
    NOT_BUILT = "not_built"
    """The stage was never started because something it needs could not be built."""
    NOT_REACHED = "not_reached"
    """The stage was never started, for an unknown reason."""
    NOT_COMPARED = "not_compared"
    """Unknown: the comparison failed."""
    NOT_WATCHED = "not_watched"
    """Not judged: the stage has no expected output yet."""


def in_order(reads: Mapping[StageId, Sequence[StageId]]) -> list[StageId]:
    """Return the stages in the given order, but each one after all the stages it reads.

    No stage may read itself, directly or through others.
    """
    placed: dict[StageId, None] = {}

    def place(stage: StageId) -> None:
        if stage not in placed:
            for parent in reads[stage]:
                place(parent)
            placed[stage] = None

    for stage in reads:
        place(stage)
    return list(placed)


UNSOUND = (StageHealth.BLOCKED, StageHealth.AFFECTED, StageHealth.NOT_BUILT, StageHealth.NOT_REACHED)
"""States that explain why something below is wrong as well."""

_NO_PROOF = (OutputState.UNKNOWN, OutputState.NOT_WATCHED)
"""States that say neither that an output is right nor that it is wrong."""

OnRightInput = Callable[[StageId, frozenset[StageId]], OutputState | None]
"""Returns what a stage makes of right input, given the stage and all stages with right output. None: unknown."""


def diagnose(
    reads: Mapping[StageId, Sequence[StageId]],
    states: Mapping[StageId, OutputState],
    on_right_input: OnRightInput = lambda stage, sound: None,
) -> dict[StageId, StageHealth]:
    """Decide whether each stage is healthy, blocked, affected from above, or not reached.

    A stage is judged by its direct inputs: it is blocked if it turns right input into wrong output, even where the
    input is only right because a parent absorbed a fault further up. A stage that was not compared proves nothing, so
    the stages below it are judged by its own inputs. A stage that reads wrong input is also blocked if it would turn
    the right input into wrong output.

    Args:
        reads: the stages that each stage reads.
        states: what the output of each stage looked like.
        on_right_input: called for the stages that read wrong input.
    """
    sound: dict[StageId, bool] = {}
    absent: dict[StageId, bool] = {}
    health: dict[StageId, StageHealth] = {}
    for stage in in_order(reads):
        state = states[stage]
        input_sound = all(sound[parent] for parent in reads.get(stage, ()))
        sound[stage] = state is OutputState.RIGHT or (state in _NO_PROOF and input_sound)
        input_absent = any(absent[parent] for parent in reads.get(stage, ()))
        absent[stage] = state in (OutputState.FAILED, OutputState.NOT_BUILT) or (
            state is OutputState.SKIPPED and input_absent
        )
        health[stage] = _health(state, input_sound, input_absent)
        if not input_sound and state not in _NO_PROOF:
            alone = on_right_input(stage, frozenset(other for other, is_sound in sound.items() if is_sound))
            if alone in (OutputState.WRONG, OutputState.FAILED):
                health[stage] = StageHealth.BLOCKED
    return health


def tolerate(
    reads: Mapping[StageId, Sequence[StageId]], health: Mapping[StageId, StageHealth], tolerated: Collection[StageId]
) -> dict[StageId, StageHealth]:
    """Mark tolerated stages, unless they make a stage wrong that is not tolerated.

    Args:
        reads: the stages that each stage reads.
        health: the health of each stage.
        tolerated: stages whose differences are not a failure according to the configuration of their test.
    """
    wrong = {stage for stage, found in health.items() if found in (StageHealth.BLOCKED, StageHealth.AFFECTED)}
    red = wrong - set(tolerated)
    causes = [stage for stage in red if health[stage] is StageHealth.AFFECTED]
    while causes:
        above = [parent for parent in reads[causes.pop()] if parent in wrong and parent not in red]
        red.update(above)
        causes += above
    return {stage: StageHealth.TOLERATED if stage in wrong - red else found for stage, found in health.items()}


def _health(state: OutputState, input_sound: bool, input_absent: bool) -> StageHealth:
    match state:
        case OutputState.RIGHT:
            return StageHealth.HEALTHY
        case OutputState.NOT_BUILT:
            return StageHealth.NOT_BUILT
        case OutputState.SKIPPED:
            return StageHealth.NOT_BUILT if input_absent else StageHealth.NOT_REACHED
        case OutputState.UNKNOWN:
            return StageHealth.NOT_COMPARED
        case OutputState.NOT_WATCHED:
            return StageHealth.NOT_WATCHED
        case OutputState.WRONG | OutputState.FAILED:
            return StageHealth.BLOCKED if input_sound else StageHealth.AFFECTED
