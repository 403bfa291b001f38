"""Runs mutants of the loader's routing on the bytes of the dye.

The result is copied into temporary tables as the loader does, and compared field by field with the input seeds as a run
does. What the signed dye does not show, the same bytes may show in other surroundings: signed with the old key, with a
forged signature, or without headers like live messages.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import msgspec
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from angiogram.core.errors import UnmutatedFails
from angiogram.dye.calculation import calculation_of
from angiogram.dye.loaded import judge_loaded
from angiogram.dye.messages import read_whole_dye
from angiogram.dye.seeds import message_value
from angiogram.sensitivity.bench.bench import MutantOutcome
from angiogram.sensitivity.bench.score import Verdict, verdict
from angiogram.sensitivity.made_topic import MADE_TOPIC, MADE_TOPIC_ID
from angiogram.sensitivity.routing.doses import (
    FIRST_DOSE_AT,
    FORGED,
    KEYS,
    NO_MOMENTS,
    OTHER_HEADERS,
    RUN,
    Dose,
    LoadedRecord,
    as_sent,
    moment,
    otherwise,
)
from angiogram.sensitivity.routing.mutants import ROUTING_OF_LOADER, RoutingMutant, routing_mutants
from angiogram.sensitivity.witnesses.crowd import HANDFUL, INPUTS, SLICE
from angiogram.warehouse.sessions import open_sessions
from ingestion.loader.batch import Batch, Last
from ingestion.message.stamp import DYE_HEADERS, DyeStamp
from ingestion.message.tables import CLAIMED, DYE_LETTERS, DYE_ROWS, LIVE_LETTERS, LIVE_ROWS, UNVERIFIED, Kind, tables
from ingestion.settings.pipeline import contract

_TYPES = {
    "topic_id": "uuid",
    "partition": "integer",
    "offset": "bigint",
    "message_at": "timestamptz",
    "sent_at": "timestamptz",
    "value": "bytea",
    "message_key": "bytea",
    **dict.fromkeys(CLAIMED, "bytea"),
}
_CORRUPTIONS = (b"", b"\\", b'"', b"{", b"}", b"\xff", b"[", b",", b"null", b"\\u0000", b"\\ud83d")
_BREAKS = (
    *(ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError, RecursionError),
    *(msgspec.MsgspecError, psycopg2.DataError, psycopg2.IntegrityError),
)
"""Errors with which a mistake may end the loader, so that a run has no rows."""


@dataclass(frozen=True, slots=True)
class RoutingScore:
    """The results of all mutants of the routing.

    Attributes:
        verdicts: one verdict for each mutant.
        seconds: how long they took on the dye.
        spoiled: a message that shows a blind spot, in words, by the mutant's id.
    """

    verdicts: list[Verdict]
    seconds: float
    spoiled: dict[str, str]


def measure_routing(directory: Path, target: str, equivalent: Mapping[str, str]) -> RoutingScore:
    """Run all mutants of the routing on the dye, and the survivors on random messages.

    Args:
        directory: the folder of the dbt project, whose profile names the database.
        target: the dbt target.
        equivalent: reasons by id of the mutants that are known to be equivalent.

    Raises:
        UnmutatedFails: the unmutated loader does not store the dye as it should.
        SeedError: the dye cannot be read.
    """
    (session,) = open_sessions(directory, target, 1)
    with closing(session):
        bench = RoutingBench(session)
        if bench.outcome(Batch).how != "survived":
            raise UnmutatedFails(
                "The unmutated loader does not store the dye as its input seeds say, so nothing can be said of "
                "mutants. `angiogram run` shows the differences."
            )
        begun = perf_counter()
        outcomes = [(mutant, bench.run(mutant)) for mutant in routing_mutants()]
        seconds = perf_counter() - begun
    spoiled = told_apart_by_routing([m for m, outcome in outcomes if outcome.how == "survived"], directory)
    verdicts = [verdict(m.mutant, outcome, spoiled.keys(), equivalent) for m, outcome in outcomes]
    return RoutingScore(verdicts, seconds, spoiled)


class RoutingBench:
    """Runs mutants of the routing."""

    def __init__(self, database: connection) -> None:
        """Prepare the dye.

        Args:
            database: a separate session, not in autocommit. Its temporary tables are rolled back.

        Raises:
            SeedError: the dye cannot be read.
        """
        self._database = database
        self._tables = tables(contract())
        dye = read_whole_dye()
        self._doses = (as_sent(dye), otherwise(dye))

    def run(self, mutant: RoutingMutant) -> MutantOutcome:
        """Run one mutant on the dye as it is sent, then in other surroundings."""
        return self.outcome(mutant.batch_class())

    def outcome(self, made: type[Batch]) -> MutantOutcome:
        """Return the outcome of a loader with this Batch: survived if everything is right."""
        for dose, surroundings in zip(self._doses, (None, OTHER_HEADERS), strict=True):
            try:
                if not self._right(dose, dose.batch(made)):
                    return MutantOutcome(ROUTING_OF_LOADER, "differs", surroundings)
            except _BREAKS:
                return MutantOutcome(ROUTING_OF_LOADER, "fails", surroundings)
            finally:
                self._database.rollback()
        return MutantOutcome(None, "survived")

    def _right(self, dose: Dose, batch: Batch) -> bool:
        for kind in Kind:
            self._copy(kind, batch)
        if not self._counts_right(dose, batch):
            return False
        stored = [self._stored(kind) for kind in (DYE_ROWS, DYE_LETTERS)]
        if any(row["run_id"] != dose.runs.get((row["partition"], row["offset"])) for rows in stored for row in rows):
            return False
        if judge_loaded(dose.dye, dose.contents, *stored):
            return False
        live = [self._stored(kind) for kind in (LIVE_ROWS, LIVE_LETTERS)]
        numbers = {(place.partition, place.offset): place for place in dose.live}
        times = {(partition, record.offset): record for partition, record in dose.messages}
        for row in (row for rows in live for row in rows):
            where = row["partition"], row["offset"]
            place, record = numbers.get(where), times[where]
            if place is None or row["message_at"] != moment(record.timestamp):
                return False
            if "message_key" in row and row["message_key"] != record.key:
                return False
            row |= {"number": place.number, "sent_at": dose.contents[place.name].sent_at}
        return self._claims_right(dose) and not judge_loaded(dose.live, dose.contents, *live)

    def _counts_right(self, dose: Dose, batch: Batch) -> bool:
        """Whether the batch's counts and last message are right, since totals are kept from them."""
        for partition in {place for place, _ in dose.messages}:
            counted = dict(batch.counts[partition])
            made = {kind: sum(row["partition"] == partition for row in self._stored(kind)) for kind in Kind}
            last = [record for place, record in dose.messages if place == partition][-1]
            if counted != made or batch.last.get(partition) != Last.of(last):
                return False
        return True

    def _claims_right(self, dose: Dose) -> bool:
        """Whether exactly the messages that do not verify were kept apart, with all their data."""
        kept = {(row.pop("partition"), row.pop("offset")): row for row in self._stored(UNVERIFIED)}
        if kept.keys() != dose.claims.keys():
            return False
        records = {(partition, record.offset): record for partition, record in dose.messages}
        return all(
            kept[place]
            == {
                "value": records[place].value,
                "message_key": records[place].key,
                **dict(zip(CLAIMED, map(dict(records[place].headers).get, DYE_HEADERS), strict=True)),
                "reason": reason,
                "topic": MADE_TOPIC,
                "topic_id": str(MADE_TOPIC_ID),
                "message_at": moment(records[place].timestamp),
            }
            for place, reason in dose.claims.items()
        )

    def _copy(self, kind: Kind, batch: Batch) -> None:
        """Make the table and copy the batch's rows into it, as ingestion.loader.store does."""
        table = self._tables[kind]
        relation = sql.Identifier("pg_temp", str(table))
        types = _TYPES | {contract().number_column: "integer"}
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(types.get(name, "text"))) for name in table.columns
        )
        lines = batch.lines[kind]
        with self._database.cursor() as query:
            query.execute(sql.SQL("create temporary table {} ({})").format(relation, columns))
            query.copy_expert(
                sql.SQL("copy {} from stdin (format csv, null 'null')").format(relation),
                io.BytesIO(b"".join(line + b"\n" for line in lines)),
            )

    def _stored(self, kind: Kind) -> list[dict[str, Any]]:
        with self._database.cursor(cursor_factory=RealDictCursor) as query:
            query.execute(sql.SQL("select * from {}").format(sql.Identifier("pg_temp", str(self._tables[kind]))))
            rows = [dict(row) for row in query.fetchall()]
        for row in rows:
            if (number := contract().number_column) in row:
                row["number"] = row.pop(number)
            row |= {name: bytes(row[name]) for name in ("value", "message_key", *CLAIMED) if row.get(name) is not None}
        return rows


