"""The steps before dbt: send the dye, read it back from the topic, load it, compare it."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from psycopg2.extensions import connection

from angiogram.core.differences import Differences
from angiogram.core.errors import InjectFailed
from angiogram.core.stage_id import API, LOADER_STAGE, TOPIC, api_stage, loader_stage, topic_stage
from angiogram.dbt.project import Project
from angiogram.dye import loaded
from angiogram.dye.key_check import check_key
from angiogram.dye.messages import OutgoingMessage, Sent
from angiogram.run.step import dye_of, recorded, without
from angiogram.store import runs
from angiogram.store.kept_differences import Kept
from ingestion.errors import Interrupted, MessagesLost, OpenTransaction
from ingestion.loader.store import follower_alive
from ingestion.settings import DyeKeys, KafkaSettings

LOAD_WITHIN = 120.0
"""Seconds that the loader has to pass the dye."""

_LOOK_EVERY = 0.05


def inject(
    run_id: str,
    project: Project | None = None,
    dye: list[OutgoingMessage] | None = None,
    door_url: str | None = None,
) -> dict[str, Any]:
    """Send the dye: messages through the front door, malformed messages to the topic.

    Args:
        run_id: the active run.
        project: an open project; by default that of the environment.
        dye: the dye in an unusual order; by default in the usual one.
        door_url: the front door's address; by default FRONT_DOOR_URL.

    Returns:
        front_door (which one it was), published, refused, batches, seconds.

    Raises:
        KeyMismatch: a loader would not recognise the dye; nothing was sent.
        InjectFailed: the front door is down, or the run has already sent its dye: a second dose needs a new run.
        KafkaUnavailable: the broker is down.
    """
    from angiogram.dye.inject import front_door, send, sends_elsewhere
    from ingestion.topic.admin import topic_id
    from ingestion.topic.producer import MessageProducer

    with recorded(run_id, "inject") as step:
        if step.run.step("inject"):
            raise InjectFailed(f"Run {run_id} has already sent its dye, all or part of it. Start a new run.")
        check_key(step.database)
        runs.save_step(step.database, run_id, "inject", {"sent": [], "seconds": 0.0})
        dye = dye or dye_of(project)
        partitions = [int(partition) for partition in step.run.step("begin")["starts"]]
        key = DyeKeys.from_environment().accepted()[0]
        with front_door(door_url) as (client, door), MessageProducer() as publisher:
            elsewhere = sends_elsewhere(client, topic_id())
            sent = send(run_id, dye, client, publisher, partitions, key)
        published = sum(place.refusal is None for place in sent)
        step.result |= {
            "front_door": door,
            "elsewhere": elsewhere,
            "published": published,
            "refused": len(sent) - published,
            "batches": len({one.batch for one in dye if not one.is_malformed}),
            "sent": [asdict(s) for s in sent],
        }
    return without(step.result, "sent")


def check_topic(run_id: str, project: Project | None = None) -> dict[str, Any]:
    """Read the dye back from the topic, each message once and byte for byte.

    The checkpoint is published = in Kafka.

    Args:
        run_id: the active run.
        project: an open project; by default that of the environment.

    Returns:
        in_kafka, transactions (where an open one begins, by partition), obstacle (these in words, or null), differences
        of api and topic, seconds.

    Raises:
        KafkaUnavailable: the broker is down.
    """
    from angiogram.dye import topic

    with recorded(run_id, "check_topic") as step:
        sent, dye = _sent(step.run), _dye_by_name(project)
        starts = {int(partition): start for partition, start in step.run.step("begin")["starts"].items()}
        keys = DyeKeys.from_environment().accepted()
        kafka, ends = KafkaSettings.from_environment(), _ends(sent)
        found, held = topic.read_back(kafka, starts, ends, run_id, keys)
        api, on_topic = topic.judge_topic(sent, dye, found, held)
        kept = Kept(step.database, run_id)
        kept.put(api_stage(), api)
        kept.put(topic_stage(), on_topic)
        step.result |= {
            "in_kafka": sum(message.number is not None for message in found),
            "transactions": {
                str(p): part.readable for p, part in held.items() if topic.held_back(part, ends.get(p, 0))
            },
            "obstacle": topic.transactions(kafka.topic, held, ends),
            API: asdict(Differences.of(api)),
            TOPIC: asdict(Differences.of(on_topic)),
        }
    return step.result


def load(run_id: str) -> dict[str, Any]:
    """Wait until the loader that follows the topic has passed the dye.

    If no such loader is running, load here.

    Returns:
        by (follower or this run), behind (why the dye was not passed in time, or null), is_held (whether the reason is
        an open transaction), seconds.

    Raises:
        IngestionError: loading here failed.
    """
    from ingestion.topic.admin import topic_id

    with recorded(run_id, "load") as step:
        elsewhere = step.run.step("inject").get("elsewhere")
        # What is on another topic, nobody loads here.
        ends = _ends([place for place in _sent(step.run) if not (elsewhere and place.way == "api")])
        for partition, offset in step.run.step("check_topic").get("transactions", {}).items():
            ends[int(partition)] = offset  # nobody loads what an open transaction holds back
        loaded_topic = str(topic_id())
        loaded_by, lost, held = "follower", None, None
        deadline = time.monotonic() + LOAD_WITHIN
        while behind := _behind(step.database, loaded_topic, ends):
            if time.monotonic() > deadline:
                break
            if follower_alive(step.database):
                time.sleep(_LOOK_EVERY)
                continue
            loaded_by = "this run"
            try:
                lost = _load_here(deadline)
            except OpenTransaction as error:  # a finding where it holds back dye, and nothing to this run elsewhere
                held = str(error)
            behind = _behind(step.database, loaded_topic, ends)
            break
        if behind and not lost:
            lost = held or _told(behind, ends, in_time=time.monotonic() <= deadline)
        step.result |= {"by": loaded_by, "behind": lost, "is_held": lost is not None and lost == held}
    return step.result


def _load_here(deadline: float) -> str | None:
    """Load up to the topic's end, and return what the topic lost before it was loaded.

    Such a loss is a finding, not an error.

    Raises:
        OpenTransaction: an open transaction holds back messages.
    """
    from ingestion.loader.run import load_until_caught_up

    stop = threading.Event()
    timer = threading.Timer(max(deadline - time.monotonic(), 1), stop.set)
    timer.daemon = True
    timer.start()
    try:
        load_until_caught_up(stop=stop)
    except MessagesLost as error:
        return str(error)
    except Interrupted:  # by the timer: what was not reached is a finding, too
        return None
    finally:
        timer.cancel()
    return None


def _behind(database: connection, loaded_topic: str, ends: dict[int, int]) -> dict[int, int]:
    """Return the partitions not loaded up to the dye's end, with the offsets reached."""
    reached = loaded.offsets_reached(database, loaded_topic)
    return {p: reached.get(p, 0) for p, end in ends.items() if reached.get(p, 0) < end}


