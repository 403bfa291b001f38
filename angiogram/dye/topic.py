"""Reads the dye back from the topic and compares it with what was sent."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka.errors import KafkaError

from angiogram.core.differences import Difference
from angiogram.dye.messages import OutgoingMessage, Sent
from ingestion.errors import KafkaUnavailable
from ingestion.loader.reading.source import Bounds, Source
from ingestion.message.stamp import DyeStamp, dye_stamp
from ingestion.settings import KafkaSettings

_READ_WITHIN = 60.0
"""Seconds allowed to read back the range of the topic that holds the dye."""

_TRANSACTION_WITHIN = 10.0
"""Seconds that a transaction of somebody else may hold the dye back before it counts as open."""

_LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """A message in the range of the topic that holds the dye.

    Attributes:
        partition, offset: where it is.
        value: its bytes.
        number: its number in this run, if a valid signature proves it. None for every other message.
    """

    partition: int
    offset: int
    value: bytes | None
    number: int | None


def read_back(
    settings: KafkaSettings, starts: Mapping[int, int], ends: Mapping[int, int], run_id: str, keys: list[bytes]
) -> tuple[list[Found], dict[int, Bounds]]:
    """Read each partition from an offset to its end.

    Args:
        settings: the broker and the topic.
        starts: the offset by partition before the dye was sent.
        ends: the offset by partition after the dye. A transaction that holds back an offset before it is waited for.
        run_id: the run whose messages get their numbers.
        keys: the keys whose signatures are valid.

    Returns:
        All messages in these ranges, and what each partition holds.

    Raises:
        KafkaUnavailable: the broker does not answer, or not in time.
    """
    found: list[Found] = []
    deadline = time.monotonic() + _READ_WITHIN
    with closing(Source.open(settings)) as source:
        bounds = source.bounds(list(starts))
        until = time.monotonic() + _TRANSACTION_WITHIN
        while any(held_back(part, ends.get(p, 0)) for p, part in bounds.items()) and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)
            bounds = source.bounds(list(starts))
        waiting = {p for p, start in starts.items() if max(start, bounds[p][0]) < bounds[p][1]}
        for partition in waiting:
            source.read_from(partition, max(starts[partition], bounds[partition][0]))
        while waiting:
            if time.monotonic() > deadline:
                raise KafkaUnavailable(
                    f"Reading partitions {sorted(waiting)} of {settings.topic} back took more than {_READ_WITHIN:g} s. "
                    "Is the broker overloaded?"
                )
            try:
                polled = source.poll(250)
            except KafkaError as error:
                raise KafkaUnavailable(
                    f"Kafka stopped answering while the dye was read back: {type(error).__name__}."
                ) from error
            for partition, records in polled.items():
                for record in records:
                    stamp = dye_stamp(record.headers, record.value, keys)
                    number = stamp.message_number if isinstance(stamp, DyeStamp) and stamp.run_id == run_id else None
                    found.append(Found(partition, record.offset, record.value, number))
            waiting = {p for p in waiting if source.position(p) < bounds[p][1]}
    return found, bounds


def held_back(part: Bounds, end: int) -> bool:
    """Whether an open transaction holds back an offset of a partition before the given one."""
    return part.readable < min(part.end, end)


def transactions(name: str, held: Mapping[int, Bounds], ends: Mapping[int, int]) -> str | None:
    """Name the open transactions that hold the dye back, in words. None if there are none.

    Args:
        name: the topic's name.
        held: what each partition holds.
        ends: the offset by partition after the dye.
    """
    told = [
        f"an open transaction on {name}, partition {partition}, that begins at offset {part.readable} and holds back "
        f"{part.end - part.readable} offsets"
        for partition, part in sorted(held.items())
        if held_back(part, ends.get(partition, 0))
    ]
    return (
        f"{'; '.join(told)}. End it, or wait for the producer's transaction.timeout.ms; then run again"
        if told
        else None
    )


def judge_topic(
    sent: Sequence[Sent], dye: Mapping[str, OutgoingMessage], found: Sequence[Found], held: Mapping[int, Bounds]
) -> tuple[list[Difference], list[Difference]]:
    """Compare what was sent with what the topic holds.

    The API is at fault for what the front door refused, or acknowledged but did not publish unchanged. The topic is at
    fault for what was published directly, is deleted already, or is held back by an open transaction.

    Args:
        sent: the result of each send.
        dye: the messages of the dye by name.
        found: the messages on the topic.
        held: what each partition holds.

    Returns:
        The differences of the API and those of the topic.
    """
    by_number: dict[int, list[Found]] = defaultdict(list)
    for message in found:
        if message.number is not None:
            by_number[message.number].append(message)
    by_place = {(message.partition, message.offset): message for message in found}
    api: list[Difference] = []
    topic: list[Difference] = []
    for place in sent:
        copies = by_number.pop(place.number, [])
        key = {"message_id": str(place.number)}
        part, offset = held.get(-1 if place.partition is None else place.partition), place.offset or 0
        absent = part is not None and (offset < part.first or held_back(part, offset + 1))
        blamed = topic if place.way == "topic" or absent else api
        if place.refusal is not None:
            blamed.append(Difference("changed", key, "answer", '"202"', json.dumps(place.refusal)))
            continue
        if not copies:
            there = by_place.get((place.partition or 0, place.offset or 0))
            blamed.append(_what_became(key, dye[place.name].value, there))
        elif len(copies) > 1:
            blamed.append(Difference("multiplicity", key, None, "1", str(len(copies))))
        elif (copies[0].partition, copies[0].offset) != (place.partition, place.offset):
            acknowledged, actual = (place.partition, place.offset), (copies[0].partition, copies[0].offset)
            blamed.append(Difference("changed", key, "partition, offset", json.dumps(acknowledged), json.dumps(actual)))
    for number, copies in by_number.items():
        topic.append(Difference("unexpected", {"message_id": str(number)}, None, None, _text(copies[0].value)))
    return api, topic


def _what_became(key: dict[str, Any], value: bytes | None, there: Found | None) -> Difference:
    """How a message without a valid signature differs from the one at its acknowledged place."""
    if there is None or there.number is not None:
        return Difference("missing", key, None, _text(value), None)
    if there.value == value:
        return Difference("changed", key, "headers", '"signed"', '"no valid signature"')
    return Difference("changed", key, "value", _text(value), _text(there.value))


def _text(value: bytes | None) -> str | None:
    """Return bytes as readable JSON text. None for null."""
    return "null" if value is None else json.dumps(value.decode("utf-8", "backslashreplace"), ensure_ascii=False)
