"""The way to the front door: straight where it is on this machine, through the environment's proxy where it is not."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from angiogram.errors import InjectFailed
from angiogram.inject import front_door, read_whole_dye, send
from ingestion.api import serving
from ingestion.producer import RideProducer
from sandbox.services import Sandbox


class AskingForAPassword(BaseHTTPRequestHandler):
    """A proxy that lets nobody through."""

    def do_POST(self) -> None:
        """Answer 407."""
        self.send_error(407)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment names a proxy that asks for a password."""
    for name in ("NO_PROXY", "no_proxy", "RIDES_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), AskingForAPassword) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()
        thread.join()


def test_the_front_door_that_a_run_opens_is_reached_past_the_proxy(proxy: None) -> None:
    with front_door() as (client, _):
        assert client.post("/rides", content=b"no ride").status_code == 422


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_front_door_on_this_machine_is_reached_past_the_proxy(
    proxy: None, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with serving() as url:
        monkeypatch.setenv("RIDES_API_URL", url.replace("127.0.0.1", host))
        with front_door() as (client, _):
            assert client.post("/rides", content=b"no ride").status_code == 422


def test_a_proxy_that_refuses_is_no_verdict_on_the_ride(proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDES_API_URL", "http://door.example")
    with front_door() as (client, _), RideProducer() as publisher, pytest.raises(InjectFailed, match="407"):
        send("run-1", read_whole_dye()[:1], client, publisher, [0], b"a key of the tests")