def _told(behind: dict[int, int], ends: dict[int, int], in_time: bool) -> str:
    places = ", ".join(f"partition {p} at {offset} of {ends[p]}" for p, offset in sorted(behind.items()))
    if in_time:  # a loader reached the end of the topic, which is before the acknowledged offsets
        return f"the topic ended before the offsets that the dye was acknowledged at: {places}"
    return f"the loader did not pass the dye within {LOAD_WITHIN:g} s: {places}"


def check_loaded(run_id: str, project: Project | None = None) -> dict[str, Any]:
    """Compare what was loaded with the input seeds, field by field.

    The checkpoint is published = loaded + dead letters.

    Args:
        run_id: the active run.
        project: an open project; by default that of the environment.

    Returns:
        loaded, dead_letters, differences of the loader, seconds.
    """
    with recorded(run_id, "check_loaded") as step:
        messages, letters = loaded.loaded_rows(step.database, run_id)
        differences = loaded.judge_loaded(_sent(step.run), _dye_by_name(project), messages, letters)
        Kept(step.database, run_id).put(loader_stage(), differences)
        step.result |= {
            "loaded": len(messages),
            "dead_letters": len(letters),
            LOADER_STAGE: asdict(Differences.of(differences)),
        }
    return step.result


def _sent(run: runs.Run) -> list[Sent]:
    return [Sent.of(state) for state in run.step("inject")["sent"]]


def _dye_by_name(project: Project | None) -> dict[str, OutgoingMessage]:
    return {dye.name: dye for dye in dye_of(project)}


def _ends(sent: Sequence[Sent]) -> dict[int, int]:
    """The offset after the last acknowledged message, by partition."""
    ends: dict[int, int] = {}
    for place in sent:
        if place.partition is not None and place.offset is not None:
            ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)
    return ends
