"""The front door, over HTTP, with real Kafka: what it acknowledges is on the topic, unchanged; all else is refused."""

import gzip
import json
import os
import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.fetcher import ConsumerRecord

from ingestion.errors import InputError, SettingsError
from ingestion.front_door import protocol, server
from ingestion.front_door.app import create_app
from ingestion.front_door.body import MAX_BODY_BYTES, MAX_POSTED_BYTES, MAX_POSTED_MESSAGES
from ingestion.front_door.protocol import IDLE_SECONDS, MAX_HEAD_BYTES, BoundedProtocol
from ingestion.front_door.server import serving
from ingestion.message.stamp import DYE_HEADERS, DyeStamp, dye_stamp
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin
from ingestion.topic.producer import Position
from sandbox.services import Sandbox
from tests.ingestion.topic_reader import records
from tests.services import new_topic

RIDE = b'{"taxi_id": "t1", "fare_amount": 12.50}'


@pytest.fixture(scope="module")
def url(sandbox: Sandbox) -> Iterator[str]:
    """The front door to a topic of this module's own."""
    with new_topic(), serving() as address:
        yield address


@pytest.fixture(scope="module")
def door(url: str) -> Iterator[httpx.Client]:
    """A client with the key."""
    with httpx.Client(base_url=url, headers={"X-API-Key": os.environ["FRONT_DOOR_API_KEY"]}, timeout=40) as client:
        yield client


@pytest.fixture
def nothing_arrives(url: str) -> Iterator[None]:
    """The topic is the same after the test as before."""
    before = set(records())
    yield
    assert set(records()) == before


def place(answer: httpx.Response) -> Position:
    assert answer.status_code == 202, answer.text
    return Position(**answer.json())


def published(answer: httpx.Response) -> ConsumerRecord:
    """The record at the place that the answer names."""
    position = place(answer)
    return records()[position]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b'{"fare_amount": 12.50, "taxi_id": "t1", "currency":"EUR"}', id="order of keys and digits"),
        pytest.param(b' \n{ "taxi_id" :"t1" ,"a":[1 ,2]}\r\n\t', id="white space"),
        pytest.param(b'{"a": 1, "a": 2, "taxi_id": "t1", "taxi_id": "t2"}', id="repeated keys"),
        pytest.param(b'{"fare_amount": 12345678901234567890.123456789, "tax_amount": -0.0}', id="long numbers"),
        pytest.param(b'{"a": 1e400, "b": 1E-7}', id="numbers beyond a float"),
        pytest.param(
            '{"taxi_id": "Zoë 🚕", "pax_id": "Zo\\u00eb \\ud83d\\ude95 \\/"}'.encode(), id="characters and escapes"
        ),
        pytest.param(b'{"pax_id": "\\u0000"}', id="the character that cannot be stored"),
        pytest.param(b"{}", id="no fields"),
    ],
)
def test_the_bytes_of_a_ride_reach_the_topic_unchanged(door: httpx.Client, value: bytes) -> None:
    assert published(door.post("/rides", content=value)).value == value


def test_the_rides_of_a_list_reach_the_topic_as_their_slices_in_its_order(door: httpx.Client) -> None:
    rides = [b'{"taxi_id":"t1", "n": 1.50}', b"{ }", b'{"taxi_id":"t1","n":\n[ 2 ]}', b'{"taxi_id":"t1","n":"],["}']
    answer = door.post("/rides", content=b" [ " + b" ,\n".join(rides) + b"\t]\n")
    assert answer.status_code == 202
    found = records()
    positions = [Position(**at) for at in answer.json()]
    assert [found[position].value for position in positions] == rides
    offsets = [position.offset for place, position in enumerate(positions) if place != 1]
    assert offsets == sorted(offsets)


