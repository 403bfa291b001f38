"""A short pass of random sequences of commands and accidents; `make torture` plays as many as it has time for."""

from hypothesis.stateful import run_state_machine_as_test

from ingestion.loader.reading.clients import Client
from sandbox.services import Sandbox
from tests.ingestion.accounts import LIVE
from tests.ingestion.sequences import DAYS, KINDS, LoaderSequences
from tests.short_pass import short_pass


def test_every_offset_and_every_message_is_accounted_for_once_whatever_was_done(sandbox: Sandbox) -> None:
    run_state_machine_as_test(LoaderSequences, settings=short_pass(20))  # type: ignore[no-untyped-call]


def test_the_books_balance_after_each_command_and_accident(sandbox: Sandbox) -> None:
    """Each step once: no random pass is short enough and sure to play them all."""
    played = LoaderSequences()
    try:
        for step in (
            lambda: [played.send(kind, 3) for kind in KINDS],
            lambda: played.post(2, True),
            lambda: played.load(Client.CONFLUENT, False),
            lambda: played.replay(True),
            lambda: [played.send(kind, 2) for kind in KINDS],
            lambda: played.exchange_key(False),
            lambda: played.add_a_partition(),
            lambda: played.kill(Client.KAFKA_PYTHON, 2, "moved"),
            lambda: played.offsets_lost(),
            lambda: played.load_with_workers(Client.KAFKA_PYTHON, 2),
            lambda: played.release(LIVE),
            lambda: played.correct(1),
            lambda: played.prune(),
            lambda: [played.write(day, "a", False, 3) for day in DAYS],
            lambda: played.bulk_load(),
            lambda: played.write(DAYS[0], "a", True, 2),
            lambda: played.copy(DAYS[0], DAYS[1], "a", True),
            lambda: played.write(DAYS[0], "b", False, 3),
            lambda: played.replace_day(DAYS[0]),
            lambda: played.replay(False),
            lambda: played.replace_day(DAYS[1]),
            lambda: played.topic_deletes(3),
            lambda: played.load(Client.KAFKA_PYTHON, False),
            lambda: played.topic_deletes(4),
            lambda: played.load(Client.KAFKA_PYTHON, True),
            lambda: played.migrate(),
            lambda: played.make_again(),
            lambda: played.post(2, False),
        ):
            step()
            played.balanced()
    finally:
        played.teardown()
