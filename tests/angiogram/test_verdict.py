"""The verdict, concluded from the health of the stages and the checkpoints."""

import pytest

from angiogram.checkpoints import Checkpoint
from angiogram.diagnose import Finding, Health
from angiogram.stage import unbuilt_stage
from angiogram.verdict import conclude

AGREES = Checkpoint("published = in Kafka", 3, {"in_kafka": 3})
DIFFERS = Checkpoint("published = in Kafka", 3, {"in_kafka": 2})
UNCOUNTED = Checkpoint("loaded = accepted + superseded + rejected", 0, {"accepted": None})


def test_all_stages_healthy_and_all_counts_agreeing_is_healthy() -> None:
    assert conclude({"api": Health.HEALTHY}, {}, [AGREES]) == {"verdict": "healthy", "blockage": []}


def test_all_blocked_stages_are_the_blockage_and_affected_ones_are_not() -> None:
    health = {"api": Health.HEALTHY, "facts": Health.BLOCKED, "mart": Health.AFFECTED, "dates": Health.BLOCKED}
    assert conclude(health, {}, [AGREES]) == {"verdict": "blocked", "blockage": ["facts", "dates"]}


@pytest.mark.parametrize("point", [DIFFERS, UNCOUNTED])
def test_a_checkpoint_that_does_not_hold_is_never_healthy_though_every_stage_is(point: Checkpoint) -> None:
    assert conclude({"api": Health.HEALTHY}, {}, [point]) == {"verdict": "blocked", "blockage": [point.name]}


def test_a_stage_that_could_not_be_compared_is_named_and_never_healthy() -> None:
    concluded = conclude({"dim_extra": Health.NOT_COMPARED}, {"dim_extra": "it has no expected seed"}, [AGREES])
    assert concluded == {
        "verdict": "could_not_run",
        "blockage": [],
        "error": "Could not compare dim_extra (it has no expected seed).",
    }


def test_a_stage_that_was_not_reached_is_never_healthy() -> None:
    concluded = conclude({"stg": Health.NOT_REACHED}, {}, [UNCOUNTED])
    assert (concluded["verdict"], concluded["blockage"]) == ("could_not_run", [])


def test_a_blockage_counts_more_than_what_could_not_be_compared() -> None:
    health = {"api": Health.BLOCKED, "dim_extra": Health.NOT_COMPARED}
    assert conclude(health, {}, [AGREES])["verdict"] == "blocked"


def test_a_checkpoint_holds_only_if_all_its_counts_are_known_and_add_up() -> None:
    assert AGREES.holds
    assert not DIFFERS.holds
    assert not UNCOUNTED.holds
    assert Checkpoint("sum", 5, {"loaded": 3, "dead_letters": 2}).holds


@pytest.mark.parametrize(
    "message",
    [
        "Database Error: server closed the connection unexpectedly\n\tThis probably means the server terminated",
        "Database Error\n  terminating connection due to administrator command",
        'connection to server at "127.0.0.1", port 5432 failed: Connection refused',
    ],
)
def test_a_connection_lost_while_a_model_was_built_is_no_fault_of_the_model(message: str) -> None:
    assert unbuilt_stage("model", [], 0.1, message).finding is Finding.UNKNOWN


def test_any_other_error_is_the_models() -> None:
    message = "Database Error: canceling statement due to statement timeout"
    assert unbuilt_stage("model", [], 0.1, message).finding is Finding.FAILED