def test_an_empty_list_is_taken_and_sends_nothing(door: httpx.Client, nothing_arrives: None) -> None:
    answer = door.post("/rides", content=b"[]")
    assert (answer.status_code, answer.json()) == (202, [])


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"taxi_id": "t1"}', b"t1"),
        (b'{"taxi_id": "Zo\\u00eb"}', "Zoë".encode()),
        (b'{"taxi_id": 7}', b"7"),
        (b'{"taxi_id": "old", "taxi_id": "new"}', b"new"),
        (b'{"taxi_id": ""}', None),
        (b'{"taxi_id": null}', None),
        (b'{"taxi_id": 7.5}', None),
        (b'{"taxi_id": 1e999}', None),
        (b'{"taxi_id": ["t1"]}', None),
        (b'{"nested": {"taxi_id": "t1"}}', None),
        (b"{}", None),
    ],
)
def test_a_ride_is_keyed_by_its_taxi(door: httpx.Client, value: bytes, key: bytes | None) -> None:
    assert published(door.post("/rides", content=value)).key == key


@pytest.mark.parametrize("value", [b'{"fare_amount": true}', b'{"start_time": [1]}', b'{"car_model": {"a": null}}'])
def test_wrong_types_are_for_the_models_to_judge(door: httpx.Client, value: bytes) -> None:
    assert published(door.post("/rides", content=value)).value == value


