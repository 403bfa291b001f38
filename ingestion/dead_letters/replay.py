"""Publish dead letters again: those that today's loader would take, or a corrected one.

A republished message gets a new place on its own topic, in the partition of its key, so that incremental models see it.
A dead letter of a file becomes a row of that file, in partition 1, and is removed with it when its day is replaced.

Only one replay runs at a time. Each dead letter is claimed before it is sent, and the claim's id travels with it as a
header. If a replay is killed, the next one first searches the topic for what may have been sent already.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from uuid import UUID, uuid4

from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.contract import OWNER, Contract
from ingestion.database.copying import copy_into, identifier
from ingestion.database.locks import lock_of_stream
from ingestion.database.sessions import connect
from ingestion.database.waits import watched
from ingestion.dead_letters.letters import DeadLetter, at, not_replayed
from ingestion.errors import InputError
from ingestion.message.rows import NULL, NotStorable, encoder, quoted
from ingestion.message.tables import LIVE_ROWS, tables
from ingestion.migrations import require_current
from ingestion.settings import KafkaSettings
from ingestion.settings.pipeline import contract
from ingestion.topic.producer import MessageProducer, Position
from ingestion.topic.search import TopicSearch, Unclear

REPLAY_HEADER = "replay-id"
"""The header with the id of the claim under which a message was published again."""

CORRECTED_PARTITION = 1
"""The partition of a file's dead letters once they are rows; its other rows are in partition 0."""

_Tell = Callable[[str], None]


@dataclass(slots=True)
class Replay:
    """The result of a replay.

    Attributes:
        published: number of dead letters that are storable today and were published again.
        still_dead: number that would be dead letters again; left unchanged.
        found_again: number that a killed replay had published; only recorded now.
        of_other_topics: number of dead letters of other topics, by topic; left unchanged.
        unclear: number that a killed replay may have published and the topic no longer shows; left unchanged.
    """

    published: int = 0
    still_dead: int = 0
    found_again: int = 0
    of_other_topics: dict[str, int] = field(default_factory=dict)
    unclear: int = 0


def replay(reason: str | None = None, unclear_again: bool = False, tell: _Tell = lambda _: None) -> Replay:
    """Publish the live dead letters that today's loader would take, each to its own topic.

    Args:
        reason: publish only those with this reason.
        unclear_again: also publish those that may be on the topic already, where it no longer shows them.
        tell: called with messages for the user: which session the command waits for.

    Raises:
        SettingsError, DatabaseUnavailable: as `ingestion.database.sessions.connect`.
        InputError: the topic does not exist.
        KafkaUnavailable: Kafka did not take one; those before it are published and marked as such.
    """
    with _Replaying.begun(tell) as replaying:
        done = Replay(found_again=replaying.settle())
        elsewhere: Counter[str] = Counter()
        for letter in not_replayed(reason):
            if not letter.value or not _is_storable(letter.value):
                done.still_dead += 1
            elif not replaying.is_at_home(letter):
                elsewhere[letter.topic] += 1
            elif _place(letter) in replaying.unclear and not unclear_again:
                done.unclear += 1
            else:
                replaying.publish(letter, letter.value)
                done.published += 1
        done.of_other_topics = dict(sorted(elsewhere.items()))
    return done


def replay_corrected(
    partition: int,
    offset: int,
    value: bytes,
    topic_id: UUID | None = None,
    unclear_again: bool = False,
    tell: _Tell = lambda _: None,
) -> None:
    """Publish a corrected message in place of a live dead letter, to its own topic.

    Args:
        partition, offset, topic_id: place of the dead letter, as in `ingestion.dead_letters.letters.at`.
        value: the corrected message.
        unclear_again: publish it even if the topic no longer shows whether it was published already.
        tell: as in `replay`.

    Raises:
        InputError: there is no such dead letter or more than one, it was replayed already or may have been, it belongs
            to another topic, or the new message would be a dead letter again.
        SettingsError, DatabaseUnavailable, KafkaUnavailable: as `replay`.
    """
    if not _is_storable(value):
        raise InputError("The corrected message would be a dead letter again: it is not a storable JSON object.")
    with _Replaying.begun(tell) as replaying:
        replaying.settle()
        letter = at(partition, offset, topic_id)
        here = f"The dead letter at partition {partition}, offset {offset}"
        if letter.replayed:
            raise InputError(f"{here} has already been published again.")
        if not replaying.is_at_home(letter):
            raise InputError(
                f"{here} belongs to the topic {letter.topic}. Nothing was published. Set KAFKA_TOPIC to that topic."
            )
        if _place(letter) in replaying.unclear and not unclear_again:
            raise InputError(
                f"{here} may already have been published: a replay was killed, and the topic does not show it any "
                "more. "
                f"Look for it in {tables(contract())[LIVE_ROWS]}; if it is not there, add --unclear-again."
            )
        replaying.publish(letter, value)


def _is_storable(value: bytes) -> bool:
    try:
        encoder(contract().fields).columns(value)
    except NotStorable:
        return False
    return True


_Place = tuple[UUID, int, int]


def _place(letter: DeadLetter) -> _Place:
    return letter.topic_id, letter.partition, letter.offset


