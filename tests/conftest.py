"""Fixtures that all tests share: real servers, and a database and a topic of a test's own.

| fixture | gives |
|---|---|
| sandbox | the running Sandbox (session); its environment is in os.environ from then on |
| fresh_database | name of a new, migrated database; PGDATABASE points to it; dropped after the test |
| fresh_topic | name of a new topic; KAFKA_TOPIC points to it; deleted after the test |
| connect_as | function `connect_as(role, database=None)`: autocommit connection (PGDATABASE), closed after the test |

`role` is a job of the contract's roles, such as owner, or "postgres" for the superuser. Each asks for `sandbox` by
itself. Tests that need no server ask for none of them. For a database or topic that lasts for a module see
tests/services.py.

The sandbox lives in a temporary folder and ends with the session. With TEST_SANDBOX_DIR set it lives in that folder and
is left running, which saves its start the next time; end it with `SANDBOX_DIR=... sandbox down --delete`. Of several
pytest workers (`make test` starts three, for tests also wait) each has a sandbox of its own.
"""

import json
import os
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from ingestion.database.sessions import connect
from sandbox.services import Sandbox
from tests.services import connect_as_administrator, new_database, new_topic

NOT_IN_TESTS = (
    *("FRONT_DOOR_URL", "DYE_KEY_OLD", "DYE_KEY_FINGERPRINT", "PGSERVICE", "PGOPTIONS", "GIT_COMMIT"),
    *("ANGIOGRAM_ALERT_URLS", "ANGIOGRAM_REPORT_URL", "ANGIOGRAM_DOCS_URL"),
    *("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
)
"""Variables of a developer's own that would lead a test away from the sandbox, or tell others of its blockages."""

BUILD_PROJECTS = ("angiogram/duckdb/", "dbt/test_duckdb.py", "angiogram/adoption/test_odd.py")
"""Files whose tests build whole projects without a server."""

DURATIONS = Path(__file__).with_name("durations.json")
"""The seconds that each file of tests took when they were last measured, by `make test-durations`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run of the tests measure how long each file takes."""
    parser.addoption("--write-durations", action="store_true", help=f"write tests/{DURATIONS.name} at the end")


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands under test: what a shell starts in the background ignores it, with its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and begin with the files that take longest: no worker ends alone with one of them."""
    for item in items:
        if "sandbox" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)
        elif _file(item.nodeid).startswith(BUILD_PROJECTS):
            item.add_marker(pytest.mark.projects)
    seconds: dict[str, float] = json.loads(DURATIONS.read_text(encoding="utf-8"))
    items.sort(key=lambda item: -seconds.get(_file(item.nodeid), 0.0))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the time of each file, set-up and end included."""
    _taken[_file(report.nodeid)] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write how long each file took, if asked to, and if no worker of others does."""
    if session.config.getoption("--write-durations") and "PYTEST_XDIST_WORKER" not in os.environ:
        taken = {file: round(seconds, 1) for file, seconds in sorted(_taken.items())}
        DURATIONS.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")


def _file(test: str) -> str:
    return test.partition("::")[0].removeprefix("tests/")


_taken: dict[str, float] = defaultdict(float)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """PostgreSQL and Kafka, up, with roles, tables and topic; their environment is in os.environ."""
    kept = os.environ.get("TEST_SANDBOX_DIR")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    folder = Path(kept, worker) if kept else Path(tempfile.mkdtemp(prefix="sandbox-tests-"))
    running = Sandbox(folder)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit on the tests ends the servers too
    try:
        running.up()
        with pytest.MonkeyPatch.context() as patch:
            for name in NOT_IN_TESTS:
                patch.delenv(name, raising=False)
            for name, value in running.environment().items():
                patch.setenv(name, value)
            yield running
    finally:
        if not kept:
            running.down(delete=True)
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def fresh_database(sandbox: Sandbox) -> Iterator[str]:
    """A new migrated database, to which PGDATABASE points."""
    with new_database() as name:
        yield name


@pytest.fixture
def fresh_topic(sandbox: Sandbox) -> Iterator[str]:
    """A new topic, to which KAFKA_TOPIC points."""
    with new_topic() as name:
        yield name


@pytest.fixture
def connect_as(sandbox: Sandbox) -> Iterator[Callable[..., connection]]:
    """Function that opens an autocommit connection as a role; all are closed after the test.

    It says for no pipeline that it works, as a dashboard's, psql's and dbt's do not.
    """
    opened: list[connection] = []

    def open_as(role: str, database: str | None = None) -> connection:
        if role == "postgres":
            server = connect_as_administrator(database)
        else:
            server = connect(role, "tests", database)
            server.autocommit = True
            with server.cursor() as query:
                query.execute("reset angiogram.pipeline; reset angiogram.raw_table")
        opened.append(server)
        return server

    yield open_as
    for server in opened:
        server.close()
