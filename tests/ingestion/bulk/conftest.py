"""A database for each module of the bulk load's tests."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.extensions import connection

from sandbox.services import Sandbox
from tests.services import connect_as_administrator, new_database


@pytest.fixture(scope="module")
def database(sandbox: Sandbox) -> Iterator[str]:
    """A database that the module's tests share; each starts with empty tables."""
    with new_database() as name:
        yield name


@pytest.fixture
def session(database: str) -> Iterator[connection]:
    """A superuser's session, and empty raw tables."""
    with closing(connect_as_administrator(database)) as opened:
        with opened.cursor() as query:
            query.execute("truncate raw.taxi_rides, raw.dead_letters, raw.loaded_files, raw.file_days cascade")
        yield opened
