"""The steps of a run.

`angiogram run` does them in one process, and Airflow in one task each.

`angiogram.run.walk` lists them in order; `begin` comes before them, and `finish` after them whatever happened.

Each step takes and returns plain JSON values; what one step leaves to another is stored in the run's row in
angiogram.runs. Each renews the run's lease at its start and end.

What needs a client of Kafka is imported by the step that uses it: without the extra `kafka` a run fails in `begin`,
which records why, and the commands on other runs work.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from psycopg2.extensions import connection

from angiogram.core.differences import Differences
from angiogram.core.errors import InjectFailed, NeverBegan
from angiogram.core.stage_id import API, LOADER, TOPIC, api_stage, from_json, loader_stage, topic_stage
from angiogram.dbt.command import SKIPPED, Outcome
from angiogram.dbt.project import Project
from angiogram.dye import loaded
from angiogram.dye.key_check import check_key
from angiogram.dye.messages import OutgoingMessage, Sent, read_whole_dye
from angiogram.judge.build.run_builds import heard
from angiogram.judge.from_seeds import opened
from angiogram.judge.guards.surface import Surface
from angiogram.judge.verdict import judge
from angiogram.operate import alert
from angiogram.run import endings
from angiogram.store import run_ids, runs, versions
from angiogram.store.kept import Kept
from angiogram.warehouse.afresh import make_afresh
from ingestion.contract import LOADER as LOADER_ROLE
from ingestion.database.sessions import connect
from ingestion.errors import Interrupted, MessagesLost, OpenTransaction
from ingestion.loader.store import follower_alive
from ingestion.migrations import require_current
from ingestion.settings import DyeKeys, FrontDoorSettings, KafkaSettings

LEASE_BETWEEN_STEPS = 900.0
"""Seconds that a lease lasts after each renewal if the run's steps are separate processes."""

LOAD_WITHIN = 120.0
"""Seconds that the loader has to pass the dye."""

_LOOK_EVERY = 0.05

BatchNumber = Literal[1, 2]


@dataclass(slots=True)
class _Step:
    """The current step: the database, the run, and what the step leaves to others."""

    database: connection
    run: runs.Run
    result: dict[str, Any] = field(default_factory=dict)


@contextmanager
def _step(run_id: str, name: str) -> Iterator[_Step]:
    started = time.perf_counter()
    with runs.database(name) as database:
        runs.renew(database, run_id)
        step = _Step(database, runs.read(database, run_id))
        try:
            yield step
        except Exception as error:
            endings.note_failure(database, run_id, error)
            raise
        step.result["seconds"] = round(time.perf_counter() - started, 2)
        runs.save_step(database, run_id, name, step.result)


def begin(
    lease: float = LEASE_BETWEEN_STEPS,
    wait: float = runs.WAIT,
    say: Callable[[str], None] = runs.say_on_stderr,
    run_id: str | None = None,
    alerts: bool = True,
) -> str:
    """Check that everything a run needs is in place, and take the lease.

    A run that fails here is recorded, and an alert is sent.

    Args:
        lease: seconds that the run stays active after each renewal.
        wait: maximum number of seconds to wait for another run.
        say: called with what is waited for.
        run_id: the run's ID; None: a new one.
        alerts: whether to send an alert if the run ends here.

    Returns:
        The run ID.

    Raises:
        ExtraMissing, SettingsError, DatabaseUnavailable, SchemaOutdated, KafkaUnavailable, InputError: something is
            missing.
        RunInHand: another run outlasted the wait.
    """
    run_id = run_id or run_ids.new()
    with endings.ended_if_it_fails(run_id, alerts):
        from ingestion.loader.reading.source import Source

        kafka = KafkaSettings.from_environment()
        FrontDoorSettings.from_environment()  # missing settings are reported now, not when the dye is sent
        with closing(Source.open(kafka)) as source, runs.database("begin") as database:
            _, partitions = source.topic()
            require_current(database)
            check_key(database)
            if not follower_alive(database):
                connect(LOADER_ROLE, "angiogram begin").close()  # this run will load its dye itself after it is sent
            runs.take(database, lease, wait, say, run_id)
            started = time.perf_counter()
            if alerts:
                endings.alert_taken_over(database, run_id)
            versions.record(database, run_id)
            # Messages before these offsets do not belong to this run.
            starts = {str(p): bounds.readable for p, bounds in source.bounds(partitions).items()}
            seconds = round(time.perf_counter() - started, 2)
            runs.save_step(database, run_id, "begin", {"starts": starts, "seconds": seconds})
    return run_id


def require_begun(run_id: str | None, why: str | None) -> str:
    """Require that there is a run to judge.

    `begin` may be a process of its own that failed.

    Args:
        run_id: what `begin` returned; None if it returned nothing.
        why: the error that ended it, if known.

    Raises:
        NeverBegan: `begin` returned nothing.
    """
    if run_id is None:
        told = why or "the log of the step `begin` says why"
        raise NeverBegan(f"The run never began, so nothing was sent and nothing is judged: {told}")
    return run_id


