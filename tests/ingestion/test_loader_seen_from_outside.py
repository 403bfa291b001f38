"""What a loader that follows shows: Prometheus metrics and lines of JSON."""

import json
import signal
import socket
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest
from psycopg2.extensions import connection

from ingestion.loader.metrics import LoaderMetrics, serving
from ingestion.loader.report import LoadReport, PartitionLoad
from sandbox.ports import choose
from sandbox.services import Sandbox
from tests.ingestion.support import Message, await_condition, count, publish
from tests.ingestion.test_loader_outages import loader


@pytest.fixture(autouse=True)
def dye_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dye key of the tests' own, after the sandbox has set its environment."""
    monkeypatch.setenv("DYE_KEY", "key of the dye for tests")


def test_metrics_add_up_over_the_workers(
    fresh_database: str, fresh_topic: str, connect_as: Callable[..., connection]
) -> None:
    session = connect_as("postgres")
    publish(Message(partition=n % 4) for n in range(400))
    publish([Message(b"no ride"), Message(headers=[("dye-run-id", b"forged")])])
    port = choose()

    def metrics() -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    with loader("--follow", "--workers", "2", "--metrics-port", str(port)) as process:
        await_condition(lambda: count(session, "raw.taxi_rides") == 400, "all was loaded")
        await_condition(lambda: metrics()['ingestion_loaded_rows_total{table="live_rows"}'] == 400, "it was counted")
        await_condition(
            lambda: metrics()['ingestion_loaded_rows_total{table="dead_letters"}'] == 1, "so was the poison"
        )
        publish([Message()])
        await_condition(lambda: metrics()['ingestion_loaded_rows_total{table="live_rows"}'] == 401, "a later one too")
        seen = metrics()
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk
    assert seen["ingestion_unverified_dye_total"] == 1
    assert seen["ingestion_loaded_bytes_total"] > 401 * 50
    assert seen["ingestion_batch_seconds_count"] >= 2
    assert seen["ingestion_batch_seconds_sum"] > 0
    lags = {name: value for name, value in seen.items() if name.startswith("ingestion_lag_messages")}
    assert len(lags) == 4
    assert set(lags.values()) == {0}


@pytest.mark.parametrize("answers", [False, True], ids=["refuses", "is silent"])
def test_metrics_come_in_time_while_kafka_is_away(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    """All but the lag, and before Prometheus's 10 s are over: it would drop all of them."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if answers else 1
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")
        metrics, port = LoaderMetrics(), choose()
        metrics.update(LoadReport("rides", uuid4(), 7, 0, 0, 0, (PartitionLoad(0, 0, 7),), (), 1.0))
        with serving(metrics, port):
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=9).text
    assert 'ingestion_loaded_rows_total{table="live_rows"} 7.0' in text
    assert "ingestion_lag_messages{" not in text


def test_logs_can_be_lines_of_json(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with loader("--follow", "--log-format", "json") as process:
        assert process.stderr
        line = json.loads(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert line["level"] == "warning"
    assert "127.0.0.1:1 did not answer" in line["message"]
