"""Numbered migrations of the raw schemas: applied in order, once, each in a transaction.

An applied file never changes again: the next change gets the next number. Comes in: the owner's command. Goes out: raw
schemas that fit this version. May import: contract, database, errors, settings.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import psycopg2
from psycopg2.extensions import connection

from ingestion.contract import OWNER
from ingestion.database.sessions import connect
from ingestion.errors import SchemaOutdated

_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file.

    Attributes:
        number: its number, from 1.
        name: what it does, taken from the file name.
        statements: its SQL text.
    """

    number: int
    name: str
    statements: str

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the text, which shows whether an applied file has changed."""
        return hashlib.sha256(self.statements.encode()).hexdigest()

    @property
    def title(self) -> str:
        """The file name without its extension."""
        return f"{self.number:04}_{self.name}"


def all_migrations() -> list[Migration]:
    """The migrations of this installation, in order."""
    found = []
    for file in files(__name__).iterdir():
        if match := _NAME.fullmatch(file.name):
            found.append(Migration(int(match["number"]), match["name"], file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.number)


def migrate(database: str | None = None, migrations: list[Migration] | None = None) -> list[str]:
    """Apply the missing migrations as the owner; concurrent calls wait for each other.

    Args:
        database: the database, if not the one in PGDATABASE.
        migrations: the migrations, if not those of this installation.

    Returns:
        The titles of the migrations applied now.

    Raises:
        SettingsError: address or password is not set.
        DatabaseUnavailable: PostgreSQL cannot be reached.
        SchemaOutdated: an applied file has changed since.
    """
    wanted = all_migrations() if migrations is None else migrations
    database_connection = connect(OWNER, "ingestion migrate", database)
    try:
        with database_connection, database_connection.cursor() as query:
            query.execute("select pg_advisory_lock(hashtext('ingestion'), hashtext('migrate'))")
            query.execute(
                "create table if not exists raw.schema_migrations ("
                "number int primary key, name text not null, sha256 text not null, "
                "applied_at timestamptz not null default now())"
            )
        applied = _applied(database_connection)
        _refuse_changed(wanted, applied)
        pending = [migration for migration in wanted if migration.number not in applied]
        for migration in pending:
            with database_connection, database_connection.cursor() as query:
                # The session names pipeline and stream: what carries neither yet belongs to those that migrate.
                query.execute(migration.statements)
                query.execute(
                    "insert into raw.schema_migrations (number, name, sha256) values (%s, %s, %s)",
                    (migration.number, migration.name, migration.sha256),
                )
        return [migration.title for migration in pending]
    finally:
        database_connection.close()


def require_current(database_connection: connection) -> None:
    """Make sure that every migration of this installation is applied.

    Raises:
        SchemaOutdated: one is missing, or the raw schemas are absent.
    """
    try:
        applied = _applied(database_connection)
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName, psycopg2.errors.InsufficientPrivilege):
        applied = {}
    missing = [migration.title for migration in all_migrations() if migration.number not in applied]
    if missing:
        raise SchemaOutdated(
            f"The database {database_connection.info.dbname} misses the migrations {', '.join(missing)}. "
            "Run `ingestion migrate`."
        )


def _applied(database_connection: connection) -> dict[int, str]:
    with database_connection, database_connection.cursor() as query:
        query.execute("select number, sha256 from raw.schema_migrations")
        return dict(query.fetchall())


def _refuse_changed(wanted: list[Migration], applied: dict[int, str]) -> None:
    changed = [m.title for m in wanted if m.number in applied and applied[m.number] != m.sha256]
    if changed:
        raise SchemaOutdated(
            f"Migrations changed after they were applied: {', '.join(changed)}. "
            "Nothing was applied. Restore the files and write a migration with the next number."
        )
