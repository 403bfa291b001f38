"""Sequences of commands and accidents on one topic and one database, after each of which the books must balance.

Whatever was loaded, killed, deleted, published again or replaced: rows, dead letters and gaps account for every offset
and for every message that was acknowledged, once. `tests/ingestion/accounts.py` says what that means.
"""

import http.client
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kafka import TopicPartition
from kafka.admin import NewPartitions

from angiogram.store.prune import prune
from ingestion.bulk.run import bulk_load
from ingestion.dead_letters.replay import replay, replay_corrected
from ingestion.dead_letters.unverified_dye import Choice, claims, release
from ingestion.errors import MessagesLost
from ingestion.front_door.server import serving
from ingestion.loader.reading.clients import Client
from ingestion.loader.run import load_until_caught_up
from ingestion.message.stamp import DyeStamp
from ingestion.migrations import migrate
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import ensure_topic, open_admin, topic_id
from ingestion.topic.producer import MessageProducer
from ingestion.topic.search import TopicSearch
from ingestion.upkeep.offsets import repair
from tests.ingestion.accounts import DYE, LIVE, Books, Stored, stored
from tests.ingestion.support import await_condition
from tests.services import connect_as_administrator, new_database, new_topic

COMMAND = str(Path(sys.executable).with_name("ingestion"))
KINDS = ("row", "letter", "dye", "dyeletter", "forged")
DAYS = ("2026-10-05", "2026-10-06", "2026-10-07")
FILES = ("a", "b")
MOST_PARTITIONS = 6
BEFORE_A_KILL = 400
"""Messages that are sent before a loader is killed, so that there is something to be killed at."""

tally: Counter[str] = Counter()
"""How often each step was played, for the page of `make torture`."""


