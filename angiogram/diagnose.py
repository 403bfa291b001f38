"""From what was found at each stage to where the pipeline is blocked. Pure: a graph and findings in, a health out."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum


class Finding(StrEnum):
    """What one stage's output looked like, taken by itself."""

    RIGHT = "right"
    """All that came out is as expected."""
    WRONG = "wrong"
    """What came out differs from what is expected."""
    FAILED = "failed"
    """Nothing came out: the stage ended with an error."""
    SKIPPED = "skipped"
    """Nothing came out: the stage was never started."""
    UNKNOWN = "unknown"
    """Something came out, but there is nothing to compare it with, or the comparison itself failed."""


class Health(StrEnum):
    """What a finding means once the stages above are known."""

    HEALTHY = "healthy"
    """The output is right."""
    BLOCKED = "blocked"
    """The output is wrong or absent although all that the stage reads is right."""
    AFFECTED = "affected"
    """The output is wrong or absent, and so is something that the stage reads."""
    NOT_REACHED = "not_reached"
    """The stage was never started."""
    NOT_COMPARED = "not_compared"
    """Nobody knows: there was nothing to compare with."""


def in_order(reads: Mapping[str, Sequence[str]]) -> list[str]:
    """The stages in the order given, but each after all that it reads. No stage may read itself through others."""
    placed: dict[str, None] = {}

    def place(stage: str) -> None:
        if stage not in placed:
            for parent in reads[stage]:
                place(parent)
            placed[stage] = None

    for stage in reads:
        place(stage)
    return list(placed)


OnRightInput = Callable[[str, frozenset[str]], Finding | None]
"""What a stage makes of right input: given its name and the stages whose output is right as it is. None: unknown."""


def diagnose(
    reads: Mapping[str, Sequence[str]],
    findings: Mapping[str, Finding],
    on_right_input: OnRightInput = lambda stage, sound: None,
) -> dict[str, Health]:
    """Tell for each stage whether it is healthy, blocked, affected by something above, or not reached.

    A stage is judged by what it reads directly: one that turns right input into wrong output is blocked even if the
    input is only right because its parent absorbed a fault further up. A stage that could not be compared is no
    proof either way, so those below it are judged by what it reads itself. A stage that reads something wrong is
    blocked as well if it turns right input into wrong output.

    Args:
        reads: for each stage the stages it reads.
        findings: for each stage what its output looked like.
        on_right_input: asked about the stages that read something wrong.
    """
    sound: dict[str, bool] = {}
    health: dict[str, Health] = {}
    for stage in in_order(reads):
        finding = findings[stage]
        input_sound = all(sound[parent] for parent in reads.get(stage, ()))
        sound[stage] = finding is Finding.RIGHT or (finding is Finding.UNKNOWN and input_sound)
        health[stage] = _health(finding, input_sound)
        if not input_sound and finding is not Finding.UNKNOWN:
            alone = on_right_input(stage, frozenset(name for name, is_sound in sound.items() if is_sound))
            if alone in (Finding.WRONG, Finding.FAILED):
                health[stage] = Health.BLOCKED
    return health


def _health(finding: Finding, input_sound: bool) -> Health:
    match finding:
        case Finding.RIGHT:
            return Health.HEALTHY
        case Finding.SKIPPED:
            return Health.NOT_REACHED
        case Finding.UNKNOWN:
            return Health.NOT_COMPARED
        case Finding.WRONG | Finding.FAILED:
            return Health.BLOCKED if input_sound else Health.AFFECTED
