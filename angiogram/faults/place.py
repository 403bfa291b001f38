"""A database and a topic of the command's own on the servers of the environment, and copies of the dbt project."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from psycopg2 import sql

from ingestion.database.roles import bootstrap, connect_as_administrator
from ingestion.migrations import migrate
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import ensure_topic, open_admin


@contextmanager
def variables(**values: str | None) -> Iterator[None]:
    """Environment variables set (None: unset) for the time of the block."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def own_place() -> Iterator[None]:
    """A new database and a new topic, to which the environment points meanwhile; both are gone afterwards.

    Raises:
        SettingsError: an address, the administrator or a password is not set.
        DatabaseUnavailable, KafkaUnavailable: a server is away.
    """
    end = secrets.token_hex(6)
    database, topic = f"faults_{end}", f"faults_{end}"
    with variables(PGDATABASE=database, KAFKA_TOPIC=topic):
        try:
            bootstrap()
            migrate()
            ensure_topic()
            yield
        finally:
            with closing(open_admin(KafkaSettings.from_environment())) as admin:
                if topic in admin.list_topics():
                    admin.delete_topics([topic])
            with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
                query.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


class WorkingCopy:
    """A copy of a dbt project with its seeds, made anew for each fault in one place: dbt parses only changes."""

    def __init__(self, original: Path, folder: Path) -> None:
        """Nothing is copied yet.

        Args:
            original: the dbt project.
            folder: an empty one; the copy and what dbt writes go below it.
        """
        self._original = original
        self.directory = folder / "dbt_project"
        self.target = folder / "target"
        self.logs = folder / "logs"

    def renew(self) -> Path:
        """Make the copy equal to the original again; its folder. Files that did not change keep their times."""
        wanted: set[Path] = set()
        for folder, names, files in os.walk(self._original, followlinks=True):
            names[:] = [name for name in names if not name.startswith("target") and name not in ("logs", ".user.yml")]
            below = Path(folder).relative_to(self._original)
            (self.directory / below).mkdir(parents=True, exist_ok=True)
            for name in files:
                source, copy = Path(folder) / name, self.directory / below / name
                wanted.add(copy)
                if not copy.exists() or copy.read_bytes() != source.read_bytes():
                    shutil.copyfile(source, copy)
        for path in self.directory.rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()
        return self.directory
