"""The way to the front door: straight where it is on this machine, through the environment's proxy where it is not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from angiogram.core.errors import InjectFailed
from angiogram.dye.inject import front_door, send
from angiogram.dye.messages import read_whole_dye
from ingestion.errors import SettingsError
from ingestion.front_door.server import serving
from ingestion.topic.producer import MessageProducer
from sandbox.services import Sandbox


class NoFrontDoor(BaseHTTPRequestHandler):
    """Somebody else at the address of the front door: answers whatever the server's `answer` says."""

    def do_POST(self) -> None:
        """Answer without a look at the ride."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.answer)  # type: ignore[attr-defined]
        self.send_header("Location", "https://door.example/rides")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"welcome")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The address of a server that answers everything with one status."""
    with ThreadingHTTPServer(("127.0.0.1", 0), NoFrontDoor) as server:
        server.answer = status  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment names a proxy that asks for a password."""
    for name in ("NO_PROXY", "no_proxy", "FRONT_DOOR_URL"):
        monkeypatch.delenv(name, raising=False)
    with answering(407) as url:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, url)
        yield


def test_the_front_door_that_a_run_opens_is_reached_past_the_proxy(proxy: None) -> None:
    with front_door() as (client, _):
        assert client.post("/rides", content=b"no ride").status_code == 422


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_front_door_on_this_machine_is_reached_past_the_proxy(
    proxy: None, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with serving() as url:
        monkeypatch.setenv("FRONT_DOOR_URL", url.replace("127.0.0.1", host))
        with front_door() as (client, _):
            assert client.post("/rides", content=b"no ride").status_code == 422


def test_a_proxy_that_refuses_is_no_verdict_on_the_ride(proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONT_DOOR_URL", "http://door.example")
    with front_door() as (client, _), MessageProducer() as publisher, pytest.raises(InjectFailed, match="407"):
        send("run-1", read_whole_dye()[:1], client, publisher, [0], b"a key of the tests")


@pytest.mark.parametrize("status", [200, 202, 301, 302, 404, 405, 418, 502])
def test_an_answer_of_somebody_else_is_no_verdict_on_the_ride(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A redirect to https, another service's page, or a 202 that names no place on the topic."""
    with answering(status) as url, MessageProducer() as publisher:
        monkeypatch.setenv("FRONT_DOOR_URL", url)
        with front_door() as (client, _), pytest.raises(InjectFailed, match=f"answered {status}.*FRONT_DOOR_URL"):
            send("run-1", read_whole_dye()[:1], client, publisher, [0], b"a key of the tests")


@pytest.mark.parametrize(
    "url", ["http://localhost:port", "http://localhost:99999", "localhost:8000", "http://", "ftp://x"]
)
def test_an_address_that_is_none_is_told(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FRONT_DOOR_URL", url)
    with pytest.raises(SettingsError, match="FRONT_DOOR_URL"), front_door():
        pass
