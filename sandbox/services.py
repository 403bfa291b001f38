"""A sandbox: PostgreSQL and Kafka on this machine, with the project's roles, tables and topic, ready for use."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingestion.database.roles import bootstrap
from ingestion.migrations import migrate
from ingestion.settings.pipeline import contract
from ingestion.topic.admin import ensure_topic
from sandbox import ports, processes
from sandbox.errors import NoSandbox, ServerRefused
from sandbox.kafka import Kafka
from sandbox.postgres import SUPERUSER, Postgres
from sandbox.server import Server
from sandbox.state import PROJECT, State, StateFolder, check_room, default_folder

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceStatus:
    """One server as `sandbox status` shows it."""

    service: str
    running: bool
    """The process is there and accepts connections."""
    pid: int | None
    address: str | None
    """Host and port; None before the first start."""
    since: datetime | None
    """Start of the process, UTC."""


class Sandbox:
    """PostgreSQL and Kafka whose data, ports and secrets live in one folder.

    The servers are processes of their own: they go on when this one ends, until `down`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Nothing is touched before a method is called.

        Args:
            folder: where it lives; None for SANDBOX_DIR or, without that, `.sandbox` in the checkout.
        """
        path = folder.resolve() if folder else default_folder()
        self.folder = StateFolder(path)
        self._postgres = Postgres(path)
        self._kafka = Kafka(path)
        self._services: tuple[Server, ...] = (self._postgres, self._kafka)

    def up(self) -> None:
        """Start what does not run; make roles, databases, tables and topic. What is there already stays as it is.

        Interrupted by Ctrl-C, it stops what it had started.

        Raises:
            SandboxError: a server could not be started; see sandbox.errors.
            IngestionError: a server runs, but roles, tables or topic could not be made.
        """
        self.folder.refuse_strangers()  # before the lock, which is a file in the folder
        with self.folder.locked():
            if self.folder.exists:
                state = self.folder.load()
            else:
                state = State()
                for service in self._services:
                    service.kill()  # left by a sandbox whose folder was deleted by other means than `down`
            state.draw_missing_secrets()
            stopped = [service for service in self._services if service.process() is None]
            if stopped:
                check_room(self.folder.path)
            for service in stopped:
                self._choose_ports(service, state)
            self.folder.save(state)
            started = []
            try:
                for service in stopped:
                    self._start(service, state)
                    started.append(service)
                with _applied(self._environment(state)):
                    bootstrap()
                    migrate()
                    ensure_topic()
            except KeyboardInterrupt:
                for service in started:
                    service.stop()
                raise

    def down(self, delete: bool = False) -> None:
        """Stop what runs.

        Args:
            delete: delete the folder too, with all data and secrets.

        Raises:
            NoSandbox: there is none in the folder.
        """
        if not self.folder.exists:
            raise NoSandbox(f"There is no sandbox in {self.folder.path}: nothing to stop.")
        with self.folder.locked():
            for service in reversed(self._services):
                service.stop()
            if delete:
                self.folder.delete()

    def restart_postgres(self) -> None:
        """Stop PostgreSQL and start it again, at the same port unless somebody took it meanwhile."""
        self._restart(self._postgres)

    def restart_kafka(self) -> None:
        """Stop Kafka and start it again, at the same port unless somebody took it meanwhile."""
        self._restart(self._kafka)

    def kill_postgres(self) -> None:
        """End PostgreSQL as a crash would. `restart_postgres` or `up` bring it back."""
        self._postgres.kill()

    def kill_kafka(self) -> None:
        """End Kafka as a crash would. `restart_kafka` or `up` bring it back."""
        self._kafka.kill()

    def status(self) -> list[ServiceStatus]:
        """How each server is, looked up now."""
        kept = self.folder.load().ports if self.folder.exists else {}
        statuses = []
        for service in self._services:
            process = service.process()
            port = kept.get(service.name)
            statuses.append(
                ServiceStatus(
                    service=service.name,
                    running=process is not None and port is not None and ports.answers(port),
                    pid=process.pid if process else None,
                    address=f"{ports.HOST}:{port}" if port else None,
                    since=processes.started_at(process) if process else None,
                )
            )
        return statuses

    def environment(self) -> dict[str, str]:
        """The variables of docs/architecture.md for this sandbox, and those that dbt and psql want, by name.

        Raises:
            NoSandbox: there is none in the folder.
        """
        return self._environment(self.folder.load())

    def _environment(self, state: State) -> dict[str, str]:
        pipeline = contract()
        return {
            "PGHOST": ports.HOST,
            "PGPORT": str(state.ports["postgres"]),
            "PGDATABASE": pipeline.database,
            "PGSSLMODE": "disable",
            "PG_ADMIN_USER": SUPERUSER,
            # For psql alone: whoever looks around on a laptop wants to see dye, live rides and marts side by side.
            "PGUSER": SUPERUSER,
            "PGPASSWORD": state.secrets["PG_ADMIN_PASSWORD"],
            **state.secrets,
            "KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{state.ports['kafka']}",
            "KAFKA_TOPIC": pipeline.topic,
            "KAFKA_PARTITIONS": "4",
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "DBT_PROJECT_DIR": str(PROJECT / "dbt_project"),
            "DBT_PROFILES_DIR": str(PROJECT / "dbt_project"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def _restart(self, service: Server) -> None:
        with self.folder.locked():
            service.stop()
            state = self.folder.load()
            self._choose_ports(service, state)
            self.folder.save(state)
            self._start(service, state)

    def _choose_ports(self, service: Server, state: State) -> None:
        for purpose in service.purposes:
            if not (kept := state.ports.get(purpose)) or not ports.await_free(kept):
                state.ports[purpose] = ports.choose()

    def _start(self, service: Server, state: State) -> None:
        _log.info("Starting %s", service.name)
        try:
            service.start(state)
        except ServerRefused:
            if all(ports.is_free(state.ports[purpose]) for purpose in service.purposes):
                raise
            # Somebody took a port between the choice and the start: once more with another one.
            self._choose_ports(service, state)
            self.folder.save(state)
            service.start(state)


@contextmanager
def _applied(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
