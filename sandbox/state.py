"""What a sandbox stores: its folder, ports and secrets.

Which servers run is not stored but looked up. The folder holds state.json (mode 0600), lock, and a folder of data and
log for each server. Secrets are created once and kept until the folder is deleted.
"""

import fcntl
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from ingestion.settings.pipeline import contract
from sandbox.errors import DiskFull, FolderUnusable, NoSandbox, StateUnreadable

MINIMUM_FREE_BYTES = 512 * 1024 * 1024
"""Space that servers need to start: a full disk stops PostgreSQL and Kafka in the middle of a write."""

_SECRETS = ("PG_ADMIN_PASSWORD", "FRONT_DOOR_API_KEY", "DYE_KEY")


def secret_names() -> list[str]:
    """Return the variables whose values are drawn at the first start.

    Every role's password is among them.

    Raises:
        ContractUnusable: the pipeline's contract cannot be used.
    """
    return [*_SECRETS, *(role.password_variable for role in contract().roles.values())]


_log = logging.getLogger(__name__)


def check_room(folder: Path) -> None:
    """Refuse to continue on a disk that is nearly full.

    Raises:
        DiskFull: less than MINIMUM_FREE_BYTES are free.
    """
    free = shutil.disk_usage(folder).free
    if free < MINIMUM_FREE_BYTES:
        raise DiskFull(
            f"Only {free // 2**20} MiB are free on the disk of {folder}; the sandbox needs "
            f"{MINIMUM_FREE_BYTES // 2**20} MiB. Free some space, or choose another disk "
            "(SANDBOX_DIR for the data, SANDBOX_CACHE_DIR for Kafka's jars)."
        )


class SandboxState(BaseModel):
    """The content of state.json."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)  # errors must not show secrets

    ports: dict[str, int] = {}
    """Port on 127.0.0.1 by purpose: postgres, kafka, kafka_controller."""

    secrets: dict[str, str] = {}
    """Value by variable, see secret_names."""

    def draw_missing_secrets(self) -> None:
        """Draw the missing ones of secret_names. One that had another name before is kept."""
        former = contract().former_settings
        for name in secret_names():
            known = self.secrets.pop(former.get(name, ""), None)
            self.secrets.setdefault(name, known or secrets.token_urlsafe(24))


class StateFolder:
    """The folder of one sandbox on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path / "state.json"
        self._draft = path / "state.json.new"
        self._lock = path / "lock"

    @property
    def exists(self) -> bool:
        """Return whether a sandbox was started here, even if only partly."""
        return self._file.exists()

    def refuse_strangers(self) -> None:
        """Require that the folder is a sandbox or empty.

        `down --delete` deletes everything in it.

        Raises:
            FolderUnusable: it holds something that is not a sandbox.
        """
        if self.exists or not self.path.is_dir():
            return
        strangers = sorted({path.name for path in self.path.iterdir()} - {self._lock.name, self._draft.name})
        if strangers:
            raise FolderUnusable(
                f"{self.path} is not a sandbox: it holds {', '.join(strangers[:3])}. "
                "Choose an empty folder with SANDBOX_DIR."
            )

    def load(self) -> SandboxState:
        """Read state.json.

        Raises:
            NoSandbox: there is none.
            StateUnreadable: it is damaged.
        """
        try:
            return SandboxState.model_validate_json(self._file.read_text())
        except FileNotFoundError:
            raise NoSandbox(f"There is no sandbox in {self.path}. Run `sandbox up` first.") from None
        except ValidationError as error:
            raise StateUnreadable(
                f"{self._file} cannot be read: {error}\nStart again with `sandbox down --delete` and "
                "`sandbox up`. The data of the sandbox is lost."
            ) from None

    def save(self, state: SandboxState) -> None:
        """Write state.json, whole or not at all, readable only by its owner."""
        self._draft.unlink(missing_ok=True)
        with open(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(state.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        self._draft.replace(self._file)

    def delete(self) -> None:
        """Delete the folder with all data. Servers must be stopped."""
        shutil.rmtree(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, which is created with it.

        Of two commands that change one sandbox, the second waits for the first.

        Raises:
            FolderUnusable: the folder cannot be created or written.
        """
        lock = self._acquire()
        while not self._is_current(lock):  # deleted with the folder during the wait
            lock.close()
            lock = self._acquire()
        with lock:
            yield

    def _acquire(self) -> TextIO:
        if "," in str(self.path):
            raise FolderUnusable(f"Kafka cannot use a path with a comma: {self.path}. Choose another with SANDBOX_DIR.")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._lock.open("a")
        except FileNotFoundError:  # the folder was deleted between the two
            return self._acquire()
        except OSError as error:
            raise FolderUnusable(
                f"{self.path} cannot be used: {error.strerror}. Choose another folder with SANDBOX_DIR."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("Another sandbox command is working in %s. Waiting for it to finish.", self.path)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def _is_current(self, lock: TextIO) -> bool:
        try:
            return os.path.samestat(os.fstat(lock.fileno()), self._lock.stat())
        except FileNotFoundError:
            return False
