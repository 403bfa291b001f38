"""Encrypted connections pass through the settings, and no secret is shown in talk, tracebacks or process lists."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from psycopg2.extensions import connection

from ingestion.database.sessions import connect
from ingestion.errors import DatabaseUnavailable, KafkaUnavailable
from ingestion.loader.reading.clients import Client
from ingestion.loader.run import load_until_caught_up
from ingestion.topic.admin import ensure_topic
from sandbox import ports
from sandbox.kafka import Kafka
from sandbox.services import Sandbox
from sandbox.state import SandboxState
from taxi.contract import CONTRACT
from tests.ingestion.support import Message, await_condition, count, publish
from tests.ingestion.test_loader_outages import loader

USER, PASSWORD = "loader", "the-broker's-own-word"
SECRETS = (
    "PG_ADMIN_PASSWORD",
    *(role.password_variable for role in CONTRACT.roles.values()),
    "FRONT_DOOR_API_KEY",
    "DYE_KEY",
    "DYE_KEY_OLD",
)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the tests' own, and what it issued for 127.0.0.1, as PEM files."""

    certificate: Path
    server: Path
    """Private key (PKCS 8, as Kafka reads it) and certificate chain."""


class EncryptedKafka(Kafka):
    """A Kafka server whose second listener asks for TLS, a name and a password."""

    def __init__(self, folder: Path, server: Path, port: int) -> None:
        super().__init__(folder)
        self._server, self._port = server, port

    def _write_properties(self, data: Path, state: SandboxState) -> Path:
        path = super()._write_properties(data, state)
        plain, controller = (f"{ports.HOST}:{state.ports[purpose]}" for purpose in self.purposes)
        encrypted = f"SASL_SSL://{ports.HOST}:{self._port}"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        settings = {
            "listeners": f"PLAINTEXT://{plain},{encrypted},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{plain},{encrypted}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{login} required user_{USER}="{PASSWORD}";',
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._server),
        }
        with path.open("a") as file:  # of two lines with one key the later holds
            file.writelines(f"{key}={value}\n" for key, value in settings.items())
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Certificates for the servers of this module."""
    folder = tmp_path_factory.mktemp("certificates")
    issuer = trustme.CA()
    issued = issuer.issue_cert(ports.HOST)
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    server = folder / "server.pem"
    server.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    )
    server.chmod(0o600)
    issuer.cert_pem.write_to_path(folder / "authority.pem")
    return Authority(folder / "authority.pem", server)


@pytest.fixture(scope="module")
def encrypted_kafka(sandbox: Sandbox, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a broker that lets nobody in without TLS, name and password."""
    port = ports.choose()
    server = EncryptedKafka(tmp_path_factory.mktemp("kafka"), authority.server, port)
    server.start(SandboxState(ports={purpose: ports.choose() for purpose in server.purposes}))
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture
def way_in(encrypted_kafka: int, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment that leads to the encrypted broker; a topic is there."""
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{encrypted_kafka}",
        "KAFKA_TOPIC": f"rides_{os.urandom(6).hex()}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CAFILE": str(authority.certificate),
    }.items():
        monkeypatch.setenv(name, value)
    ensure_topic()
    return monkeypatch


@pytest.mark.parametrize("client", Client)
def test_rides_go_through_an_encrypted_topic(
    fresh_database: str, way_in: pytest.MonkeyPatch, connect_as: Callable[..., connection], client: Client
) -> None:
    publish(Message(partition=n % 4) for n in range(40))
    assert load_until_caught_up(client=client).live_rows == 40
    assert count(connect_as("postgres"), "raw.taxi_rides") == 40


@pytest.mark.parametrize("client", Client)
@pytest.mark.parametrize(
    "variable", ["KAFKA_SASL_PASSWORD", "KAFKA_SSL_CAFILE"], ids=["wrong password", "unknown authority"]
)
def test_a_broker_that_lets_nobody_in_is_said_so_without_the_password(
    fresh_database: str, way_in: pytest.MonkeyPatch, tmp_path: Path, client: Client, variable: str
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    wrong = {"KAFKA_SASL_PASSWORD": "not-the-word", "KAFKA_SSL_CAFILE": str(tmp_path / "other.pem")}
    way_in.setenv(variable, wrong[variable])
    with pytest.raises(KafkaUnavailable) as refused:
        load_until_caught_up(client=client)
    assert os.environ["KAFKA_BOOTSTRAP_SERVERS"] in str(refused.value)
    assert "not-the-word" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_a_server_that_vanishes_is_noticed_within_a_minute(fresh_database: str) -> None:
    """Also while a statement runs, or while it is sent: the system's own patience is hours."""
    with (
        closing(connect("loader", "tests")) as session,
        socket.socket(fileno=os.dup(session.fileno())) as connected,
    ):
        idle, interval, times = (
            connected.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert 0 < idle + interval * times <= 60
        assert 0 < connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000


def test_encryption_asked_of_postgresql_is_insisted_on(
    fresh_database: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox's PostgreSQL is built without TLS, so what insists on it is refused."""
    monkeypatch.setenv("PGSSLMODE", "require")
    with pytest.raises(DatabaseUnavailable, match="SSL"):
        connect("loader", "tests")


def test_no_process_shows_a_secret_in_its_command_line(
    fresh_database: str, fresh_topic: str, sandbox: Sandbox, connect_as: Callable[..., connection]
) -> None:
    with loader("--follow", "--workers", "2") as process:
        publish([Message()])
        await_condition(lambda: count(connect_as("postgres"), "raw.taxi_rides") == 1, "the loader is at work")
        lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert any("--follow" in line for line in lines)
    secrets = [os.environ[name] for name in SECRETS if name in os.environ]
    assert secrets
    assert not [name for name in SECRETS for line in lines if os.environ.get(name) and os.environ[name] in line]


@pytest.mark.parametrize(
    "command",
    [
        "ingestion load",
        "ingestion migrate",
        "ingestion bootstrap",
        "ingestion dead-letters list",
        "angiogram runs",
        "angiogram status",
        "angiogram doctor",
        "angiogram run",
        "dbt debug --project-dir dbt_project --profiles-dir dbt_project",
    ],
)
def test_a_command_that_is_refused_tells_no_secret(
    fresh_database: str, fresh_topic: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    """Each password is wrong, so that every connection fails, and none of them is in what the command says or logs."""
    wrong = {name: f"wrong-{number}-secret-of-{name}" for number, name in enumerate(SECRETS)}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    program, *arguments = command.split()
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (1, 2), done.stdout + done.stderr
    logged = "".join(file.read_bytes().decode("utf-8", "replace") for file in tmp_path.rglob("*") if file.is_file())
    told = done.stdout + done.stderr + logged
    assert told
    assert not [name for name, value in wrong.items() if value in told]
