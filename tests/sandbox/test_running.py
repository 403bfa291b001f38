"""What holds for a sandbox once made: it is found again, heals, keeps its data, and tells its environment."""

import json
import os
import re
import socket
import subprocess
import sys

import psutil
import psycopg2
import pytest
from kafka import KafkaConsumer
from psycopg2.extensions import connection

from sandbox.errors import ServerRefused, StateUnreadable
from sandbox.services import Sandbox
from sandbox.settings import CHECKOUT
from tests.sandbox.conftest import COMMAND, environment_for

pytestmark = pytest.mark.servers

NOT_SET = {
    *("FRONT_DOOR_URL", "DYE_KEY_OLD", "DYE_KEY_FINGERPRINT"),
    *("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_SSL_CAFILE"),
    *("ANGIOGRAM_ALERT_URLS", "ANGIOGRAM_REPORT_URL", "ANGIOGRAM_DOCS_URL", "REVENUE_DASHBOARD_URL", "GIT_COMMIT"),
    *(
        "PGCONNECT_TIMEOUT",
        "DBT_TARGET_PATH",
        "DBT_LOG_PATH",
        "DUCKDB_FILE",
        "ANGIOGRAM_DBT_COMMAND",
        "ANGIOGRAM_PACKAGE",
    ),
    *("SANDBOX_DIR", "SANDBOX_CACHE_DIR", "SANDBOX_MAVEN_MIRROR"),
    *("AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_SECRET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY"),
    *("POSTGRES_HOST_PORT", "KAFKA_HOST_PORT", "FRONT_DOOR_HOST_PORT", "AIRFLOW_HOST_PORT", "DOCS_HOST_PORT"),
}
"""Documented variables that a sandbox has no use for."""


def connect(sandbox: Sandbox) -> connection:
    """A connection as the variables for psql say."""
    env = sandbox.environment()
    return psycopg2.connect(
        host=env["PGHOST"],
        port=env["PGPORT"],
        dbname=env["PGDATABASE"],
        user=env["PGUSER"],
        password=env["PGPASSWORD"],
    )


def pids(sandbox: Sandbox) -> dict[str, int | None]:
    return {status.service: status.pid for status in sandbox.status()}


def test_a_second_up_changes_nothing(own: Sandbox) -> None:
    before = (pids(own), own.environment())
    own.up()
    assert (pids(own), own.environment()) == before


def test_the_servers_listen_on_this_machine_alone(own: Sandbox) -> None:
    for status in own.status():
        assert status.pid is not None
        listening = {c.laddr.ip for c in psutil.Process(status.pid).net_connections("inet") if c.status == "LISTEN"}
        assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_no_command_line_shows_a_secret(own: Sandbox) -> None:
    secrets = set(own.folder.load().secrets.values())
    for pid in pids(own).values():
        process = psutil.Process(pid)
        shown = " ".join([*process.cmdline(), *process.environ().values()])
        assert not [secret for secret in secrets if secret in shown]


def test_a_wrong_password_is_refused(own: Sandbox) -> None:
    env = own.environment()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host=env["PGHOST"], port=env["PGPORT"], dbname="taxi", user="taxi_owner", password="wrong")


def test_data_and_addresses_survive_down_and_up(own: Sandbox) -> None:
    env = own.environment()
    with connect(own) as owner, owner.cursor() as query:
        query.execute("create table if not exists raw.kept as select 42 as answer")
    owner.close()
    own.down()
    assert pids(own) == {"postgres": None, "kafka": None}
    own.up()
    assert own.environment() == env
    with connect(own) as owner, owner.cursor() as query:
        query.execute("select answer from raw.kept")
        assert query.fetchall() == [(42,)]
    owner.close()
    consumer = KafkaConsumer(bootstrap_servers=env["KAFKA_BOOTSTRAP_SERVERS"])
    assert env["KAFKA_TOPIC"] in consumer.topics()
    consumer.close()


@pytest.mark.parametrize(("service", "variable"), [("postgres", "PGPORT"), ("kafka", "KAFKA_BOOTSTRAP_SERVERS")])
def test_a_port_that_somebody_took_is_chosen_anew(own: Sandbox, service: str, variable: str) -> None:
    before = own.environment()[variable]
    own.down()
    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        own.up()
        assert own.environment()[variable] != before
    assert all(status.running for status in own.status())


@pytest.mark.parametrize("service", ["postgres", "kafka"])
def test_up_brings_back_a_server_that_crashed(own: Sandbox, service: str) -> None:
    before = pids(own)
    getattr(own, f"kill_{service}")()
    assert {s.service: s.running for s in own.status()} == {name: name != service for name in before}
    done = subprocess.run([COMMAND, "status"], env=environment_for(own.folder.path), capture_output=True, check=False)
    assert done.returncode == 1
    own.up()
    after = pids(own)
    assert {name for name in after if after[name] != before[name]} == {service}