class LoaderSequences(RuleBasedStateMachine):
    """A topic, a database, a front door and a folder of files, and the books of what was done to them."""

    def __init__(self) -> None:
        """Make them."""
        super().__init__()
        self._stack = ExitStack()
        self._patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        self._patch.setenv("DYE_KEY", "key 0 of the dye for tests")
        self._stack.enter_context(new_database())
        self._topic = self._stack.enter_context(new_topic(2))
        self._partitions = 2
        self._session = self._stack.enter_context(closing(connect_as_administrator()))
        self._url = self._stack.enter_context(serving())
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="sequences-")))
        self._on_disk: dict[tuple[str, str], tuple[str, ...]] = {}
        self._days_of: dict[tuple[str, ...], set[str]] = {}
        self._books = Books()
        self._names = 0
        self._keys = 0
        tally["sequences"] += 1

    def teardown(self) -> None:
        """Load what is left, and end everything."""
        try:
            self.load(Client.KAFKA_PYTHON, True)
            self.balanced()
        finally:
            self._stack.close()

    @invariant()
    def balanced(self) -> None:
        """Every offset and every message is accounted for, once."""
        self._books.balance(self._session)

    @rule(kind=st.sampled_from(KINDS), number=st.integers(1, 5))
    def send(self, kind: str, number: int) -> None:
        """Messages arrive on the topic."""
        tally["send"] += 1
        self._send(kind, number)

    @rule(number=st.integers(1, 4), answer_is_lost=st.booleans())
    def post(self, number: int, answer_is_lost: bool) -> None:
        """A client sends a list to the front door, and sends it again if it did not get the answer."""
        tally["front door"] += 1
        names = [self._name("row") for _ in range(number)]
        body = b"[%b]" % b",".join(map(_row, names))
        headers = {"X-API-Key": os.environ["FRONT_DOOR_API_KEY"]}
        if answer_is_lost:
            where = urlsplit(self._url)
            with closing(http.client.HTTPConnection(str(where.hostname), where.port)) as client:
                client.request("POST", "/rides", body, headers)
        answer = httpx.post(f"{self._url}/rides", content=body, headers=headers, timeout=60)
        assert answer.status_code == 202, answer.text
        here = topic_id()
        for name, at in zip(names, answer.json(), strict=True):
            self._books.acknowledged[here, at["partition"], at["offset"]] = name

    @rule(client=st.sampled_from(Client), accept=st.booleans())
    def load(self, client: Client, accept: bool) -> None:
        """The loader loads to the end, unless the topic lost messages and nobody accepts that."""
        tally["load"] += 1
        ends = self._ends()
        try:
            load_until_caught_up(client=client)
        except MessagesLost:
            if not accept:
                return
            load_until_caught_up(accept_loss=True, client=client)
        self._loaded_up_to(ends)

    @rule(client=st.sampled_from(Client), workers=st.integers(1, 3))
    def load_with_workers(self, client: Client, workers: int) -> None:
        """The command loads to the end with several workers."""
        tally["workers"] += 1
        ends = self._ends()
        command = [COMMAND, "load", "--client", client, "--workers", str(workers), "--accept-loss"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self._loaded_up_to(ends)

    @rule(client=st.sampled_from(Client), workers=st.integers(1, 2), moment=st.sampled_from(("connected", "moved")))
    def kill(self, client: Client, workers: int, moment: str) -> None:
        """A loader is killed when it has connected, or when it has committed something."""
        tally["kill"] += 1
        self._send("row", BEFORE_A_KILL)
        moved = "select coalesce(sum(next_offset), 0) from raw.loaded_offsets"
        at_work = "select count(*) from pg_stat_activity where usename = 'taxi_loader' and datname = current_database()"
        before = self._asked(moved)
        process = subprocess.Popen(
            [COMMAND, "load", "--client", client, "--workers", str(workers)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await_condition(
                lambda: (
                    process.poll() is not None
                    or (self._asked(at_work) > 0 if moment == "connected" else self._asked(moved) != before)
                ),
                f"the loader had {moment}",
            )
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        await_condition(lambda: self._asked(at_work) == 0, "PostgreSQL had noticed")

    @rule()
    def add_a_partition(self) -> None:
        """The topic grows."""
        if self._partitions < MOST_PARTITIONS:
            tally["partition"] += 1
            self._partitions += 1
            with closing(open_admin(KafkaSettings.from_environment())) as admin:
                admin.create_partitions({self._topic: NewPartitions(self._partitions)})
            await_condition(lambda: len(self._ends()) == self._partitions, "the partition was there")

    @rule()
    def make_again(self) -> None:
        """The topic is deleted, with what nobody has loaded, and made again."""
        tally["made again"] += 1
        with closing(open_admin(KafkaSettings.from_environment())) as admin:
            admin.delete_topics([self._topic])
            await_condition(lambda: self._topic not in admin.list_topics(), "the topic was gone")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KAFKA_PARTITIONS", str(self._partitions))
            ensure_topic()
        await_condition(lambda: len(self._ends()) == self._partitions, "the topic was there")

    @rule(share=st.integers(1, 4))
    def topic_deletes(self, share: int) -> None:
        """The topic deletes a share of what it has, loaded or not."""
        tally["deleted by the topic"] += 1
        upto = {TopicPartition(self._topic, at): end * share // 4 for at, end in enumerate(self._ends())}
        with closing(open_admin(KafkaSettings.from_environment())) as admin:
            admin.delete_records({place: end for place, end in upto.items() if end})

    @rule(claimed=st.booleans())
    def replay(self, claimed: bool) -> None:
        """Dead letters are rows for today's loader; a replay was perhaps killed before it sent the first."""
        tally["replay"] += 1
        letters = self._letters()
        with self._session.cursor() as query:
            for one in letters:
                query.execute(
                    'update raw.dead_letters set value = %s where topic_id = %s and "partition" = %s and "offset" = %s',
                    (_row(one.name), str(one.place[0]), *one.place[1:]),
                )
            for one in [one for one in letters if claimed and not one.is_of_file][:1]:
                query.execute(
                    'insert into raw.replays (topic_id, "partition", "offset", replay_id, into_topic, into_topic_id, '
                    "end_offsets) values (%s, %s, %s, %s, %s, %s, %s)",
                    (str(one.place[0]), *one.place[1:], str(uuid4()), self._topic, str(topic_id()), self._ends()),
                )
        self._books.corrected |= {one.name for one in letters}
        assert replay().published == len(letters)
        assert replay().published == 0

    @rule(chosen=st.integers(0, 20))
    def correct(self, chosen: int) -> None:
        """Somebody corrects one dead letter."""
        if letters := self._letters():
            tally["correct"] += 1
            one = letters[chosen % len(letters)]
            of_topic, partition, offset = one.place
            replay_corrected(partition, offset, _row(one.name), of_topic)
            self._books.corrected.add(one.name)

    @rule(old_is_known=st.booleans())
    def exchange_key(self, old_is_known: bool) -> None:
        """The dye has another key; a loader that does not know the old one keeps what comes with it apart."""
        tally["key"] += 1
        if old_is_known:
            self._patch.setenv("DYE_KEY_OLD", os.environ["DYE_KEY"])
        else:
            self._patch.delenv("DYE_KEY_OLD", raising=False)
        self._keys += 1
        self._patch.setenv("DYE_KEY", f"key {self._keys} of the dye for tests")

    @rule(side=st.sampled_from((LIVE, DYE)))
    def release(self, side: str) -> None:
        """What was kept apart is released."""
        if claims(Choice(), 1):
            tally["release"] += 1
            release(side, Choice())

    @rule()
    def prune(self) -> None:
        """All dye is deleted."""
        tally["prune"] += 1
        with self._session.cursor() as query:
            self._books.pruned |= {one.place for one in stored(query) if one.side == DYE}
        prune(0)

    @rule()
    def migrate(self) -> None:
        """Somebody migrates again."""
        tally["migrate"] += 1
        migrate()

    @rule()
    def offsets_lost(self) -> None:
        """Somebody empties the table of offsets, and repairs it."""
        tally["offsets lost"] += 1
        with self._session.cursor() as query:
            query.execute("truncate raw.loaded_offsets")
        assert all(one.missing == 0 for one in repair())

    @rule(day=st.sampled_from(DAYS), file=st.sampled_from(FILES), append=st.booleans(), number=st.integers(1, 4))
    def write(self, day: str, file: str, append: bool, number: int) -> None:
        """A file is written or appended to, some of its lines no messages."""
        tally["file"] += 1
        earlier = self._on_disk.get((day, file), ()) if append else ()
        self._put(day, file, (*earlier, *(self._name("file") for _ in range(number))))

    @rule(day=st.sampled_from(DAYS), to=st.sampled_from(DAYS), file=st.sampled_from(FILES), move=st.booleans())
    def copy(self, day: str, to: str, file: str, move: bool) -> None:
        """A file is put under another day, too, or instead."""
        if day != to and (found := self._on_disk.get((day, file))):
            tally["copy"] += 1
            self._put(to, file, found)
            if move:
                del self._on_disk[day, file]
                self._path(day, file).unlink()

    @rule()
    def bulk_load(self) -> None:
        """The folder is loaded."""
        if self._on_disk:
            tally["bulk load"] += 1
            report = bulk_load(self._folder, 1)
            assert (report.bad_files, report.restored) == ({}, {})
            self._took(self._on_disk)

    @rule(day=st.sampled_from(DAYS))
    def replace_day(self, day: str) -> None:
        """A day is replaced by what the folder has of it."""
        of_day = {place: content for place, content in self._on_disk.items() if place[0] == day}
        if of_day:
            tally["replace day"] += 1
            bulk_load(self._folder, replace_day=date.fromisoformat(day))
            for days in self._days_of.values():
                days.discard(day)
            self._took(of_day)

    def _took(self, files: dict[tuple[str, str], tuple[str, ...]]) -> None:
        for (day, _), content in files.items():
            self._days_of.setdefault(content, set()).add(day)
        self._books.in_files = {name for content, days in self._days_of.items() if days for name in content}

    def _put(self, day: str, file: str, content: tuple[str, ...]) -> None:
        lines = (b"no ride %b" % name.encode() if int(name[5:]) % 3 == 0 else _row(name) for name in content)
        path = self._path(day, file)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        self._on_disk[day, file] = content

    def _path(self, day: str, file: str) -> Path:
        return self._folder / day / f"{file}.ndjson"

    def _letters(self) -> list[Stored]:
        """Live dead letters that nobody has corrected."""
        with self._session.cursor() as query:
            query.execute('select topic_id, "partition", "offset" from raw.dead_letters where replayed_at is null')
            waiting = {(str(topic), partition, offset) for topic, partition, offset in query.fetchall()}
            return [one for one in stored(query) if (str(one.place[0]), *one.place[1:]) in waiting]

    def _send(self, kind: str, number: int) -> None:
        here = topic_id()
        with MessageProducer() as producer:
            sent = []
            for _ in range(number):
                name = self._name(kind)
                value = b"no ride %b" % name.encode() if kind.endswith("letter") else _row(name)
                key = os.environ["DYE_KEY"] if kind.startswith("dye") else "a forger's"
                stamp = DyeStamp("a-run", self._names, None).headers(key.encode(), value)
                headers = stamp if kind.startswith(("dye", "forged")) else []
                sent.append((name, producer.send(value, name.encode(), headers)))
            for name, delivery in sent:
                self._books.acknowledged[here, *delivery.wait(60)] = name

    def _name(self, kind: str) -> str:
        self._names += 1
        name = f"{kind}-{self._names}"
        self._books.sent.add(name)
        return name

    def _ends(self) -> list[int]:
        with TopicSearch(KafkaSettings.from_environment()) as search:
            return search.ends()

    def _loaded_up_to(self, ends: list[int]) -> None:
        """Whether everything was loaded that was there at the start."""
        with self._session.cursor() as query:
            query.execute(
                'select "partition", next_offset from raw.loaded_totals where kafka_topic_id = %s', (str(topic_id()),)
            )
            reached = dict(query.fetchall())
        assert all(reached.get(at, 0) >= end for at, end in enumerate(ends)), (reached, ends)

    def _asked(self, question: str) -> int:
        with self._session.cursor() as query:
            query.execute(question)
            return int(query.fetchall()[0][0])


def _row(name: str) -> bytes:
    return b'{"taxi_id": "%b"}' % name.encode()
