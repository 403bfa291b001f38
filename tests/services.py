"""Databases and topics of a test's own on the sandbox's servers, so that tests do not disturb each other.

Context managers, for fixtures of any scope:

    @pytest.fixture(scope="module")
    def database(sandbox: Sandbox) -> Iterator[str]:
        with new_database() as name:
            yield name
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.database.roles import bootstrap
from ingestion.migrations import migrate
from ingestion.settings import DatabaseSettings, KafkaSettings
from ingestion.topic.admin import ensure_topic, open_admin


@contextmanager
def new_database() -> Iterator[str]:
    """A new database with all roles' rights and all migrations, to which PGDATABASE points meanwhile; dropped after.

    Yields:
        Its name.
    """
    name = f"taxi_{secrets.token_hex(6)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGDATABASE", name)
        try:
            bootstrap()
            migrate()
            yield name
        finally:
            with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
                query.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@contextmanager
def new_topic(partitions: int | None = None) -> Iterator[str]:
    """A new topic as `ensure_topic` makes it, to which KAFKA_TOPIC points meanwhile; deleted after.

    Args:
        partitions: another number than KAFKA_PARTITIONS.

    Yields:
        Its name.
    """
    name = f"rides_{secrets.token_hex(6)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_TOPIC", name)
        if partitions is not None:
            patch.setenv("KAFKA_PARTITIONS", str(partitions))
        ensure_topic()
        try:
            yield name
        finally:
            with closing(open_admin(KafkaSettings.from_environment())) as admin:
                if name in admin.list_topics():  # a test may have deleted it
                    admin.delete_topics([name])


def connect_as_administrator(database: str | None = None) -> connection:
    """A connection as superuser, autocommit, for what no role of the project may do. The caller closes it.

    Args:
        database: another database than PGDATABASE.
    """
    settings = DatabaseSettings.from_environment()
    server = psycopg2.connect(
        host=settings.host,
        port=settings.port,
        dbname=database or settings.name,
        sslmode=settings.sslmode,
        user=os.environ["PG_ADMIN_USER"],
        password=os.environ["PG_ADMIN_PASSWORD"],
        application_name="tests",
    )
    server.autocommit = True
    return server