@pytest.mark.parametrize("service", ["postgres", "kafka"])
def test_restart_keeps_the_address(own: Sandbox, service: str) -> None:
    before = {status.service: status for status in own.status()}[service]
    getattr(own, f"restart_{service}")()
    after = {status.service: status for status in own.status()}[service]
    assert after.running
    assert (after.address, after.pid == before.pid) == (before.address, False)


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 - 1], ids=["of another program", "of nobody"])
def test_a_stale_pid_file_does_not_keep_postgres_down(own: Sandbox, pid: int) -> None:
    file = own.folder.path / "postgres" / "data" / "postmaster.pid"
    lines = file.read_text().splitlines()
    own.kill_postgres()
    file.write_text("\n".join([str(pid), *lines[1:], ""]))
    own.up()
    assert int(file.read_text().splitlines()[0]) == pids(own)["postgres"]


def test_only_the_server_itself_is_taken_for_it(own: Sandbox) -> None:
    data = own.folder.path / "postgres" / "data"
    own.kill_postgres()
    with subprocess.Popen([sys.executable, "-c", "input()", "-D", str(data)], stdin=subprocess.PIPE) as stranger:
        assert pids(own)["postgres"] is None
        stranger.kill()


def test_a_server_that_does_not_start_shows_its_log(own: Sandbox) -> None:
    own.kill_postgres()
    settings = own.folder.path / "postgres" / "data" / "postgresql.auto.conf"
    good = settings.read_text()
    settings.write_text("no_such_setting = on\n")
    try:
        with pytest.raises(ServerRefused, match=r"(?s)postgres\.log.*no_such_setting"):
            own.up()
    finally:
        settings.write_text(good)


def test_a_damaged_state_file_is_named_and_shows_no_secret(own: Sandbox) -> None:
    file = own.folder.path / "state.json"
    good = file.read_text()
    file.write_text('{"ports": {"postgres": "hunter2"}, "secrets": "hunter2"}')
    try:
        with pytest.raises(StateUnreadable, match=r"state\.json") as damaged:
            own.environment()
        assert "hunter2" not in str(damaged.value)
        done = subprocess.run(
            [COMMAND, "env"], env=environment_for(own.folder.path), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
    finally:
        file.write_text(good)


def test_the_environment_is_the_documented_one(own: Sandbox) -> None:
    text = (CHECKOUT / "docs" / "architecture.md").read_text()
    table = text.partition("## Environment variables")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("|")]
    documented = {name for cell in cells for name in re.findall(r"\b[A-Z][A-Z_]{5,}\b", cell)}
    assert {"PGHOST", "DYE_KEY", *NOT_SET} <= documented
    assert documented - NOT_SET <= own.environment().keys()
    assert not NOT_SET & own.environment().keys()


def test_a_shell_takes_the_environment_as_printed(own: Sandbox) -> None:
    script = f'eval "$({COMMAND} env)" && exec env -0'
    shell = subprocess.run(
        ["bash", "-euc", script], env={"SANDBOX_DIR": str(own.folder.path)}, capture_output=True, text=True, check=True
    )
    taken = dict(line.partition("=")[::2] for line in shell.stdout.split("\0"))
    printed = subprocess.run(
        [COMMAND, "env", "--json"], env=environment_for(own.folder.path), capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout) == own.environment()
    assert own.environment().items() <= taken.items()


def test_sandboxes_side_by_side_do_not_meet(own: Sandbox, sandbox: Sandbox) -> None:
    assert own.environment()["PGPORT"] != sandbox.environment()["PGPORT"]
    assert own.environment()["KAFKA_BOOTSTRAP_SERVERS"] != sandbox.environment()["KAFKA_BOOTSTRAP_SERVERS"]
    assert set(pids(own).values()).isdisjoint(pids(sandbox).values())
    own.down()
    assert all(status.running for status in sandbox.status())


def test_down_does_not_wait_for_clients_to_leave(own: Sandbox) -> None:
    client = connect(own)
    own.down()
    with pytest.raises(psycopg2.OperationalError), client.cursor() as query:
        query.execute("select 1")
    client.close()


def test_the_servers_outlive_the_terminal_of_up(own: Sandbox) -> None:
    for pid in pids(own).values():  # Ctrl-C and a hang-up reach one session alone
        assert pid is not None
        assert os.getsid(pid) == pid != os.getsid(0)
