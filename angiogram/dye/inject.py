"""Sends the dye: signed messages through the front door, malformed ones to the topic.

Each request to the front door carries one message. Batch 2 starts only after all of batch 1 is acknowledged. Malformed
messages go to the partitions that no other message went to, so that every partition of the topic gets dye.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

import httpx

from angiogram.core.errors import InjectFailed
from angiogram.dye.messages import OutgoingMessage, Sent
from ingestion.addresses import without_user_info
from ingestion.message.stamp import DyeStamp
from ingestion.settings import FrontDoorSettings, KafkaSettings
from ingestion.settings.pipeline import contract
from ingestion.topic.producer import MessageProducer

_ANSWER_WITHIN = 30.0
"""Seconds that the front door may take for one message. It answers only after the broker."""


@contextmanager
def front_door(url: str | None = None) -> Iterator[tuple[httpx.Client, str]]:
    """Yield a client of the front door, or of the same API opened here.

    An API opened here closes after the sends.

    Args:
        url: the front door's address. Default: FRONT_DOOR_URL; the API is opened here where it is not set.

    Yields:
        The client, and a description of the front door.

    Raises:
        SettingsError: FRONT_DOOR_API_KEY is not set.
    """
    settings = FrontDoorSettings.from_environment()
    if url is not None:
        settings = settings.model_copy(update={"url": url})
    headers = {"X-API-Key": settings.api_key.get_secret_value(), "Content-Type": "application/json"}
    if settings.url is not None:
        with _client(settings.url, headers, proxy=not settings.is_on_this_machine) as client:
            yield client, settings.shown_url
    else:
        from ingestion.front_door.server import serving  # imports a web server, not needed with a front door elsewhere

        with serving() as url, _client(url, headers, proxy=False) as client:
            yield client, f"{url}, opened by this run"


def _client(url: str, headers: Mapping[str, str], proxy: bool) -> httpx.Client:
    """Make a client that uses the proxy of the environment, or none."""
    return httpx.Client(base_url=url, headers=headers, timeout=_ANSWER_WITHIN, trust_env=proxy)


def sends_elsewhere(client: httpx.Client, topic_id: UUID) -> str | None:
    """Say that the front door sends to another topic than this run reads. None if it does not.

    None, too, if the front door does not name its topic.

    Args:
        client: of the front door.
        topic_id: the id of the topic that KAFKA_TOPIC names here.

    Raises:
        InjectFailed: the front door does not answer.
    """
    try:
        answer = client.get("/health")
        told = answer.json() if answer.status_code == HTTPStatus.OK else {}
    except httpx.HTTPError as error:
        raise _no_answer(client, "its /health", error) from error
    except ValueError:  # not JSON: another implementation of the front door
        return None
    if not isinstance(told, dict) or told.get("topic_id") in (None, str(topic_id)):
        return None
    here = KafkaSettings.from_environment().topic
    return (
        f"the front door at {_shown(client)} sends to the topic {told.get('topic')} (id {told['topic_id']}), but this "
        f"run and its loader read {here} (id {topic_id}): KAFKA_TOPIC differs, or the topic was created again"
    )


def send(
    run_id: str,
    dye: list[OutgoingMessage],
    client: httpx.Client,
    publisher: MessageProducer,
    partitions: list[int],
    key: bytes,
) -> list[Sent]:
    """Send the whole dye of a run and wait for each acknowledgement.

    Args:
        run_id: signed into every message.
        dye: the messages, in the order of sends.
        client: a client of the front door.
        publisher: sends what the front door would refuse.
        partitions: the partitions of the topic. Each gets at least one message.
        key: signs the dye.

    Raises:
        InjectFailed: the front door does not answer, refuses the key or fails.
        KafkaUnavailable: the broker did not take a malformed message.
    """
    sent = [_through_front_door(client, run_id, item, key) for item in dye if not item.is_malformed]
    covered = {place.partition for place in sent}
    for number, item, partition in steered([d for d in dye if d.is_malformed], partitions, covered):
        stamp = DyeStamp(run_id, number, item.sent_at)
        headers = stamp.headers(key, item.value or b"")
        taken_by, offset = publisher.publish(item.value, None, headers, partition)
        sent.append(Sent(number, item.name, "topic", taken_by, offset))
    return sent


def steered(
    malformed: list[OutgoingMessage], partitions: list[int], covered: set[int | None]
) -> Iterator[tuple[int, OutgoingMessage, int]]:
    """Yield each malformed message with number and partition: uncovered partitions first.

    After those, all partitions follow in turn. If there are more uncovered partitions than messages, the first message
    is repeated under further numbers.
    """
    uncovered = [partition for partition in partitions if partition not in covered]
    for place, item in enumerate(malformed):
        partition = uncovered[place] if place < len(uncovered) else partitions[place % len(partitions)]
        yield item.number, item, partition
    next_number = max(item.number for item in malformed) + 1
    for number, partition in enumerate(uncovered[len(malformed) :], next_number):
        yield number, malformed[0], partition


def _through_front_door(client: httpx.Client, run_id: str, item: OutgoingMessage, key: bytes) -> Sent:
    value = item.value or b""
    stamp = DyeStamp(run_id, item.number, item.sent_at)
    headers = {name: header.decode("ascii") for name, header in stamp.headers(key, value)}
    try:
        answer = client.post(contract().front_door.path, content=value, headers=headers)
    except httpx.HTTPError as error:
        raise _no_answer(client, f"message {item.name}", error) from error
    if answer.status_code == HTTPStatus.ACCEPTED and (place := _place(answer)):
        return Sent(item.number, item.name, "api", *place)
    if answer.status_code in _ABOUT_THE_MESSAGE:
        return Sent(item.number, item.name, "api", refusal=f"{answer.status_code} {answer.text.strip()[:200]}")
    raise InjectFailed(
        f"The front door at {_shown(client)} answered {answer.status_code} for message {item.name}: "
        f"{answer.text.strip()[:1000]}. That says nothing about the message. Check FRONT_DOOR_API_KEY, "
        "FRONT_DOOR_URL and the API's own log."
    )


def _shown(client: httpx.Client) -> str:
    return without_user_info(str(client.base_url))


def _no_answer(client: httpx.Client, asked: str, error: httpx.HTTPError) -> InjectFailed:
    return InjectFailed(
        f"The front door at {_shown(client)} did not answer for {asked}: {type(error).__name__}. "
        "Is the API running, and is FRONT_DOOR_URL right?"
    )


_ABOUT_THE_MESSAGE = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Answers that refuse a message because of its content.

Any other answer may come from a proxy, a redirect or another service.
"""


def _place(answer: httpx.Response) -> tuple[int, int] | None:
    """Partition and offset as acknowledged. None if the answer does not come from the API."""
    try:
        place = answer.json()
        return int(place["partition"]), int(place["offset"])
    except (ValueError, TypeError, KeyError):
        return None
