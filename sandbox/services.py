"""A sandbox: PostgreSQL and Kafka on this machine, ready for use.

They have the project's roles, tables and topic.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingestion.database.roles import bootstrap
from ingestion.migrations import migrate
from ingestion.settings.environ import changed
from ingestion.settings.pipeline import contract
from ingestion.topic.admin import ensure_topic
from sandbox import ports, processes
from sandbox.errors import NoSandbox, ServerRefused
from sandbox.kafka import Kafka
from sandbox.postgres import SUPERUSER, Postgres
from sandbox.server import Server
from sandbox.settings import CHECKOUT, SandboxSettings
from sandbox.state import SandboxState, StateFolder, check_room

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceStatus:
    """One server as `sandbox status` shows it."""

    service: str
    running: bool
    """The process runs and accepts connections."""
    pid: int | None
    address: str | None
    """Host and port; None before the first start."""
    since: datetime | None
    """Start of the process, UTC."""


class Sandbox:
    """PostgreSQL and Kafka with data, ports and secrets in one folder.

    The servers are separate processes: they keep running when this one ends, until `down`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Store the folder. Nothing is touched until a method is called.

        Args:
            folder: the sandbox's; None for SANDBOX_DIR or, without that, `.sandbox` in the checkout.
        """
        path = folder.resolve() if folder else SandboxSettings.from_environment().folder
        self.folder = StateFolder(path)
        self._postgres = Postgres(path)
        self._kafka = Kafka(path)
        self._services: tuple[Server, ...] = (self._postgres, self._kafka)

    def up(self) -> None:
        """Start what does not run, and create roles, databases, tables and topic.

        What exists already stays as it is. Interrupted by Ctrl-C, it stops what it had started.

        Raises:
            SandboxError: a server could not be started; see sandbox.errors.
            IngestionError: a server runs, but roles, tables or topic could not be created.
        """
        self.folder.refuse_strangers()  # before the lock, which is a file in the folder
        with self.folder.locked():
            if self.folder.exists:
                state = self.folder.load()
            else:
                state = SandboxState()
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
                with changed(self._environment(state)):
                    bootstrap()
                    migrate()
                    ensure_topic()
            except KeyboardInterrupt:
                for service in started:
                    service.stop()
                raise

    def down(self, delete: bool = False) -> None:
        """Stop all servers.

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
        """Restart PostgreSQL, at the same port unless another program took it meanwhile."""
        self._restart(self._postgres)

    def restart_kafka(self) -> None:
        """Restart Kafka, at the same port unless another program took it meanwhile."""
        self._restart(self._kafka)

    def kill_postgres(self) -> None:
        """End PostgreSQL as a crash would. `restart_postgres` or `up` restore it."""
        self._postgres.kill()

    def kill_kafka(self) -> None:
        """End Kafka as a crash would. `restart_kafka` or `up` restore it."""
        self._kafka.kill()

    def status(self) -> list[ServiceStatus]:
        """Return the current state of each server."""
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
        """Return this sandbox's variables by name: the project's, and those of dbt and psql.

        docs/architecture.md lists the project's.

        Raises:
            NoSandbox: there is none in the folder.
        """
        return self._environment(self.folder.load())

    def _environment(self, state: SandboxState) -> dict[str, str]:
        pipeline = contract()
        return {
            "PGHOST": ports.HOST,
            "PGPORT": str(state.ports["postgres"]),
            "PGDATABASE": pipeline.database,
            "PGSSLMODE": "disable",
            "PG_ADMIN_USER": SUPERUSER,
            # Only for psql: somebody exploring on a laptop wants to see dye, live rides and marts side by side.
            "PGUSER": SUPERUSER,
            "PGPASSWORD": state.secrets["PG_ADMIN_PASSWORD"],
            **state.secrets,
            "KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{state.ports['kafka']}",
            "KAFKA_TOPIC": pipeline.topic,
            "KAFKA_PARTITIONS": "4",
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "DBT_PROJECT_DIR": str(CHECKOUT / "dbt_project"),
            "DBT_PROFILES_DIR": str(CHECKOUT / "dbt_project"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def _restart(self, service: Server) -> None:
        with self.folder.locked():
            service.stop()
            state = self.folder.load()
            self._choose_ports(service, state)
            self.folder.save(state)
            self._start(service, state)

    def _choose_ports(self, service: Server, state: SandboxState) -> None:
        for purpose in service.purposes:
            if not (kept := state.ports.get(purpose)) or not ports.await_free(kept):
                state.ports[purpose] = ports.choose()

    def _start(self, service: Server, state: SandboxState) -> None:
        _log.info("Starting %s", service.name)
        try:
            service.start(state)
        except ServerRefused:
            if all(ports.is_free(state.ports[purpose]) for purpose in service.purposes):
                raise
            # Another program took a port between the choice and the start: try once more with another one.
            self._choose_ports(service, state)
            self.folder.save(state)
            service.start(state)