def told_apart_by_routing(mutants: Sequence[RoutingMutant], directory: Path) -> dict[str, str]:
    """Return the mutants that 20,000 random messages tell from the unmutated loader.

    Each comes with the first message that does, in words.
    """
    found: dict[str, str] = {}
    left = {mutant.mutant.id: mutant.batch_class() for mutant in mutants}
    calculation = calculation_of(directory)
    if calculation is None:
        return found
    for seed in range(INPUTS // SLICE):
        random = Random(seed)  # noqa: S311
        messages = [message_value(one) for one in calculation.random_messages(SLICE, directory, seed)]
        for start in range(0, SLICE, HANDFUL):
            handful = [_random_record(random, n, value) for n, value in enumerate(messages[start : start + HANDFUL])]
            right = _lines(Batch, handful)
            for identity, made in list(left.items()):
                if _lines(made, handful) != right:
                    single = next((r for r in handful if _lines(made, [r]) != _lines(Batch, [r])), handful[0])
                    found[identity] = f"a message {single.value!r} with headers {[name for name, _ in single.headers]}"
                    del left[identity]
    return found


def _lines(made: type[Batch], records: Sequence[LoadedRecord]) -> object:
    """Return what a Batch makes of messages, or the name of the error that ends it.

    The order of its rows does not matter.
    """
    batch = made(MADE_TOPIC, MADE_TOPIC_ID, KEYS, contract())
    try:
        batch.add(0, records)
    except _BREAKS as error:
        return type(error).__name__
    return {kind: sorted(lines) for kind, lines in batch.lines.items()}


def _random_record(random: Random, offset: int, value: bytes) -> LoadedRecord:
    """Make a message, often with a changed byte. Its dye headers vary.

    They are valid, forged, incomplete or absent.
    """
    if random.random() < 0.4:
        at = random.randrange(len(value))
        value = (
            value[:at] + random.choice((b"", b"\\", b'"', b"{", b"}", b"\xff", b"[", b",", b"null")) + value[at + 1 :]
        )
    key = random.choice((*KEYS, FORGED))
    headers = DyeStamp(RUN, random.randrange(1000), FIRST_DOSE_AT).headers(key, value)
    if random.random() < 0.3:
        name, _ = headers[random.randrange(len(headers))]
        odd = random.choice((b"", b"x", b"\xff", b"-1", b"9" * 12, b"2026-06-01"))
        headers = [(n, odd if n == name else v) for n, v in headers]
    headers = random.choice(([], headers, headers[: random.randrange(len(headers))], [("trace", b"1")]))
    moment = random.choice((*NO_MOMENTS, 0, 1, random.randrange(1 << 42)))
    return LoadedRecord(
        offset, moment, random.choice((None, b"T-1")), random.choice((None, b"", *[value] * 18)), headers
    )
