"""The front door under load for a moment: `make torture` does the same for longer, and with single rides too."""

from benchmarks.front_door import front_door, load, page
from sandbox.services import Sandbox


def test_what_is_acknowledged_while_kafka_restarts_is_on_the_topic(sandbox: Sandbox, fresh_topic: str) -> None:
    with front_door() as url:
        outcome = load(sandbox, url, rides_a_request=50, seconds=1)
    assert outcome.acknowledged > 0
    assert outcome.missing == 0
    assert outcome.unclear == 0
    assert outcome.holds
    assert f"{outcome.acknowledged:,}" in page([outcome])