@pytest.mark.parametrize("key", [None, "", "wrong", "wr\u00f6ng"])
def test_without_the_key_nobody_gets_in(url: str, nothing_arrives: None, key: str | None) -> None:
    headers = [] if key is None else [(b"X-API-Key", key.encode("latin-1"))]
    answer = httpx.post(f"{url}/rides", content=RIDE, headers=headers)
    assert answer.status_code == 401
    assert "FRONT_DOOR_API_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(b'{"taxi_id": "t1"', id="cut off"),
        pytest.param(b'{"a": 1}{"a": 2}', id="two objects"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": 01}', id="leading zero"),
        pytest.param(b'{"a": "\n"}', id="line feed in a string"),
        pytest.param(b'{"a": "\\ud83d"}', id="lone surrogate"),
        pytest.param(b'{"a": "\xe9"}', id="latin-1"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="byte order mark"),
        pytest.param(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="nested too deep"),
        pytest.param(b"42", id="number"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"{}"', id="string"),
        pytest.param(b"[", id="list cut off"),
        pytest.param(b"[{},]", id="list with a comma too many"),
    ],
)
def test_a_body_that_is_no_ride_is_refused(door: httpx.Client, nothing_arrives: None, body: bytes) -> None:
    answer = door.post("/rides", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize("element", [b"3", b"null", b'"t1"', b"[{}]"])
def test_a_list_with_something_else_is_refused_whole_and_names_its_place(
    door: httpx.Client, nothing_arrives: None, element: bytes
) -> None:
    answer = door.post("/rides", content=b"[" + RIDE + b"," + RIDE + b"," + element + b"," + RIDE + b"]")
    assert answer.status_code == 422
    assert answer.json()["message"] == 2


@pytest.mark.parametrize(
    ("body", "where"), [(b'{"a": "\xe9"}', "byte 7"), (b'{"a": }', "byte 6"), (b'[{}, {"a": }]', "byte 11")]
)
def test_a_refusal_says_where_the_text_breaks(door: httpx.Client, body: bytes, where: str) -> None:
    assert where in door.post("/rides", content=body).json()["detail"]


@pytest.mark.parametrize(
    ("body", "escape", "byte"),
    [
        (b'{"a": "\\ud83d"}', "\\ud83d", 7),
        (b'{"taxi_id": "\\\\\\ud83d\\ude95\\udE95"}', "\\udE95", 27),
        (b'[{}, {"a": {"\\uDC00x": 1}}]', "\\uDC00", 13),
    ],
    ids=["high half", "low half behind a whole character", "in a list"],
)
def test_half_a_character_is_called_what_it_is(
    door: httpx.Client, nothing_arrives: None, body: bytes, escape: str, byte: int
) -> None:
    answer = door.post("/rides", content=body)
    assert (answer.status_code, answer.json()["byte"]) == (422, byte)
    assert f"a lone surrogate, {escape}, at byte {byte}" in answer.json()["detail"]


def test_a_text_that_is_also_cut_off_is_not_mended_by_its_other_half(door: httpx.Client, nothing_arrives: None) -> None:
    assert "not valid JSON" in door.post("/rides", content=b'{"a": "\\ud83d"').json()["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
def test_a_compressed_body_is_named_as_such(door: httpx.Client, nothing_arrives: None, encoding: str) -> None:
    answer = door.post("/rides", content=gzip.compress(RIDE), headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert f"Content-Encoding {encoding} is not supported" in answer.json()["detail"]


def test_a_body_that_says_it_is_not_compressed_is_taken(door: httpx.Client) -> None:
    place(door.post("/rides", content=RIDE, headers={"Content-Encoding": "identity"}))


@pytest.mark.parametrize("path", ["/rides/", "/health/"])
def test_nobody_is_sent_to_a_host_of_the_clients_choice(url: str, path: str) -> None:
    answer = httpx.get(url + path, headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


def test_an_endless_header_is_refused_and_keeps_nobody_waiting(url: str, door: httpx.Client) -> None:
    """Also before the key is looked at; a client without one sends no more than 64 KB and a little."""
    with closing(_connected(url)) as client:
        client.sendall(b"POST /rides HTTP/1.1\r\nHost: door\r\nX-Endless: ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.sendall(b"x" * (64 << 20))
        assert door.get("/health").status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: door\r\n\r\n", id="address"),
        pytest.param(b"GET /health HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", id="one header"),
        pytest.param(b"GET /health HTTP/1.1\r\n" + b"A: xxxx\r\n" * 16_000 + b"\r\n", id="many headers"),
        pytest.param(b"GET /health HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES * 2, id="one without end"),
    ],
)
def test_headers_beyond_the_limit_are_answered_431(url: str, head: bytes) -> None:
    with closing(_connected(url)) as client:
        client.sendall(head)
        assert client.recv(65536).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_headers_may_be_as_large_as_the_limit(door: httpx.Client) -> None:
    place(door.post("/rides", content=RIDE, headers={"X-Long": "x" * (MAX_HEAD_BYTES - 2000)}))


def test_endless_trailers_end_the_connection(url: str, door: httpx.Client) -> None:
    with closing(_connected(url)) as client:
        client.sendall(b"POST /rides HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ")
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.sendall(b"x" * (64 << 20))
    assert door.get("/health").status_code == 200


def test_a_body_of_many_small_chunks_is_taken(url: str) -> None:
    """What frames them is not counted as headers."""
    rides = b"[" + b",".join([RIDE] * 2000) + b"]"
    with httpx.Client(base_url=url, headers={"X-API-Key": os.environ["FRONT_DOOR_API_KEY"]}, timeout=40) as client:
        answer = client.post("/rides", content=(rides[at : at + 2] for at in range(0, len(rides), 2)))
    assert (answer.status_code, len(answer.json())) == (202, 2000)


def test_pipelined_requests_each_have_the_whole_limit(url: str) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: door\r\nA: " + b"x" * (MAX_HEAD_BYTES - 1000) + b"\r\n\r\n"
    with closing(_connected(url)) as client:
        client.sendall(request * 3 + request.replace(b"Host", b"Connection: close\r\nHost"))
        answered = b""
        while block := client.recv(65536):
            answered += block
    assert answered.count(b"HTTP/1.1 200 OK") == 4


def test_an_idle_connection_outlives_a_proxys(sandbox: Sandbox) -> None:
    """Proxies keep theirs for 60 s: one that the door closed first would be a reset for the next client."""
    assert IDLE_SECONDS > 60
    config = server._config(create_app())
    assert (config.timeout_keep_alive, config.http) == (IDLE_SECONDS, BoundedProtocol)


def test_a_head_that_does_not_come_ends_the_connection(
    url: str, door: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.2)
    with closing(_connected(url)) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: ")
        assert client.recv(65536) == b""
    with closing(_connected(url)) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: door\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_ride_may_be_as_large_as_the_limit_and_no_larger(door: httpx.Client) -> None:
    largest = b'{"pax_id":"' + b"x" * (MAX_POSTED_BYTES - 13) + b'"}'
    assert len(largest) == MAX_POSTED_BYTES
    assert published(door.post("/rides", content=largest)).value == largest
    assert door.post("/rides", content=largest + b" ").status_code == 413
    answer = door.post("/rides", content=b"[" + RIDE + b"," + largest[:-2] + b'x"}]')
    assert (answer.status_code, answer.json()["message"]) == (413, 1)


def test_the_key_of_a_message_counts_towards_the_limit(door: httpx.Client) -> None:
    """The broker counts it too: it would refuse what the front door had accepted."""
    value = b'{"taxi_id":"' + b"k" * ((MAX_POSTED_BYTES - 14) // 2) + b'"}'
    padded = value[:-1] + b" " * (MAX_POSTED_BYTES - len(value) - (len(value) - 14)) + b"}"
    assert published(door.post("/rides", content=padded)).value == padded
    assert door.post("/rides", content=padded[:-1] + b" }").status_code == 413


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_too_large_is_refused_before_it_is_read(url: str, nothing_arrives: None, chunked: bool) -> None:
    """The client never sends the end of it and still gets its answer."""
    head = f"POST /rides HTTP/1.1\r\nHost: door\r\nX-API-Key: {os.environ['FRONT_DOOR_API_KEY']}\r\n"
    with closing(_connected(url)) as client:
        if chunked:
            client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n{MAX_BODY_BYTES + 1:x}\r\n".encode())
            client.sendall(b" " * (MAX_BODY_BYTES + 1))
        else:
            client.sendall(f"{head}Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_without_the_key_the_body_is_not_read_at_all(url: str) -> None:
    with closing(_connected(url)) as client:
        client.sendall(b"POST /rides HTTP/1.1\r\nHost: door\r\nContent-Length: 100\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_client_that_goes_away_half_way_leaves_nothing(url: str, door: httpx.Client, nothing_arrives: None) -> None:
    key = os.environ["FRONT_DOOR_API_KEY"]
    head = f"POST /rides HTTP/1.1\r\nHost: door\r\nX-API-Key: {key}\r\nContent-Length: 100\r\n\r\n"
    with closing(_connected(url)) as client:
        client.sendall(head.encode() + RIDE)
    assert door.get("/health").status_code == 200


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def test_the_dye_headers_of_a_single_ride_are_passed_on(door: httpx.Client) -> None:
    key, stamp = b"k" * 16, DyeStamp("run-1", 12, datetime(2026, 6, 1, 8, tzinfo=UTC))
    signed = stamp.headers(key, RIDE)
    record = published(door.post("/rides", content=RIDE, headers=[(name.encode(), header) for name, header in signed]))
    assert sorted(record.headers) == sorted(signed)
    assert dye_stamp(record.headers, record.value, [key]) == stamp


def test_the_door_judges_no_signature_and_passes_on_no_other_header(door: httpx.Client) -> None:
    headers = {"Dye-Signature": "forged", "dye-unknown": "x"}
    record = published(door.post("/rides", content=RIDE, headers=headers))
    assert list(record.headers) == [("dye-signature", b"forged")]


@pytest.mark.parametrize("header", DYE_HEADERS)
def test_a_list_cannot_be_dye(door: httpx.Client, nothing_arrives: None, header: str) -> None:
    answer = door.post("/rides", content=b"[" + RIDE + b"]", headers={header: "1"})
    assert answer.status_code == 422
    assert "singly" in answer.json()["detail"]


def test_many_clients_at_once_each_get_their_own_ride_acknowledged(door: httpx.Client) -> None:
    values = [json.dumps({"taxi_id": f"t{number % 7}", "n": number}).encode() for number in range(200)]
    with ThreadPoolExecutor(16) as clients:
        positions = [place(answer) for answer in clients.map(lambda value: door.post("/rides", content=value), values)]
    found = records()
    assert [found[position].value for position in positions] == values


def test_the_longest_list_is_acknowledged_whole(door: httpx.Client) -> None:
    answer = door.post("/rides", content=b"[" + b",".join([RIDE] * MAX_POSTED_MESSAGES) + b"]")
    positions = {Position(**at) for at in answer.json()}
    assert len(positions) == MAX_POSTED_MESSAGES
    assert positions <= set(records())


def test_a_longer_list_is_refused_whole(door: httpx.Client, nothing_arrives: None) -> None:
    answer = door.post("/rides", content=b"[" + b",".join([b"{}"] * (MAX_POSTED_MESSAGES + 1)) + b"]")
    assert answer.status_code == 413
    assert "several lists" in answer.json()["detail"]


def test_health_names_the_topic_and_needs_no_key(url: str) -> None:
    answer = httpx.get(f"{url}/health")
    assert answer.status_code == 200
    assert answer.json()["topic"] == os.environ["KAFKA_TOPIC"]


def test_health_is_bad_while_the_topic_is_absent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_TOPIC", "absent_topic")
    with serving() as url:
        answer = httpx.get(f"{url}/health", timeout=40)
    assert answer.status_code == 503
    assert "absent_topic" in answer.json()["detail"]


def test_the_documentation_tells_of_bodies_answers_and_the_key(url: str) -> None:
    paths = httpx.get(f"{url}/openapi.json").json()
    operation = paths["paths"]["/rides"]["post"]
    assert set(operation["responses"]) >= {"202", "401", "413", "422", "503"}
    assert {parameter["name"] for parameter in operation["parameters"]} == set(DYE_HEADERS)
    assert operation["security"] == [{"APIKeyHeader": []}]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]["example"]["taxi_id"]


def test_an_outage_of_kafka_is_answered_503_and_the_door_opens_again_after_it(
    sandbox: Sandbox, fresh_topic: str
) -> None:
    """No ride is acknowledged that the broker does not have, and one that waits for it keeps nobody else waiting."""
    key = {"X-API-Key": os.environ["FRONT_DOOR_API_KEY"]}
    with serving() as url, httpx.Client(base_url=url, headers=key, timeout=60) as door:
        before = place(door.post("/rides", content=RIDE))
        sandbox.kill_kafka()
        try:
            with ThreadPoolExecutor(2) as clients:
                single = clients.submit(door.post, "/rides", content=RIDE)
                several = clients.submit(door.post, "/rides", content=b"[" + RIDE + b"," + RIDE + b"]")
                assert door.post("/rides", content=b"no ride").status_code == 422
                assert not single.done()
            health = door.get("/health")
        finally:
            sandbox.restart_kafka()
        for answer in (single.result(), several.result(), health):
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
        assert "0 of 2 messages are acknowledged" in several.result().json()["detail"]
        assert several.result().json()["acknowledged"] == [None, None]
        assert "acknowledged" not in single.result().json()
        after = place(door.post("/rides", content=RIDE))
        assert door.get("/health").status_code == 200
    assert {before, after} <= set(records())


def test_of_a_list_that_arrived_in_part_the_answer_says_which_rides_did(sandbox: Sandbox, fresh_topic: str) -> None:
    """So that only the others are sent again: a rejected ride counts each time that it arrives."""
    kafka = KafkaSettings.from_environment()
    with closing(open_admin(kafka)) as admin:
        small = ConfigResource(ConfigResourceType.TOPIC, fresh_topic, configs={"max.message.bytes": "10000"})
        admin.alter_configs([small], incremental=True)
    rides = [b'{"taxi_id": "t1"}', json.dumps({"pax_id": secrets.token_hex(20_000)}).encode(), b"{}"]
    with serving() as url, httpx.Client(headers={"X-API-Key": os.environ["FRONT_DOOR_API_KEY"]}, timeout=60) as door:
        answer = door.post(f"{url}/rides", content=b"[" + b",".join(rides) + b"]")
    assert answer.status_code == 413
    acknowledged = answer.json()["acknowledged"]
    assert (len(acknowledged), acknowledged[1]) == (3, None)
    assert f"{sum(at is not None for at in acknowledged)} of 3 messages are acknowledged" in answer.json()["detail"]
    found = records()
    assert all(at is None or found[Position(**at)].value == ride for at, ride in zip(acknowledged, rides, strict=True))


def test_without_its_settings_the_door_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.delenv("FRONT_DOOR_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="FRONT_DOOR_API_KEY"):
        create_app()


def test_the_door_opens_on_an_address_of_ipv6(sandbox: Sandbox) -> None:
    with serving("::1") as address:
        assert address.startswith("http://[::1]:")
        assert httpx.get(f"{address}/health", timeout=30).status_code == 200


def test_an_address_in_use_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match="cannot listen"), serving(port=urlsplit(url).port or 0):
        pass
