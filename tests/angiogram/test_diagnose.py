"""Which stage is blocked, told from a graph and what was found at each stage."""

import pytest

from angiogram.core.diagnose import OutputState, StageHealth, diagnose, in_order, tolerate

R, W, F, S, U = OutputState.RIGHT, OutputState.WRONG, OutputState.FAILED, OutputState.SKIPPED, OutputState.UNKNOWN
OK, BLOCKED, AFFECTED = StageHealth.HEALTHY, StageHealth.BLOCKED, StageHealth.AFFECTED
NOT_REACHED, NOT_COMPARED, NOT_BUILT = StageHealth.NOT_REACHED, StageHealth.NOT_COMPARED, StageHealth.NOT_BUILT
TOLERATED = StageHealth.TOLERATED
NOT_WATCHED = StageHealth.NOT_WATCHED

CHAIN: dict[str, list[str]] = {
    "api": [],
    "topic": ["api"],
    "loader": ["topic"],
    "staging": ["loader"],
    "mart": ["staging"],
}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param("RRRRR", [OK] * 5, id="all right: all healthy"),
        pytest.param("WWWWW", [BLOCKED] + [AFFECTED] * 4, id="the first wrong stage is blocked, all below affected"),
        pytest.param("RRRRW", [OK, OK, OK, OK, BLOCKED], id="the last stage alone is blocked"),
        pytest.param("RWRRR", [OK, BLOCKED, OK, OK, OK], id="a fault absorbed below affects nobody"),
        pytest.param("RWRRW", [OK, BLOCKED, OK, OK, BLOCKED], id="two faults that do not meet are two blockages"),
        pytest.param(
            "RRFSS", [OK, OK, BLOCKED, NOT_BUILT, NOT_BUILT], id="a failed stage is blocked, what is below is not built"
        ),
        pytest.param("RRWFS", [OK, OK, BLOCKED, AFFECTED, NOT_BUILT], id="a failure on wrong input is affected"),
        pytest.param("RRRNS", [OK, OK, OK, NOT_BUILT, NOT_BUILT], id="what needs a broken file is not built"),
        pytest.param("RRRRS", [OK, OK, OK, OK, NOT_REACHED], id="a stage left out for no known reason is not reached"),
        pytest.param("RRRUW", [OK, OK, OK, NOT_COMPARED, BLOCKED], id="an uncompared stage excuses nobody below it"),
        pytest.param("RRWUW", [OK, OK, BLOCKED, NOT_COMPARED, AFFECTED], id="an uncompared stage passes suspicion on"),
        pytest.param("RRRDW", [OK, OK, OK, NOT_WATCHED, BLOCKED], id="nor does one that is not watched"),
        pytest.param(
            "RRWDW", [OK, OK, BLOCKED, NOT_WATCHED, AFFECTED], id="blame passes through one that is not watched"
        ),
    ],
)
def test_a_chain_is_judged_from_the_top(states: str, expected: list[StageHealth]) -> None:
    found = {
        stage: {"R": R, "W": W, "F": F, "S": S, "U": U, "N": OutputState.NOT_BUILT, "D": OutputState.NOT_WATCHED}[f]
        for stage, f in zip(CHAIN, states, strict=True)
    }
    assert list(diagnose(CHAIN, found).values()) == expected


def test_a_stage_with_one_wrong_parent_of_two_is_affected() -> None:
    reads = {"a": [], "b": [], "join": ["a", "b"]}
    assert diagnose(reads, {"a": R, "b": W, "join": W}) == {"a": OK, "b": BLOCKED, "join": AFFECTED}


def test_the_order_of_stages_does_not_depend_on_how_the_graph_is_written() -> None:
    backwards = {"mart": ["fact"], "fact": ["staging"], "staging": []}
    assert in_order(backwards) == ["staging", "fact", "mart"]
    assert diagnose(backwards, {"mart": W, "fact": W, "staging": W})["staging"] is BLOCKED


def test_below_a_wrong_stage_one_that_spoils_right_input_is_blocked_as_well() -> None:
    asked: dict[str, frozenset[str]] = {}

    def on_right_input(stage: str, sound: frozenset[str]) -> OutputState:
        asked[stage] = sound
        return W if stage == "mart" else R

    reads = {"reference": [], "staging": [], "facts": ["staging", "reference"], "mart": ["facts"]}
    health = diagnose(reads, {"reference": R, "staging": W, "facts": W, "mart": W}, on_right_input)
    assert health == {"reference": OK, "staging": BLOCKED, "facts": AFFECTED, "mart": BLOCKED}
    assert asked == {"facts": frozenset({"reference"}), "mart": frozenset({"reference"})}, "only what reads wrong input"


def test_a_stage_that_was_never_started_is_blocked_if_it_spoils_right_input() -> None:
    health = diagnose({"facts": [], "mart": ["facts"]}, {"facts": F, "mart": S}, lambda stage, sound: W)
    assert health == {"facts": BLOCKED, "mart": BLOCKED}


def test_a_stage_of_which_nobody_knows_what_it_makes_of_right_input_is_affected() -> None:
    health = diagnose({"facts": [], "mart": ["facts"]}, {"facts": W, "mart": W}, lambda stage, sound: None)
    assert health == {"facts": BLOCKED, "mart": AFFECTED}


@pytest.mark.parametrize(
    ("tolerated", "expected"),
    [
        pytest.param(set(), [BLOCKED, AFFECTED, AFFECTED, OK], id="nothing"),
        pytest.param({"mart"}, [BLOCKED, AFFECTED, TOLERATED, OK], id="what nothing reads"),
        pytest.param({"staging"}, [BLOCKED, AFFECTED, AFFECTED, OK], id="not the cause of what is not tolerated"),
        pytest.param({"staging", "facts"}, [BLOCKED, AFFECTED, AFFECTED, OK], id="nor what lies between"),
        pytest.param({"staging", "facts", "mart", "dates"}, [TOLERATED] * 3 + [OK], id="all that is wrong"),
    ],
)
def test_differences_are_tolerated_only_as_far_as_they_harm_nothing_else(
    tolerated: set[str], expected: list[StageHealth]
) -> None:
    reads = {"staging": [], "facts": ["staging"], "mart": ["facts"], "dates": []}
    health = dict(zip(reads, [BLOCKED, AFFECTED, AFFECTED, OK], strict=True))
    assert list(tolerate(reads, health, tolerated).values()) == expected


def test_what_never_was_started_is_not_tolerated() -> None:
    health = {"facts": BLOCKED, "mart": NOT_REACHED}
    assert tolerate({"facts": [], "mart": ["facts"]}, health, {"facts", "mart"})["mart"] is NOT_REACHED
