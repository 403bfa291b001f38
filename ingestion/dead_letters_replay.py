"""Publishing dead letters again: those that today's loader would take, or one that somebody corrected.

A message published again has a new place on the topic, so that incremental models see it, in the partition of its taxi.
It is marked once Kafka has it: a crash in between publishes it once more, never not at all.
"""

from contextlib import closing
from dataclasses import dataclass
from uuid import UUID

from psycopg2.extensions import connection

from ingestion.dead_letters import DeadLetter, at, not_replayed
from ingestion.errors import InputError
from ingestion.loader.rows import DeadLetter as NoRide
from ingestion.loader.rows import ride_columns
from ingestion.message import key_of_value
from ingestion.producer import RideProducer
from ingestion.settings import connect


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay did.

    Attributes:
        published: letters that are rides today and were published again.
        still_dead: letters that would be dead letters again; left as they are.
    """

    published: int
    still_dead: int


def replay(reason: str | None = None) -> Replay:
    """Publish the live dead letters again that were none under the rules of today's loader.

    Args:
        reason: only those with this reason.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.settings.connect`.
        KafkaUnavailable: Kafka did not take one; those before it are published and marked.
    """
    published = still_dead = 0
    with RideProducer() as producer, _marking() as session:
        for letter in not_replayed(reason):
            if letter.value and _is_ride(letter.value):
                _publish(producer, session, letter, letter.value)
                published += 1
            else:
                still_dead += 1
    return Replay(published, still_dead)


def replay_corrected(partition: int, offset: int, value: bytes, topic_id: UUID | None = None) -> None:
    """Publish a corrected message in the place of a live dead letter.

    Args:
        partition, offset, topic_id: which one, as `ingestion.dead_letters.at`.
        value: the corrected message.

    Raises:
        InputError: there is no such dead letter or more than one, it was replayed already, or the new message would be
            one again.
        SettingsError, DatabaseUnavailable, KafkaUnavailable: as `replay`.
    """
    letter = at(partition, offset, topic_id)
    if letter.replayed:
        raise InputError(f"The dead letter at partition {partition}, offset {offset} was published again already.")
    if not _is_ride(value):
        raise InputError("The corrected message would be a dead letter again: it is no storable JSON object.")
    with RideProducer() as producer, _marking() as session:
        _publish(producer, session, letter, value)


def _is_ride(value: bytes) -> bool:
    try:
        ride_columns(value)
    except NoRide:
        return False
    return True


def _marking() -> closing[connection]:
    return closing(connect("taxi_owner", "ingestion dead-letters replay"))


def _publish(producer: RideProducer, session: connection, letter: DeadLetter, value: bytes) -> None:
    producer.publish(value, key_of_value(value))  # not its old key: that of no ride is none, or another taxi's
    with session, session.cursor() as query:
        query.execute(
            "update raw.dead_letters set replayed_at = now() "
            'where topic_id = %s and "partition" = %s and "offset" = %s',
            (str(letter.topic_id), letter.partition, letter.offset),
        )
