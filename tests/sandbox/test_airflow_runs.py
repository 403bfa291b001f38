"""Airflow on a slow machine: its answers are waited for, and if none comes it is told in a sentence."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox.airflow import runs as airflow_runs
from sandbox.airflow.airflow import Airflow, AirflowHealth
from sandbox.airflow.runs import DagRuns
from sandbox.errors import AirflowRefused
from sandbox.services import Sandbox

WELL = {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "dag_processor")}


class Slow(BaseHTTPRequestHandler):
    """Answers as Airflow does, from the second time on that it is asked the same."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Health, or a DAG that is known."""
        self._answer(WELL if self.path.endswith("health") else {"dag_id": "angiogram"})

    def do_POST(self) -> None:
        """A token, or a run."""
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, content))  # type: ignore[attr-defined]
        self._answer({"access_token": "token", "dag_run_id": "another"})

    def _answer(self, content: dict[str, Any]) -> None:
        server: Any = self.server
        server.connections.add(self.client_address)
        server.times[self.path] = server.times.get(self.path, 0) + 1
        if server.slow and server.times[self.path] <= server.slow:
            server.over.wait(30)
        said = json.dumps(content).encode()
        repeated = self.path.endswith("dagRuns") and server.times[self.path] > 1
        self.send_response(409 if repeated else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(slow: int) -> Iterator[tuple[str, Any]]:
    """A server that does not answer the first `slow` times that it is asked the same."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        known: Any = server
        known.slow, known.times, known.asked, known.connections = slow, {}, [], set()
        known.over = threading.Event()
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", known
        finally:
            known.over.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """An Airflow whose process lives, and that has a tenth of a second for each answer."""
    monkeypatch.setattr(airflow_runs, "_TRY_SECONDS", 0.1)
    monkeypatch.setattr(Airflow, "password", "secret")
    monkeypatch.setattr(Airflow, "process", lambda _: object())
    return Airflow(Sandbox(tmp_path))


def test_an_answer_that_comes_late_is_waited_for_and_starts_no_second_run(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(slow=1) as (url, server):
        monkeypatch.setattr(Airflow, "url", url)
        with DagRuns(airflow) as runs:
            run_id = runs.trigger("angiogram")
    wanted = [content["dag_run_id"] for path, content in server.asked if path.endswith("dagRuns")]
    assert wanted == [run_id, run_id]


def test_an_answer_that_never_comes_is_told_in_a_sentence(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_runs, "_ANSWER_SECONDS", 0.5)
    with answering(slow=1000) as (url, _):
        monkeypatch.setattr(Airflow, "url", url)
        with pytest.raises(AirflowRefused, match=rf"Airflow at {url} did not log in within .* \(ReadTimeout\)"):
            DagRuns(airflow)


def test_an_airflow_that_ended_is_not_waited_for(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Airflow, "url", "http://127.0.0.1:1")
    monkeypatch.setattr(Airflow, "process", lambda _: None)
    with pytest.raises(AirflowRefused, match="Airflow ended before it could log in"):
        DagRuns(airflow)


def test_waiting_asks_through_one_client() -> None:
    with answering(slow=0) as (url, server), AirflowHealth(url) as health:
        assert all(health.is_good() for _ in range(20))
        assert len(server.connections) == 1
