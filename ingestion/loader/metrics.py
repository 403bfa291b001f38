"""Prometheus metrics of a loader that follows: `ingestion load --follow --metrics-port`.

They cover all its workers together.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from kafka import IsolationLevel, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ingestion.contract import LOADER
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable, InputError, KafkaUnavailable
from ingestion.loader.report import LoadReport
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import leaders, open_admin

_TIMEOUT_MS = 2_000  # to connect, and again for the answer: well within the 10 s that Prometheus waits for a scrape


class LoaderMetrics(Collector):
    """Counts what was committed, and asks both servers for the lag at each scrape."""

    def __init__(self) -> None:
        self._report: LoadReport | None = None

    def update(self, report: LoadReport) -> None:
        """Remember what has been written so far."""
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Return the current metrics.

        Lag is left out while Kafka or PostgreSQL does not answer: no number is better than a wrong one.
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
        yield CounterMetricFamily("ingestion_loaded_bytes", "Bytes committed, as sent to COPY.", value=size)
        yield SummaryMetricFamily(
            "ingestion_batch_seconds",
            "Duration of the transactions in seconds.",
            count_value=report.batches if report else 0,
            sum_value=report.batch_seconds if report else 0.0,
        )
        yield from _lag()


def _lag() -> Iterator[Metric]:
    """Return the lag of each partition, whoever loads it, up to the high watermark.

    An open transaction therefore counts as lag. The stored offsets are those of the topic that exists now, not of an
    earlier one of its name.
    """
    settings = KafkaSettings.from_environment()
    try:
        with closing(open_admin(settings, _TIMEOUT_MS)) as admin:
            topic_id, partitions = leaders(admin, settings)
            places = [TopicPartition(settings.topic, partition) for partition in sorted(partitions)]
            ends = admin.list_partition_offsets(
                dict.fromkeys(places, OffsetSpec.LATEST), IsolationLevel.READ_UNCOMMITTED, _TIMEOUT_MS
            )
        with (
            closing(connect(LOADER, "ingestion metrics", within=_TIMEOUT_MS // 1000)) as session,
            session,
            session.cursor() as query,
        ):
            query.execute(
                'select "partition", next_offset from raw.loaded_offsets where topic_id = %s', (str(topic_id),)
            )
            reached: dict[int, int] = dict(query.fetchall())
    except (KafkaError, KafkaUnavailable, InputError, DatabaseUnavailable, psycopg2.Error):
        return
    lag = GaugeMetricFamily(
        "ingestion_lag_messages",
        "Offsets of the topic that no loader has loaded, up to the high watermark.",
        labels=["topic", "partition"],
    )
    for place in places:
        behind = ends[place].offset - reached.get(place.partition, 0)
        lag.add_metric([settings.topic, str(place.partition)], max(0, behind))
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
