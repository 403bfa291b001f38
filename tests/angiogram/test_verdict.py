"""The verdict, concluded from the health of the stages and the checkpoints."""

from typing import Any

import pytest

from angiogram.core.diagnose import OutputState, StageHealth
from angiogram.core.differences import Differences
from angiogram.core.stage import Stage, unbuilt_stage
from angiogram.core.stage_id import StageId, loader_stage
from angiogram.dye.checkpoints import Checkpoint
from angiogram.judge.verdict import conclude
from angiogram.report.report import healthy
from tests.angiogram.recorded import blocked

AGREES = Checkpoint("published = in Kafka", 3, {"in_kafka": 3})
DIFFERS = Checkpoint("published = in Kafka", 3, {"in_kafka": 2})
UNCOUNTED = Checkpoint("loaded = accepted + superseded + rejected", 0, {"accepted": None})


def judged(
    health: dict[str, StageHealth], *points: Checkpoint, reason: str | None = None, **states: OutputState
) -> Any:
    """The verdict on some models."""
    ids = {StageId("model", name): state for name, state in health.items()}
    stages = {
        stage: Stage([], states.get(stage.name, OutputState.WRONG), Differences(), None, 0.0, reason) for stage in ids
    }
    return conclude(ids, stages, points)


def test_all_stages_healthy_and_all_counts_agreeing_is_healthy() -> None:
    found = judged({"facts": StageHealth.HEALTHY}, AGREES)
    assert (found["verdict"], found["blockage"], found["findings"]) == ("healthy", [], [])
    assert found["models"] == {"watched": 1, "total": 1}


def test_all_blocked_stages_are_the_blockage_and_affected_ones_are_not() -> None:
    health = {
        "stg": StageHealth.HEALTHY,
        "facts": StageHealth.BLOCKED,
        "mart": StageHealth.AFFECTED,
        "dates": StageHealth.BLOCKED,
    }
    found = judged(health, AGREES, dates=OutputState.FAILED)
    assert (found["verdict"], blocked(found)) == ("blocked", ["facts", "dates"])
    assert [(one["kind"], one["stage"]["name"]) for one in found["findings"]] == [
        ("output", "facts"),
        ("build", "dates"),
    ]


@pytest.mark.parametrize("point", [DIFFERS, UNCOUNTED])
def test_a_checkpoint_that_does_not_hold_is_never_healthy_though_every_stage_is(point: Checkpoint) -> None:
    found = judged({"facts": StageHealth.HEALTHY}, point)
    assert (found["verdict"], blocked(found)) == ("blocked", [f"checkpoint:{point.name}"])
    assert [one["kind"] for one in found["findings"]] == ["checkpoint"]


def test_a_checkpoint_beside_a_blocked_stage_is_a_finding_and_no_blockage_of_its_own() -> None:
    """What the stage did to the rows is most often why the counts differ."""
    found = judged({"facts": StageHealth.BLOCKED}, DIFFERS)
    assert (found["verdict"], blocked(found)) == ("blocked", ["facts"])
    assert [one["kind"] for one in found["findings"]] == ["output", "checkpoint"]


def test_a_stage_that_could_not_be_compared_is_named_and_never_healthy() -> None:
    found = judged({"dim_extra": StageHealth.NOT_COMPARED}, AGREES, reason="the comparison failed")
    assert (found["verdict"], found["blockage"]) == ("could_not_run", [])
    assert found["error"] == "Could not compare dim_extra (the comparison failed)."


def test_one_model_that_is_watched_gives_a_verdict_though_others_are_not() -> None:
    found = judged({"facts": StageHealth.HEALTHY, "dim_extra": StageHealth.NOT_WATCHED}, AGREES)
    assert (found["verdict"], found["models"]) == ("healthy", {"watched": 1, "total": 2})
    assert "1 of 2 watched" in healthy({**found, "stages": [{"kind": "model", "name": "facts", "verdict": "healthy"}]})


def test_where_no_model_is_watched_nothing_is_called_healthy() -> None:
    found = judged({"dim_extra": StageHealth.NOT_WATCHED}, AGREES)
    assert (found["verdict"], found["models"]) == ("could_not_run", {"watched": 0, "total": 1})
    assert "No model is watched" in found["error"]
    assert judged({"dim_extra": StageHealth.NOT_WATCHED}, DIFFERS)["verdict"] == "blocked"


def test_a_stage_that_was_not_reached_is_never_healthy() -> None:
    found = judged({"stg": StageHealth.NOT_REACHED}, UNCOUNTED)
    assert (found["verdict"], found["blockage"]) == ("could_not_run", [])


def test_a_blockage_counts_more_than_what_could_not_be_compared() -> None:
    assert judged({"stg": StageHealth.BLOCKED, "dim_extra": StageHealth.NOT_COMPARED}, AGREES)["verdict"] == "blocked"


def test_a_model_named_as_a_stage_before_dbt_does_not_take_its_place() -> None:
    health = {loader_stage(): StageHealth.BLOCKED, StageId("model", "loader"): StageHealth.HEALTHY}
    stages = {stage: Stage([], OutputState.WRONG, Differences(), None, 0.0) for stage in health}
    assert blocked(conclude(health, stages, [])) == ["loader:rides"]


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
    assert unbuilt_stage([], 0.1, message).state is OutputState.UNKNOWN


def test_any_other_error_is_the_models() -> None:
    message = "Database Error: canceling statement due to statement timeout"
    assert unbuilt_stage([], 0.1, message).state is OutputState.FAILED
