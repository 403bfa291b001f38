"""Prometheus metrics of a loader that follows: `ingestion load --follow --metrics-port`.

They cover all its workers together.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from kafka import IsolationLevel, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ingestion.errors import InputError, KafkaUnavailable
from ingestion.loader.report import LoadReport
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin

_TIMEOUT_MS = 2_000  # to connect, and again for the answer: well within the 10 s that Prometheus waits for a scrape


class LoaderMetrics(Collector):
    """Counts what was committed, and asks Kafka for the partitions' ends at each scrape."""

    def __init__(self) -> None:
        self._report: LoadReport | None = None

    def update(self, report: LoadReport) -> None:
        """Remember what has been written so far."""
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Return the current metrics.

        Lag is left out while Kafka does not answer: no number is better than a wrong one.
        """
        report = self._report
        rows = CounterMetricFamily("ingestion_loaded_rows", "Rows committed.", labels=["table"])
        for table, count in (
            ("live_rows", report.live_rows if report else 0),
            ("dye_rows", report.dye_rows if report else 0),
            ("dead_letters", report.dead_letters if report else 0),
        ):
            rows.add_metric([table], count)
        yield rows
        claims, size = (report.unverified_dye, report.bytes) if report else (0, 0)
        yield CounterMetricFamily(
            "ingestion_unverified_dye", "Messages with dye headers that do not verify; kept apart.", value=claims
        )
        yield CounterMetricFamily("ingestion_loaded_bytes", "Bytes committed, as COPY takes them.", value=size)
        yield SummaryMetricFamily(
            "ingestion_batch_seconds",
            "Seconds of the transactions.",
            count_value=report.batches if report else 0,
            sum_value=report.batch_seconds if report else 0.0,
        )
        if report and report.partitions:
            yield from _lag(report)


def _lag(report: LoadReport) -> Iterator[Metric]:
    settings = KafkaSettings.from_environment()
    places = {TopicPartition(report.topic, part.partition): part.next_offset for part in report.partitions}
    try:
        with closing(open_admin(settings, _TIMEOUT_MS)) as admin:
            ends = admin.list_partition_offsets(
                dict.fromkeys(places, OffsetSpec.LATEST), IsolationLevel.READ_COMMITTED, _TIMEOUT_MS
            )
    except (KafkaError, KafkaUnavailable):
        return
    lag = GaugeMetricFamily("ingestion_lag_messages", "Messages not yet loaded.", labels=["topic", "partition"])
    for place, reached in places.items():
        lag.add_metric([report.topic, str(place.partition)], max(0, ends[place].offset - reached))
    yield lag


@contextmanager
def serving(metrics: LoaderMetrics, port: int | None) -> Iterator[None]:
    """Serve metrics over HTTP, in threads, while the block runs; do nothing without a port.

    Raises:
        InputError: the port cannot be used.
    """
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise InputError(f"Metrics cannot be served at port {port}: {error.strerror}. Choose another one.") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
