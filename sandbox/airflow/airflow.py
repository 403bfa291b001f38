"""Airflow on this machine: scheduler, DAG processor and API server.

It uses the sandbox's PostgreSQL.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from ingestion.settings.environ import environment
from sandbox import ports, processes
from sandbox.errors import AirflowRefused, NoSandbox
from sandbox.services import Sandbox
from sandbox.settings import CHECKOUT
from sandbox.state import SandboxState

USER = "admin"
"""The user for Airflow's web page."""

_PORT = "airflow"


class AirflowHealth:
    """Checks Airflow's health through one HTTP client that is kept open.

    A new client would cost 30 ms of processor time for each check. Use it as a context manager.

    Args:
        url: Airflow's address.
    """

    def __init__(self, url: str) -> None:
        # trust_env=False: it is on this machine, whatever proxy the environment names.
        self._client = httpx.Client(base_url=url, timeout=5, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def is_good(self) -> bool:
        """Return whether Airflow's API reports database, scheduler and DAG processor as healthy."""
        try:
            answer = self._client.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return False
        if answer.status_code != httpx.codes.OK:
            return False
        health = answer.json()
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


class Airflow:
    """The Airflow of one sandbox.

    Its data is in the database `airflow` and in the folder `airflow` of the sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.home = sandbox.folder.path / "airflow"

    @property
    def url(self) -> str:
        """Return the address of the web page and of the API.

        Raises:
            NoSandbox: it was never started.
        """
        return _url(self._sandbox.folder.load())

    @property
    def password(self) -> str:
        """Return the password of USER."""
        return self._secrets()["password"]

    def process(self) -> psutil.Process | None:
        """Return the servers' common process, or None if it is not running."""
        return processes.find(Path(sys.executable).name, ["-m", "sandbox.airflow.servers", str(self.home)])

    def up(self) -> None:
        """Start PostgreSQL, Kafka and Airflow, unless they run, and wait until Airflow is healthy.

        Raises:
            SandboxError: something could not be started.
        """
        self._sandbox.up()
        with self._sandbox.folder.locked():
            state = self._sandbox.folder.load()
            # An Airflow that an earlier sandbox in this folder left behind uses an unknown port.
            if _PORT in state.ports and self.process() and self.is_healthy():
                return
            self.stop()
            if not (kept := state.ports.get(_PORT)) or not ports.is_free(kept):
                state.ports[_PORT] = ports.choose()
                self._sandbox.folder.save(state)
            variables = self._environment(state)
            self._prepare(variables)
            command = [sys.executable, "-m", "sandbox.airflow.servers", str(self.home)]
            with AirflowHealth(_url(state)) as health:
                processes.start("Airflow", command, self.home / "servers.log", health.is_good, variables)

    def stop(self) -> None:
        """Stop Airflow, if it runs. Its tasks are stopped with it."""
        if servers := self.process():
            processes.stop(servers, signal.SIGTERM)

    def is_healthy(self) -> bool:
        """Return whether Airflow's API reports database, scheduler and DAG processor as healthy."""
        with AirflowHealth(self.url) as health:
            return health.is_good()

    def _prepare(self, variables: Mapping[str, str]) -> None:
        """Migrate the database and write the manifests that the DAGs are drawn from, in parallel."""
        commands = [[sys.executable, str(CHECKOUT / "dags" / "manifests.py")]]
        migrated = self.home / "migrated"  # holds a version; asking Airflow takes as long as migrating
        installed = version("apache-airflow")
        if not migrated.exists() or migrated.read_text() != installed:
            commands.append([str(Path(sys.executable).with_name("airflow")), "db", "migrate"])
        running = [
            # Our own programs, in the environment made for them.
            subprocess.Popen(  # noqa: S603
                command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for command in commands
        ]
        for command, program in zip(commands, running, strict=True):
            output, _ = program.communicate()
            if program.returncode:
                raise AirflowRefused(
                    f"`{' '.join(command)}` failed with code {program.returncode}. Its last output:\n{output[-2000:]}"
                )
        migrated.write_text(installed)

    def _secrets(self) -> dict[str, str]:
        """Return Airflow's own secrets, drawn at the first start, readable only by their owner."""
        file = self.home / "secrets.json"
        if not file.exists():
            self.home.mkdir(mode=0o700, exist_ok=True)
            drawn = {
                "password": secrets.token_urlsafe(12),
                "jwt": secrets.token_urlsafe(48),
                "fernet": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            }
            draft = file.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(drawn))
            draft.replace(file)
        kept: dict[str, str] = json.loads(file.read_text())
        return kept

    def _environment(self, state: SandboxState) -> dict[str, str]:
        own, before = self._secrets(), environment()
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: own["password"]}))
        server = f"airflow:{state.secrets['AIRFLOW_DB_PASSWORD']}@{ports.HOST}:{state.ports['postgres']}/airflow"
        settings = {
            "core": {
                "executor": "LocalExecutor",
                "parallelism": "8",
                "dags_folder": str(CHECKOUT / "dags"),
                "plugins_folder": str(CHECKOUT / "plugins"),
                "load_examples": "False",
                "dags_are_paused_at_creation": "False",
                "execution_api_server_url": f"{_url(state)}/execution/",
                "fernet_key": own["fernet"],
                "simple_auth_manager_users": f"{USER}:admin",
                "simple_auth_manager_passwords_file": str(passwords),
            },
            "database": {
                "sql_alchemy_conn": f"postgresql+psycopg2://{server}",
                "sql_alchemy_conn_async": f"postgresql+asyncpg://{server}",
            },
            "api": {
                "host": ports.HOST,
                "port": str(state.ports[_PORT]),
                "base_url": _url(state),
                "secret_key": own["jwt"],
                "workers": "1",
            },
            "api_auth": {"jwt_secret": own["jwt"]},
            # On a laptop a DAG runs when requested, not because the laptop was opened.
            "scheduler": {"use_job_schedule": "False", "scheduler_heartbeat_sec": "1"},
            "dag_processor": {"refresh_interval": "10", "min_file_process_interval": "10", "parsing_processes": "1"},
            "logging": {"base_log_folder": str(self.home / "logs")},
            "cosmos": {"enable_telemetry": "False", "cache_dir": str(self.home / "cosmos")},
        }
        return {
            **before,
            **_without_proxy(before),
            **self._sandbox.environment(),
            # Another dbt project may be tested, as with `angiogram run`.
            **{name: before[name] for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR") if before.get(name)},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{before.get('PATH', os.defpath)}",
            "AIRFLOW_HOME": str(self.home),
            "ANGIOGRAM_REPORT_URL": f"{_url(state)}/plugin/angiogram/angiogram/runs",
            **{
                f"AIRFLOW__{section.upper()}__{name.upper()}": value
                for section, values in settings.items()
                for name, value in values.items()
            },
        }


def _url(state: SandboxState) -> str:
    if _PORT not in state.ports:
        raise NoSandbox("Airflow was never started in this sandbox. Start it: sandbox airflow up")
    return f"http://{ports.HOST}:{state.ports[_PORT]}"


def _without_proxy(before: Mapping[str, str]) -> dict[str, str]:
    """Return variables that keep a proxy out of the HTTP traffic between Airflow's servers."""
    spared = before.get("no_proxy") or before.get("NO_PROXY") or ""
    if spared != "*":
        spared = ",".join(filter(None, (spared, ports.HOST, "localhost")))
    return {"no_proxy": spared, "NO_PROXY": spared}
