"""What became of every offset and of every message: the books that a sequence of commands must leave balanced."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from psycopg2.extensions import connection, cursor

Place = tuple[UUID, int, int]
"""Topic id, partition and offset."""

LIVE, DYE, APART = "live", "dye", "kept apart"

_NAME = re.compile(r"[a-z]+-\d+")

_STORED = """
select 'live', false, topic, topic_id, "partition", "offset", taxi_id from raw.taxi_rides
union all
select
    'live', replayed_at is not null, topic, topic_id, "partition", "offset", convert_from(value, 'utf8')
from raw.dead_letters
union all
select 'dye', false, topic, topic_id, "partition", "offset", taxi_id from angiogram_raw.taxi_rides
union all
select 'dye', false, topic, topic_id, "partition", "offset", convert_from(value, 'utf8') from angiogram_raw.dead_letters
union all
select 'kept apart', false, topic, topic_id, "partition", "offset", convert_from(value, 'utf8') from raw.unverified_dye
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in one of the raw tables.

    Attributes:
        side: LIVE, DYE or APART.
        is_replayed: whether it is a dead letter that was published again.
        topic: name of its topic, or `file:` and its path.
        place: where it was.
        name: what the message is called.
    """

    side: str
    is_replayed: bool
    topic: str
    place: Place
    name: str

    @property
    def is_of_file(self) -> bool:
        """Whether it came in a file."""
        return self.topic.startswith("file:")


@dataclass(slots=True)
class Books:
    """What was done to the loader's database, as it must find it again.

    Attributes:
        sent: names of all messages that were sent.
        acknowledged: the messages that Kafka, or the front door, has confirmed.
        corrected: names of dead letters of which a right version was published.
        pruned: places of the dye that was deleted.
        in_files: names of all messages in files that count as loaded.
    """

    sent: set[str] = field(default_factory=set)
    acknowledged: dict[Place, str] = field(default_factory=dict)
    corrected: set[str] = field(default_factory=set)
    pruned: set[Place] = field(default_factory=set)
    in_files: set[str] = field(default_factory=set)

    def balance(self, session: connection) -> None:
        """Raise AssertionError unless the raw tables account for every offset and every message, once."""
        with session.cursor() as query:
            everything = stored(query)
            passed = _passed(query)
            gone = _gone(query)
            copies = _copies(query)
            published = _published(query)
            reports = _reports(query)
        of_topics = [one for one in everything if not one.is_of_file and one.place not in copies]
        self._each_offset_once([one.place for one in of_topics], gone, passed)
        found = {one.place: one.name for one in of_topics}
        names = {one.place: one.name for one in everything}
        acknowledged = self.acknowledged | {
            into: names[letter] for letter, into in published.items() if letter in names
        }
        for place, name in acknowledged.items():
            loaded = place[2] < passed.get(place[:2], 0)
            if loaded and place not in gone and place not in self.pruned:
                assert found[place] == name, (place, found[place], name)
        unknown = {one.name for one in of_topics} - self.sent
        assert not unknown, f"nobody sent {unknown}"
        self._files_once([one for one in everything if one.is_of_file])
        self._corrected_once(everything)
        of_copies = Counter(one.place for one in everything if one.place in copies)
        assert of_copies == Counter(copies.keys() - self.pruned), "a message that was released is there once"
        for one in everything:
            is_dye = one.name.startswith(("dye", "forged"))
            moved = one.place in copies or one.name in self.corrected  # somebody released it, or corrected it then
            assert one.side == APART or moved or is_dye == (one.side == DYE), one
        assert all(lost == 0 and last_is_stored for lost, last_is_stored in reports), reports

    def _each_offset_once(
        self, places: Iterable[Place], gone: Collection[Place], passed: Mapping[tuple[UUID, int], int]
    ) -> None:
        counted = Counter(places) + Counter(gone) + Counter(place for place in self.pruned if place[:2] in passed)
        expected = Counter((topic_id, number, at) for (topic_id, number), end in passed.items() for at in range(end))
        assert counted == expected, f"more: {sorted(counted - expected)}; missing: {sorted(expected - counted)}"

    def _files_once(self, found: Iterable[Stored]) -> None:
        counted, expected = Counter(one.name for one in found if not one.is_replayed), Counter(self.in_files)
        assert counted == expected, f"more: {sorted(counted - expected)}; missing: {sorted(expected - counted)}"

    def _corrected_once(self, found: Iterable[Stored]) -> None:
        counted = Counter(one.name for one in found if one.side == LIVE and not one.is_replayed)
        twice = {name for name in self.corrected if counted[name] > 1}
        assert not twice, f"published again and again: {twice}"


def stored(query: cursor) -> list[Stored]:
    """Every message in the raw tables."""
    query.execute(_STORED)
    return [
        Stored(side, replayed, topic, (UUID(topic_id), partition, offset), _named(text))
        for side, replayed, topic, topic_id, partition, offset, text in query.fetchall()
    ]


def _named(text: str) -> str:
    found = _NAME.search(text)
    assert found, text
    return found.group()


def _passed(query: cursor) -> dict[tuple[UUID, int], int]:
    """The next offset of each partition ever loaded; all below it are to be accounted for."""
    query.execute('select topic_id, "partition", next_offset from raw.loaded_totals where first_offset = 0')
    return {(UUID(topic_id), partition): end for topic_id, partition, end in query.fetchall()}


def _gone(query: cursor) -> list[Place]:
    """The offsets of gaps; one that two gaps hold is there twice."""
    query.execute('select topic_id, "partition", from_offset, to_offset from raw.gaps where passed_at is not null')
    return [
        (UUID(topic_id), partition, offset)
        for topic_id, partition, from_offset, to_offset in query.fetchall()
        for offset in range(from_offset, to_offset)
    ]


def _copies(query: cursor) -> dict[Place, Place]:
    """Where each message that was kept apart was released to, and its own place."""
    query.execute(
        'select released_as, topic_id, "partition", "offset" from raw.unverified_dye where released_as is not null'
    )
    return {
        (UUID(released_as), partition, offset): (UUID(topic_id), partition, offset)
        for released_as, topic_id, partition, offset in query.fetchall()
    }


def _published(query: cursor) -> dict[Place, Place]:
    """Where the right version of each dead letter is."""
    query.execute(
        'select topic_id, "partition", "offset", into_topic_id, into_partition, into_offset from raw.replays '
        "where published_at is not null and into_topic not like 'file:%'"
    )
    return {
        (UUID(topic_id), partition, offset): (UUID(into), into_partition, into_offset)
        for topic_id, partition, offset, into, into_partition, into_offset in query.fetchall()
    }


def _reports(query: cursor) -> list[tuple[int, bool]]:
    """What `angiogram live` would report of each partition: messages lost, and whether the last one is stored."""
    query.execute("select lost, last_is_stored from raw.loaded_counts(now() - interval '1 day')")
    return query.fetchall()
