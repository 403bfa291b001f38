"""Load the front door while Kafka restarts: `make torture`. Writes docs/front-door.md.

It checks that every message answered with 202 is on the topic where the answer says, byte for byte, and that every
other message got a clear answer. If not, the exit code is 1.
"""

import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer
from kafka import KafkaConsumer, TopicPartition

from benchmarks.servers import servers
from ingestion.settings import FrontDoorSettings, KafkaSettings
from sandbox import ports
from sandbox.services import Sandbox

PAGE = Path(__file__).parents[1] / "docs" / "front-door.md"
CLIENTS, RIDES_A_LIST = 24, 500

_START_WITHIN_SECONDS = 60.0


@dataclass
class Answered:
    """The answers that one client got.

    Attributes:
        places: partition and offset of each acknowledged ride, by the ride's bytes.
        steady: rides acknowledged before Kafka was stopped.
        statuses: number of requests by HTTP status.
        unclear: answers that neither acknowledge nor say what to do, and broken connections.
    """

    places: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    steady: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    unclear: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """The result of one kind of load, from many clients at once.

    Attributes:
        name: lists or single rides.
        clients: number of concurrent clients.
        seconds: how long all of them sent.
        steady_rate: rides per second acknowledged before Kafka was stopped.
        acknowledged: rides answered with 202.
        refused: requests answered with 503.
        unclear: requests without a clear answer.
        missing: acknowledged rides that are not where their answer says.
    """

    name: str
    clients: int
    seconds: float
    steady_rate: float
    acknowledged: int
    refused: int
    unclear: int
    missing: int

    @property
    def holds(self) -> bool:
        """Whether nothing acknowledged is missing, and everything else got a clear answer."""
        return not self.missing and not self.unclear and self.acknowledged > 0


@contextmanager
def front_door() -> Iterator[str]:
    """Run `ingestion api` as its own process; yield its URL once it is healthy."""
    port = ports.choose()
    command = [str(Path(sys.executable).with_name("ingestion")), "api", "--port", str(port)]
    url = f"http://{ports.HOST}:{port}"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603  # the project's own command
        try:
            _await(lambda: _healthy(url), "the front door is open")
            yield url
        finally:
            process.terminate()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=30, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _await(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _START_WITHIN_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {_START_WITHIN_SECONDS:.0f} s in vain until {what}")
        time.sleep(0.05)


def load(sandbox: Sandbox, url: str, rides_a_request: int, seconds: float) -> Outcome:
    """Send rides from many clients, first to a healthy Kafka, then through a stop and a crash.

    Args:
        sandbox: the sandbox whose Kafka is restarted.
        url: URL of the front door.
        rides_a_request: 1 for single rides, more for lists.
        seconds: how long Kafka runs undisturbed before, between and after.
    """
    touched, ended = Event(), Event()
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(_send, url, number, rides_a_request, touched, ended) for number in range(CLIENTS)]
        try:
            ended.wait(seconds)
            touched.set()
            steady_seconds = time.monotonic() - began
            sandbox.restart_kafka()
            ended.wait(seconds)
            sandbox.kill_kafka()
            sandbox.restart_kafka()
            ended.wait(seconds)
        finally:
            ended.set()
    answers = [client.result() for client in clients]
    on_topic = _topic()
    missing = sum(on_topic.get(place) != ride for one in answers for ride, place in one.places.items())
    for complaint in [text for one in answers for text in one.unclear][:5]:
        print(complaint, file=sys.stderr)
    return Outcome(
        "single rides" if rides_a_request == 1 else f"lists of {rides_a_request}",
        CLIENTS,
        time.monotonic() - began,
        sum(one.steady for one in answers) / steady_seconds,
        sum(len(one.places) for one in answers),
        sum(one.statuses[503] for one in answers),
        sum(len(one.unclear) for one in answers),
        missing,
    )


def _send(url: str, client: int, rides_a_request: int, touched: Event, ended: Event) -> Answered:
    """One client: send request after request until told to stop."""
    answered, address = Answered(), urlsplit(url)
    headers = {"X-API-Key": FrontDoorSettings.from_environment().api_key.get_secret_value()}
    number = 0
    with closing(http.client.HTTPConnection(address.netloc, timeout=60)) as connection:
        while not ended.is_set():
            rides = [
                b'{"taxi_id": "t%d-%d", "fare_amount": %d.50, "currency": "USD", "requested": "%d rides at once"}'
                % (client, number + each, number % 90, rides_a_request)
                for each in range(rides_a_request)
            ]
            number += rides_a_request
            body = rides[0] if rides_a_request == 1 else b"[" + b",".join(rides) + b"]"
            try:
                connection.request("POST", "/rides", body, headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                answered.unclear.append(repr(error))
                connection.close()
                continue
            answered.statuses[answer.status] += 1
            if answer.status == 202:
                places = told if isinstance(told, list) else [told]
                for ride, place in zip(rides, places, strict=True):
                    answered.places[ride] = (place["partition"], place["offset"])
                if not touched.is_set():
                    answered.steady += len(rides)
            elif answer.status != 503 or not told.get("detail") or not answer.headers["Retry-After"]:
                answered.unclear.append(f"{answer.status}: {told}")
    return answered


def _topic() -> dict[tuple[int, int], bytes | None]:
    """The value of every message, by partition and offset."""
    settings = KafkaSettings.from_environment()
    with closing(KafkaConsumer(**settings.client_options(), enable_auto_commit=False)) as consumer:
        partitions = [TopicPartition(settings.topic, number) for number in range(settings.partitions)]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        found: dict[tuple[int, int], bytes | None] = {}
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for batch in consumer.poll(timeout_ms=1_000, max_records=10_000).values():
                found.update({(record.partition, record.offset): record.value for record in batch})
    return found


def page(outcomes: list[Outcome]) -> str:
    """The text of docs/front-door.md."""
    lines = [
        "# The front door under load",
        "",
        "Written by `make torture`: many clients at once, one request after the other each, while Kafka is stopped and "
        "started, then crashed and started. Afterwards the topic is read: each ride answered 202 must lie where its "
        "answer says, byte for byte. A clear answer is a 202 with places, or a 503 that says what happened and when "
        "to try again.",
        "",
        "| load | clients | seconds | rides/s at peace | acknowledged | missing | answered 503 | no clear answer |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.clients} | {one.seconds:.0f} | {one.steady_rate:,.0f} | {one.acknowledged:,} | "
        f"{one.missing:,} | {one.refused:,} | {one.unclear:,} |"
        for one in outcomes
    ]
    return "\n".join([*lines, ""])


def main(
    seconds: Annotated[float, typer.Option(min=0.5, help="Kafka's peace before, between and after.")] = 15.0,
    write: Annotated[bool, typer.Option(help="Write the page.")] = True,
) -> None:
    """Load the front door.

    Exit code 1 if an acknowledged ride is missing or an answer was unclear.
    """
    with servers("front-door") as sandbox, front_door() as url:
        outcomes = [load(sandbox, url, rides, seconds) for rides in (RIDES_A_LIST, 1)]
    text = page(outcomes)
    if write:
        PAGE.write_text(text)
    typer.echo(text)
    raise SystemExit(0 if all(one.holds for one in outcomes) else 1)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
