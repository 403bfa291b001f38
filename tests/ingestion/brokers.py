"""A Kafka server of a test's own, whose disk the test may change while it is down."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingestion.topic.admin import ensure_topic
from sandbox import ports
from sandbox.kafka import Kafka
from sandbox.state import SandboxState


class Broker:
    """A Kafka server with one topic of one partition, to which the environment points.

    Attributes:
        topic: name of the topic.
    """

    def __init__(self, folder: Path) -> None:
        self._server = Kafka(folder)
        self._state = SandboxState(ports={purpose: ports.choose() for purpose in self._server.purposes})
        self._copies = folder / "copies"
        self.topic = "rides"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{ports.HOST}:{self._state.ports['kafka']}"

    @property
    def log(self) -> Path:
        """The first segment of the partition."""
        return self._server.data / f"{self.topic}-0" / f"{0:020}.log"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._server.start(self._state)

    def stop(self) -> None:
        """Stop it; all that it confirmed is on its disk."""
        self._server.stop()

    def keep(self, name: str) -> None:
        """Keep a copy of the whole disk under a name."""
        self.stop()
        shutil.copytree(self._server.data, self._copies / name)
        self.start()

    def restore(self, name: str) -> None:
        """Come back with the disk of an earlier moment."""
        self.stop()
        shutil.rmtree(self._server.data)
        shutil.copytree(self._copies / name, self._server.data)
        self.start()

    def cut(self, size: int) -> None:
        """Come back after a power cut that took the end of the partition: all after so many bytes."""
        self._server.kill()
        os.truncate(self.log, size)
        for index in self.log.parent.glob("*index"):
            index.unlink()
        self.start()

    def flip_a_bit(self, at: bytes) -> None:
        """Change one bit on the disk, in the bytes that come first of those given."""
        with self.log.open("r+b") as file:
            place = file.read().index(at)
            file.seek(place)
            file.write(bytes([at[0] ^ 1]))


@contextmanager
def own_broker(folder: Path) -> Iterator[Broker]:
    """A server that is up, with its topic, for the time of the block."""
    broker = Broker(folder)
    broker.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.address)
            patch.setenv("KAFKA_TOPIC", broker.topic)
            patch.setenv("KAFKA_PARTITIONS", "1")
            ensure_topic()
            yield broker
    finally:
        broker.stop()