class _Replaying:
    """The replay in progress, with its session, its producer and its search of the topic.

    Attributes:
        unclear: dead letters for which the topic no longer shows whether they were published.
    """

    def __init__(
        self, session: connection, topic: str, producer: MessageProducer, search: TopicSearch, pipeline: Contract
    ) -> None:
        self._session = session
        self._contract = pipeline
        self._topic = topic
        self._producer = producer
        self._search = search
        self._ends = search.ends()
        self.unclear: set[_Place] = set()

    @classmethod
    @contextmanager
    def begun(cls, tell: _Tell) -> Iterator["_Replaying"]:
        """Begin a replay; wait for another one to end first."""
        settings = KafkaSettings.from_environment()
        name = f"ingestion dead-letters replay {os.getpid()}"
        with closing(connect(OWNER, name)) as session:
            require_current(session)
            with watched(OWNER, name, tell), session, session.cursor() as query:
                lock_of_stream(query, "replay", "pg_advisory_lock")
            with MessageProducer(settings) as producer, TopicSearch(settings) as search:
                yield cls(session, settings.topic, producer, search, contract())

    def is_at_home(self, letter: DeadLetter) -> bool:
        """Whether this command may publish it: it belongs to KAFKA_TOPIC or to a file."""
        return letter.topic == self._topic or _is_of_file(letter)

    def settle(self) -> int:
        """Find what killed replays have published to this topic, and record it.

        Returns:
            Number of these dead letters.
        """
        with self._session, self._session.cursor() as query:
            query.execute(
                'select topic_id, "partition", "offset", replay_id, into_topic_id, end_offsets from raw.replays '
                "where published_at is null and into_topic = %s",
                (self._topic,),
            )
            claims = [(_place_of(*row[:3]), str(row[3]), UUID(row[4]), tuple(row[5])) for row in query.fetchall()]
        found_again = 0
        together: dict[tuple[UUID, tuple[int, ...]], dict[bytes, _Place]] = defaultdict(dict)
        for place, replay_id, topic_id, ends in claims:
            together[topic_id, ends][replay_id.encode()] = place
        for (topic_id, ends), places in together.items():
            try:
                found = self._search.find(REPLAY_HEADER, places.keys(), topic_id, ends)
            except Unclear:
                self.unclear.update(places.values())
                continue
            for found_id, position in found.items():
                self._mark(places[found_id], position)
                found_again += 1
        return found_again

    def publish(self, letter: DeadLetter, value: bytes) -> None:
        """Publish a message in place of a dead letter, and record it."""
        if _is_of_file(letter):
            self._add_to_file(letter, value)
            return
        replay_id = str(uuid4())
        with self._session, self._session.cursor() as query:
            query.execute(
                'insert into raw.replays (topic_id, "partition", "offset", replay_id, into_topic, into_topic_id, '
                "end_offsets) values (%s, %s, %s, %s, %s, %s, %s) "
                'on conflict (topic_id, "partition", "offset") do update set replay_id = excluded.replay_id, '
                "into_topic = excluded.into_topic, into_topic_id = excluded.into_topic_id, "
                "end_offsets = excluded.end_offsets, claimed_at = excluded.claimed_at",
                (*_as_text(_place(letter)), replay_id, self._topic, str(self._search.topic_id), self._ends),
            )
        # Not its old key: a message that could not be stored has none, or a wrong one.
        headers = [(REPLAY_HEADER, replay_id.encode())]
        self._mark(_place(letter), self._producer.publish(value, self._contract.key_of_value(value), headers))

    def _mark(self, place: _Place, position: Position) -> None:
        with self._session, self._session.cursor() as query:
            query.execute(
                "update raw.replays set into_partition = %s, into_offset = %s, published_at = clock_timestamp() "
                'where topic_id = %s and "partition" = %s and "offset" = %s',
                (position.partition, position.offset, *_as_text(place)),
            )
            query.execute(
                "update raw.dead_letters set replayed_at = now() "
                'where topic_id = %s and "partition" = %s and "offset" = %s',
                _as_text(place),
            )

    def _add_to_file(self, letter: DeadLetter, value: bytes) -> None:
        """Make a file's dead letter a row of that file, and record it in the same transaction."""
        with self._session, self._session.cursor() as query:
            table = tables(self._contract)[LIVE_ROWS]
            query.execute(
                sql.SQL(
                    'select coalesce(max("offset"), -1) + 1 from {} where topic_id = %s and "partition" = %s'
                ).format(identifier(table)),
                (str(letter.topic_id), CORRECTED_PARTITION),
            )
            place = Position(CORRECTED_PARTITION, query.fetchall()[0][0])
            # The same age as the file's other rows.
            at_time = letter.message_at.isoformat().encode() if letter.message_at else NULL
            line = b"%b,%b,%b,%d,%d,%b\n" % (
                encoder(self._contract.fields).columns(value),
                quoted(letter.topic.encode()),
                str(letter.topic_id).encode(),
                *place,
                at_time,
            )
            copy_into(query, table, BytesIO(line))
            query.execute(
                'insert into raw.replays (topic_id, "partition", "offset", replay_id, into_topic, into_topic_id, '
                "end_offsets, into_partition, into_offset, published_at) "
                "values (%s, %s, %s, %s, %s, %s, '{}', %s, %s, clock_timestamp())",
                (*_as_text(_place(letter)), str(uuid4()), letter.topic, str(letter.topic_id), *place),
            )
            query.execute(
                "update raw.dead_letters set replayed_at = now() "
                'where topic_id = %s and "partition" = %s and "offset" = %s',
                _as_text(_place(letter)),
            )


def _is_of_file(letter: DeadLetter) -> bool:
    return letter.topic.startswith("file:")  # the name of a Kafka topic never contains a colon


def _place_of(topic_id: str, partition: int, offset: int) -> _Place:
    return UUID(topic_id), partition, offset


def _as_text(place: _Place) -> tuple[str, int, int]:
    return str(place[0]), place[1], place[2]
