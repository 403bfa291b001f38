"""What a loader that follows shows: Prometheus metrics and lines of JSON."""

import json
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from uuid import uuid4

import httpx
import pytest
from kafka import KafkaProducer
from psycopg2.extensions import connection

from ingestion.loader.metrics import LoaderMetrics, serving
from ingestion.loader.report import LoadReport, PartitionLoad
from ingestion.loader.run import follow, load_until_caught_up
from ingestion.settings import KafkaSettings
from ingestion.stop import Stop
from ingestion.topic.admin import ensure_topic, open_admin
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
    of_partitions = {name: value for name, value in seen.items() if name.startswith("ingestion_lag_messages")}
    assert len(of_partitions) == 4
    assert set(of_partitions.values()) == {0}


def lags(metrics: LoaderMetrics) -> dict[int, float]:
    """The lag by partition, as a scrape finds it."""
    (lag,) = (metric for metric in metrics.collect() if metric.name == "ingestion_lag_messages")
    return {int(sample.labels["partition"]): sample.value for sample in lag.samples}


def make_again(topic: str) -> None:
    """Delete a topic and make it anew, empty, under its name."""
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.delete_topics([topic])
        await_condition(lambda: topic not in admin.list_topics(), "the topic was gone")
    ensure_topic()


def test_lag_is_measured_from_the_start_and_to_the_high_watermark(fresh_database: str, fresh_topic: str) -> None:
    """Before this loader has loaded anything, and with what an open transaction holds back."""
    publish(Message(partition=n % 4) for n in range(40))
    assert lags(LoaderMetrics()) == dict.fromkeys(range(4), 10)
    load_until_caught_up()
    assert lags(LoaderMetrics()) == dict.fromkeys(range(4), 0)
    client = KafkaSettings.from_environment().client_options()
    with closing(KafkaProducer(**client, transactional_id=fresh_topic)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(fresh_topic, value=b"{}", partition=1).get(timeout=30)
        publish(Message(partition=1) for _ in range(5))
        assert lags(LoaderMetrics()) == {0: 0, 1: 6, 2: 0, 3: 0}
        producer.abort_transaction()


def test_lag_and_report_are_of_the_topic_that_exists_now(fresh_database: str, fresh_topic: str) -> None:
    """Not of the one that had its name before."""
    publish(Message(partition=n % 4) for n in range(40))
    metrics, stop, reports = LoaderMetrics(), Stop(), []

    def committed(report: LoadReport) -> None:
        metrics.update(report)
        reports.append(report)
        if report.live_rows == 40:
            assert lags(metrics) == dict.fromkeys(range(4), 0)
            make_again(fresh_topic)
            publish(Message(partition=2) for _ in range(3))
            assert lags(metrics) == {0: 0, 1: 0, 2: 3, 3: 0}
        elif report.live_rows == 43:
            stop.set()

    follow(stop, committed=committed)
    assert reports[-1].partitions == (PartitionLoad(2, 0, 3),)
    assert LoadReport.together([reports[-2], reports[-1]], 1.0).partitions == (PartitionLoad(2, 0, 3),)


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
