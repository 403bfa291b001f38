"""The command `ingestion load`."""

import gc
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from ingestion.loader.metrics import LoaderMetrics, serving
from ingestion.loader.reading.clients import Client
from ingestion.loader.report import LoadReport
from ingestion.loader.run import accepted, follow, load_once
from ingestion.loader.workers import cores, load_with_workers
from ingestion.logs import LogFormat, set_up_logs
from ingestion.settings import KafkaSettings
from ingestion.stop import on_signals

talk = Console(stderr=True, highlight=False, soft_wrap=True)


def load(
    forever: Annotated[
        bool, typer.Option("--follow", help="Run continuously and share partitions with other loaders.")
    ] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="Load what the topic holds now, then stop (the default).")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option(help="Continue past messages that the topic no longer holds, and record the gap.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes. Default: one per core, up to KAFKA_PARTITIONS.")
    ] = None,
    client: Annotated[
        Client, typer.Option(help="Kafka client to read with. confluent is faster and needs the extra `fast`.")
    ] = Client.KAFKA_PYTHON,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="With --follow: serve Prometheus metrics on this port.")
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="Format of the log on standard error.")] = LogFormat.TEXT,
) -> None:
    """Load the topic into the raw tables, each message exactly once. Prints a JSON summary.

    On SIGTERM or Ctrl-C it finishes the current batch first. Exit code: 0 loaded, 1 the topic lost messages (all others
    are loaded) or an open transaction holds some back, 2 could not run, 130 interrupted.
    """
    if forever and until_caught_up:
        raise typer.BadParameter("choose one of --follow and --until-caught-up")
    if metrics_port and not forever:
        raise typer.BadParameter("--metrics-port goes with --follow")
    _set_up(log_format)
    count = workers or min(cores(), KafkaSettings.from_environment().partitions)
    metrics = LoaderMetrics()
    with _progress() as show:

        def committed(report: LoadReport) -> None:
            show(report)
            metrics.update(report)

        if count > 1:
            beside, set_up = serving(metrics, metrics_port), partial(_set_up, log_format)
            report = load_with_workers(count, forever, accept_loss, client, committed, beside, set_up)
        else:
            stop = on_signals()
            with serving(metrics, metrics_port):
                report = (
                    follow(stop, accept_loss, committed, client)
                    if forever
                    else load_once(accept_loss, stop, committed, client)
                )
    typer.echo(json.dumps(asdict(report), default=str))
    if not forever:
        accepted(report, accept_loss)


def _set_up(log_format: LogFormat) -> None:
    """Set up a process of the command.

    A forked worker is set up already; doing it twice does no harm.
    """
    set_up_logs(log_format)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the loader reports outages itself
    # Look for garbage cycles rarely: messages come and go by the thousand, and create none.
    gc.freeze()
    gc.set_threshold(100_000)


@contextmanager
def _progress() -> Iterator[Callable[[LoadReport], None]]:
    """Shows the load's progress on a terminal; prints nothing elsewhere."""
    if not talk.is_terminal:
        yield lambda _: None
        return
    # No thread for the bar: the workers are forked from this process.
    with Live("Connecting", console=talk, transient=True, auto_refresh=False) as shown:

        def show(report: LoadReport) -> None:
            rate = report.messages / max(report.seconds, 0.001)
            shown.update(
                f"{report.messages:,} messages loaded, {rate:,.0f}/s, {report.dead_letters:,} dead letters",
                refresh=True,
            )

        yield show
