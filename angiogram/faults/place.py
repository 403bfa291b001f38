"""A database and a topic of the command's own, and copies of the dbt project.

Both are on the servers that the environment names.
"""

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
    """Set environment variables (None: unset) for the duration of the block."""
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
    """Create a database and a topic, set the environment to them, and delete both afterwards.

    Raises:
        SettingsError: an address, the administrator or a password is not set.
        DatabaseUnavailable, KafkaUnavailable: a server is down.
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
    """A copy of a dbt project with its seeds, renewed in place for each fault.

    dbt therefore parses only changes.
    """

    def __init__(self, original: Path, folder: Path) -> None:
        """Store the folders. Nothing is copied yet.

        Args:
            original: the dbt project.
            folder: an empty one; it will contain the copy and what dbt writes.
        """
        self._original = original
        self.directory = folder / "dbt_project"
        self.target = folder / "target"
        self.logs = folder / "logs"

    def renew(self) -> Path:
        """Make the copy equal to the original again, and return its folder.

        Files that did not change keep their times.
        """
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
