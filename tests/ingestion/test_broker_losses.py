"""A broker that loses what it had confirmed: noticed always, and each message that it still holds is loaded once."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.operate.live import check_live
from ingestion.errors import MessagesLost
from ingestion.loader.losses import Why
from ingestion.loader.reading.clients import Client
from ingestion.loader.run import load_until_caught_up
from sandbox.services import Sandbox
from tests.ingestion.brokers import Broker, own_broker
from tests.ingestion.support import Message, await_condition, count, publish, rows
from tests.ingestion.test_loader_outages import loader


@pytest.fixture
def broker(sandbox: Sandbox, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker of the test's own, whose disk it may change."""
    monkeypatch.setenv("DYE_KEY", "key of the dye for tests")
    with own_broker(tmp_path) as own:
        yield own


@pytest.fixture
def session(broker: Broker, connect_as: Callable[..., connection]) -> connection:
    """A superuser's session."""
    return connect_as("postgres")


def send(name: str, count: int) -> list[str]:
    """Publish messages that tell each other apart; what they are called."""
    names = [f"{name}-{number}" for number in range(count)]
    publish(Message(b'{"taxi_id": "%b"}' % taxi.encode()) for taxi in names)
    return names


def stored(session: connection) -> Counter[str]:
    """The messages in raw, each as often as it is there."""
    return Counter(taxi for (taxi,) in rows(session, "raw.taxi_rides", "taxi_id"))


def gaps(session: connection) -> list[tuple[int, int, str]]:
    """What is recorded as gone."""
    return [
        (from_offset, to_offset, reason)
        for from_offset, to_offset, reason in rows(session, "raw.gaps", "from_offset, to_offset, reason", "from_offset")
    ]


def test_a_tail_that_a_power_cut_took_is_noticed_before_new_messages_come(broker: Broker, session: connection) -> None:
    first = send("first", 700)
    size = broker.log.stat().st_size
    lost = send("lost", 300)
    assert load_until_caught_up().live_rows == 1000
    broker.cut(size)
    found = check_live(timedelta(days=1))
    assert [point.holds for point in found.checkpoints[:1]] == [False]
    assert "partition 0: loaded up to 1000, but the topic ends at 700" in found.partitions[0]
    with pytest.raises(MessagesLost, match="Offsets 700 to 999 of rides, partition 0, were loaded"):
        load_until_caught_up()
    assert gaps(session) == [(700, 1000, Why.LOST)]
    after = send("after", 400)
    assert load_until_caught_up().live_rows == 400
    assert stored(session) == Counter(first + lost + after)
    assert load_until_caught_up().live_rows == 0


@pytest.mark.parametrize("client", Client)
def test_offsets_given_out_anew_are_noticed_and_loaded_although_the_topic_ends_beyond_what_was_stored(
    broker: Broker, session: connection, client: Client
) -> None:
    """Once; again when the broker loses still more; and when the topic ends exactly where it did."""
    messages = send("first", 400)
    broker.keep("of 400")
    messages += send("second", 300)
    broker.keep("of 700")
    messages += send("third", 300)
    assert load_until_caught_up(client=client).live_rows == 1000

    broker.restore("of 700")
    messages += send("fourth", 300)
    with pytest.raises(MessagesLost, match="Offsets 700 to 999"):
        load_until_caught_up(client=client)
    assert stored(session) == Counter(messages)
    assert load_until_caught_up(client=client).live_rows == 0

    broker.restore("of 400")
    messages += send("fifth", 1000)
    with pytest.raises(MessagesLost, match="Offsets 400 to 999"):
        load_until_caught_up(client=client)
    assert stored(session) == Counter(messages)
    assert load_until_caught_up(client=client).live_rows == 0
    assert [gap[:2] for gap in gaps(session)] == [(400, 1000), (700, 1000)]
    assert rows(session, "raw.loaded_totals", "first_offset, next_offset", "began_at") == [
        *((0, 1000), (700, 1000), (400, 1400))
    ]


def test_a_follower_goes_on_with_what_the_broker_gives_out_anew(broker: Broker, session: connection) -> None:
    messages = send("first", 20)
    broker.keep("of 20")
    messages += send("second", 10)
    with loader("--follow", "--workers", "1") as process:
        await_condition(lambda: count(session, "raw.taxi_rides") == 30, "all was loaded")
        broker.restore("of 20")
        messages += send("third", 40)
        await_condition(lambda: count(session, "raw.taxi_rides") == 70, "so was what came anew")
        process.terminate()
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert "Offsets 20 to 29 of rides, partition 0, were loaded" in talk
    assert stored(session) == Counter(messages)


@pytest.mark.parametrize("client", Client)
def test_a_bit_that_flipped_on_the_brokers_disk_is_named_and_never_loaded_as_another_value(
    broker: Broker, session: connection, client: Client
) -> None:
    """What lies before it is loaded; what lies behind it once the loss is accepted."""
    before, corrupt, after = send("before", 10), send("corrupt", 5), send("after", 10)
    broker.flip_a_bit(corrupt[2].encode())
    for _ in range(2):
        with pytest.raises(MessagesLost, match=r"Offsets 10 to 14 of rides, partition 0, cannot be read") as told:
            load_until_caught_up(client=client)
        assert "--accept-loss" in str(told.value)
        assert stored(session) == Counter(before)
    assert gaps(session) == [(10, 15, Why.CORRUPT)]
    assert load_until_caught_up(accept_loss=True, client=client).live_rows == 10
    assert stored(session) == Counter(before + after)
    assert load_until_caught_up(client=client).live_rows == 0
    assert gaps(session) == [(10, 15, Why.CORRUPT)]


@pytest.mark.parametrize("client", Client)
def test_a_message_that_became_corrupt_after_it_was_loaded_does_not_hold_back_what_follows(
    broker: Broker, session: connection, client: Client
) -> None:
    """The last message loaded, too, by which the loader sees whether the topic is still the same."""
    first = send("first", 5)
    assert load_until_caught_up(client=client).live_rows == 5
    broker.flip_a_bit(first[4].encode())
    after = send("after", 5)
    assert load_until_caught_up(client=client).live_rows == 5
    assert stored(session) == Counter(first + after)
    assert gaps(session) == []