def prepare(
    run_id: str,
    project: Project | None = None,
    say: Callable[[str], None] = runs.say_on_stderr,
    alerts: bool = True,
) -> None:
    """Check that dbt can build the project and writes only the dye's relations.

    Then empty the dye's schemas.

    Args:
        run_id: the active run; it has ended if this fails.
        project: the dbt project; by default that of the environment.
        say: called with what is waited for.
        alerts: whether to send an alert if the run ends here.

    Raises:
        DbtFailed: dbt cannot build the project.
        NotTheDyes: dbt would write live relations, or relations that the dye did not create.
        NotReady: the project or its database cannot be used.
        TablesInUse: another session locked tables of the previous run for too long.
    """
    with endings.ended_if_it_fails(run_id, alerts), _step(run_id, "prepare") as step:
        project = project or Project()
        project.parse()
        if not project.can_be_built:
            return  # the stages before dbt can still be judged
        with opened(project) as models:
            known_live = Surface.known_live(project.directory)
            make_afresh(models, project, known_live, say, lambda: runs.renew(step.database, run_id))


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

    with _step(run_id, "inject") as step:
        if step.run.step("inject"):
            raise InjectFailed(f"Run {run_id} has sent its dye before, all or in part. Start a new run.")
        check_key(step.database)
        runs.save_step(step.database, run_id, "inject", {"sent": [], "seconds": 0.0})
        dye = dye or _dye(project)
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
    return _without(step.result, "sent")


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

    with _step(run_id, "check_topic") as step:
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
        by (follower or this run), behind (why the dye was not passed in time, or null), seconds.

    Raises:
        IngestionError: loading here failed.
    """
    from ingestion.topic.admin import topic_id

    with _step(run_id, "load") as step:
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
        step.result |= {"by": loaded_by, "behind": lost}
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
    with _step(run_id, "check_loaded") as step:
        messages, letters = loaded.loaded_rows(step.database, run_id)
        differences = loaded.judge_loaded(_sent(step.run), _dye_by_name(project), messages, letters)
        Kept(step.database, run_id).put(loader_stage(), differences)
        step.result |= {
            "loaded": len(messages),
            "dead_letters": len(letters),
            LOADER: asdict(Differences.of(differences)),
        }
    return step.result


def take_batch(run_id: str, batch: BatchNumber, project: Project | None = None) -> None:
    """Make the messages of a batch, and of those before it, visible to the models.

    Args:
        run_id: the active run.
        batch: 1 or 2.
        project: an open project; by default that of the environment.

    Raises:
        LeaseLost: the run is no longer active.
    """
    last_of_batch_1 = max((d.number for d in _dye(project) if d.batch == 1), default=0)
    with runs.database("take batch") as database:
        runs.take_batch(database, run_id, batch, last_of_batch_1)


def build_batch(run_id: str, batch: BatchNumber, project: Project | None = None) -> dict[str, Any]:
    """Make a batch visible and let dbt build.

    With batch 1 dbt builds seeds and incremental models, with batch 2 everything.

    Args:
        run_id: the active run.
        batch: 1 or 2.
        project: an open project, whose manifest is used again; by default that of the environment.

    Returns:
        failed (nodes that failed), seconds.

    Raises:
        DbtFailed: dbt ended before it built anything.
    """
    with _step(run_id, f"build_batch_{batch}") as step:
        project = project or Project()
        take_batch(run_id, batch, project)
        dbt = heard(project.build_first_batch() if batch == 1 else project.build_all())
        step.result |= {"failed": [one["name"] for one in dbt["results"] if one["status"] != SKIPPED], "dbt": dbt}
    return _without(step.result, "dbt")


def build_in_hand(run_id: str, project: Project, select: Sequence[str] = ()) -> Outcome:
    """Let dbt build everything from the visible second batch, or rebuild a part of it.

    Args:
        run_id: the active run.
        project: whose models are built.
        select: the part, in dbt's selector syntax; everything if empty.

    Raises:
        DbtFailed, LeaseLost: dbt ended before it built anything, or the run is no longer active.
    """
    with _step(run_id, "build_batch_2") as step:
        outcome = project.build_with_equality(select)
        step.result["dbt"] = heard(outcome, step.run.step("build_batch_2").get("dbt") if select else None)
    return outcome


def verdict(run_id: str, project: Project | None = None, alerts: bool = True) -> dict[str, Any]:
    """Compare every model with its expected seed, find the blockage, and record the verdict.

    Args:
        run_id: the active run.
        project: an open project; by default that of the environment.
        alerts: whether to send an alert on the verdict.

    Returns:
        The report, see angiogram.judge.verdict.judge.
    """
    with _step(run_id, "verdict") as step:
        with step.database.cursor() as query:
            query.execute("select extract(epoch from clock_timestamp() - %s)::float8", (step.run.started_at,))
            ((seconds,),) = query.fetchall()
        report = judge(step.database, step.run, project or Project(), seconds)
    with runs.database("verdict") as database:
        runs.record(database, run_id, report["verdict"], from_json(report["blockage"]), report)
        if alerts:
            alert.after_verdict(database, run_id)
    return report


def finish(run_id: str | None, error: str | None = None, alerts: bool = True) -> None:
    """Release the run. If it has no verdict, record could_not_run and send an alert.

    Args:
        run_id: the run; one that has ended already is not changed; None: it never started, and `begin` has ended it.
        error: why there is no verdict; None: the error that ended its latest step.
        alerts: whether to send an alert if the run has no verdict.

    Raises:
        SettingsError, DatabaseUnavailable: the database is down; the alert was sent.
    """
    if run_id is not None:
        endings.end(run_id, error, alerts)


def _sent(run: runs.Run) -> list[Sent]:
    return [Sent.of(state) for state in run.step("inject")["sent"]]


def _ends(sent: Sequence[Sent]) -> dict[int, int]:
    """The offset after the last acknowledged message, by partition."""
    ends: dict[int, int] = {}
    for place in sent:
        if place.partition is not None and place.offset is not None:
            ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)
    return ends


def _dye(project: Project | None) -> list[OutgoingMessage]:
    return read_whole_dye(project.directory if project else None)


def _dye_by_name(project: Project | None) -> dict[str, OutgoingMessage]:
    return {dye.name: dye for dye in _dye(project)}


def _without(result: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != name}
