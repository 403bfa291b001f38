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

from angiogram.dbt.project_file import ProjectPaths
from ingestion.database.roles import bootstrap, connect_as_administrator
from ingestion.migrations import migrate
from ingestion.settings import KafkaSettings
from ingestion.settings.environ import changed
from ingestion.topic.admin import ensure_topic, open_admin


@contextmanager
def own_place() -> Iterator[None]:
    """Create a database and a topic, set the environment to them, and delete both afterwards.

    Raises:
        SettingsError: an address, the administrator or a password is not set.
        DatabaseUnavailable, KafkaUnavailable: a server is down.
    """
    end = secrets.token_hex(6)
    database, topic = f"faults_{end}", f"faults_{end}"
    with changed({"PGDATABASE": database, "KAFKA_TOPIC": topic}):  # dbt's profile reads them, too
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

    def __init__(self, original: ProjectPaths, folder: Path) -> None:
        """Store the paths. Nothing is copied yet.

        Args:
            original: of the dbt project.
            folder: an empty one; it will contain the copy and what dbt writes.
        """
        self._original = original.folder
        own_profiles = original.profiles.resolve() == original.folder
        copy = folder / "dbt_project"
        self._paths = ProjectPaths(
            folder=copy,
            profiles=copy if own_profiles else original.profiles,
            parsed=folder / "target",
            logs=folder / "logs",
        )

    def renew(self) -> ProjectPaths:
        """Make the copy equal to the original again, and return its paths.

        Files that did not change keep their times.
        """
        copied, wanted = self._paths.folder, set[Path]()
        for folder, names, files in os.walk(self._original, followlinks=True):
            names[:] = [name for name in names if not name.startswith("target") and name not in ("logs", ".user.yml")]
            below = Path(folder).relative_to(self._original)
            (copied / below).mkdir(parents=True, exist_ok=True)
            for name in files:
                source, copy = Path(folder) / name, copied / below / name
                wanted.add(copy)
                if not copy.exists() or copy.read_bytes() != source.read_bytes():
                    shutil.copyfile(source, copy)
        for path in copied.rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()
        return self._paths
