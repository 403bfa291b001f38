"""Sessions of PostgreSQL: what ends with them, and a pooler that shares them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from uuid import UUID

import psycopg2
import pytest
from psycopg2.extensions import connection

from ingestion.contract import LOADER
from ingestion.database.copying import copy_into
from ingestion.database.errors import sentence
from ingestion.database.outages import in_our_words
from ingestion.database.sessions import connect
from ingestion.errors import PooledByTransaction
from ingestion.message.tables import LIVE_ROWS, tables
from ingestion.settings import DatabaseSettings, role, role_password
from ingestion.settings.pipeline import contract
from sandbox.ports import choose
from tests.ingestion.support import await_condition

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder into which another user may look."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


NO_TOPIC = UUID(int=0)


@contextmanager
def pooler(folder: Path, mode: str) -> Iterator[int]:
    """PgBouncer before the sandbox's PostgreSQL, for the loader's role; yields its port."""
    settings, port = DatabaseSettings.from_environment(), choose()
    user, password = role(LOADER)[0], role_password(LOADER)
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={settings.host} port={settings.port} user={user} password={password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n"
    )
    # PgBouncer refuses to run as root.
    process = subprocess.Popen([PGBOUNCER or "", config], user="nobody" if os.getuid() == 0 else None)
    try:
        await_condition(lambda: answers(port), "PgBouncer listened")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed: apt-get install pgbouncer")
def test_a_pooler_in_transaction_mode_is_refused_in_one_sentence(
    fresh_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two loaders would own one partition there. In session mode it is as good as PostgreSQL itself."""
    with pooler(folder, "transaction") as port, monkeypatch.context() as through:
        through.setenv("PGPORT", str(port))
        with pytest.raises(PooledByTransaction) as told:
            connect(LOADER, "test")
    assert str(told.value).startswith(f"At 127.0.0.1:{port} is a connection pooler in transaction mode")
    assert str(told.value).count(". ") == 0
    with pooler(folder, "session") as port, monkeypatch.context() as through:
        through.setenv("PGPORT", str(port))
        with closing(connect(LOADER, "test")) as session, session.cursor() as query:
            query.execute("select 1")
            assert query.fetchall() == [(1,)]


@pytest.mark.parametrize("job", ["loader", "dbt_prod", "angiogram"])
def test_the_statement_of_a_killed_process_ends(
    fresh_database: str, connect_as: Callable[..., connection], job: str
) -> None:
    """In seconds, not when it is done."""
    sleeps = (
        "import sys; from ingestion.database.sessions import connect;"
        "connect(sys.argv[1], 'killed').cursor().execute('select pg_sleep(300)')"
    )
    query = connect_as("postgres", fresh_database).cursor()

    def runs() -> bool:
        query.execute(
            "select exists (select from pg_stat_activity where application_name = 'killed' and state = 'active')"
        )
        return bool(query.fetchall()[0][0])

    process = subprocess.Popen([sys.executable, "-c", sleeps, job])
    await_condition(runs, "the statement ran")
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    await_condition(lambda: not runs(), "the statement ended", seconds=20)


def test_a_session_that_ends_in_the_middle_of_copy_says_why_and_prints_no_row(
    fresh_database: str, connect_as: Callable[..., connection], capfd: pytest.CaptureFixture[str]
) -> None:
    """Not that the connection is closed; and a log of JSON lines holds nothing else."""
    administrator = connect_as("postgres", fresh_database).cursor()
    fields = ",".join(["secret"] * len(contract().fields))

    class EndsInTheMiddle(BytesIO):
        """Endless lines, and a session that is ended after the first ones."""

        pieces = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.pieces += 1
            if self.pieces == 5:
                administrator.execute("select pg_terminate_backend(%s, 10000)", (session.info.backend_pid,))
            lines = (
                f"{fields},null,topic,{NO_TOPIC},{self.pieces},{offset},null\n" for offset in range((size or 0) // 200)
            )
            return "".join(lines).encode()

    with closing(connect(LOADER, "test")) as session:
        with pytest.raises(psycopg2.Error) as told, session, session.cursor() as query:
            copy_into(query, tables(contract())[LIVE_ROWS], EndsInTheMiddle(), 1 << 20)
        assert str(in_our_words(told.value)) == (
            "PostgreSQL failed: terminating connection due to administrator command."
        )
        assert "An administrator or a restart did" in (sentence(told.value) or "")
    assert capfd.readouterr().err == ""
