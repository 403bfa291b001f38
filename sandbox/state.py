"""What a sandbox remembers: its folder, ports and secrets. Which servers run is not remembered but looked up.

The folder holds state.json (mode 0600), lock, and a folder of data and log for each server. Once made, the secrets stay
as they are until the folder is deleted.
"""

import fcntl
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ingestion.settings import ROLE_PASSWORDS
from sandbox.errors import DiskFull, NoSandbox, NotASandbox, StateUnreadable

PROJECT = Path(__file__).resolve().parents[1]
"""The checkout that this package belongs to."""

MINIMUM_FREE_BYTES = 512 * 1024 * 1024
"""Room that servers need to start: a full disk ends PostgreSQL and Kafka in the middle of a write."""

SECRETS = ("PG_ADMIN_PASSWORD", *ROLE_PASSWORDS.values(), "RIDES_API_KEY", "DYE_KEY")
"""Variables whose values are drawn at the first start."""


def default_folder() -> Path:
    """SANDBOX_DIR, or `.sandbox` in the checkout."""
    return Path(os.environ.get("SANDBOX_DIR") or PROJECT / ".sandbox").resolve()


@dataclass
class State:
    """What state.json holds."""

    ports: dict[str, int] = field(default_factory=dict)
    """Port on 127.0.0.1 by purpose: postgres, kafka, kafka_controller."""

    secrets: dict[str, str] = field(default_factory=dict)
    """Value by variable, see SECRETS."""

    def draw_missing_secrets(self) -> None:
        """Draw those of SECRETS that are not there yet."""
        for name in SECRETS:
            self.secrets.setdefault(name, secrets.token_urlsafe(24))


class StateFolder:
    """The folder of one sandbox on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path / "state.json"

    @property
    def exists(self) -> bool:
        """Whether a sandbox was started here, be it only half."""
        return self._file.exists()

    def make(self) -> None:
        """Make the folder for its owner alone, if it is absent.

        Raises:
            NotASandbox: it holds something, and no sandbox made it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.exists and (
            strangers := sorted({p.name for p in self.path.iterdir()} - {"lock", "state.json.new"})
        ):
            raise NotASandbox(
                f"{self.path} is no sandbox, but holds {', '.join(strangers[:3])}. "
                "Choose an empty folder with SANDBOX_DIR."
            )
        self.path.chmod(0o700)

    def check_room(self) -> None:
        """Refuse to start servers on a disk that is nearly full.

        Raises:
            DiskFull: less than MINIMUM_FREE_BYTES are free.
        """
        free = shutil.disk_usage(self.path).free
        if free < MINIMUM_FREE_BYTES:
            raise DiskFull(
                f"Only {free // 2**20} MiB are free where {self.path} lies, the sandbox needs "
                f"{MINIMUM_FREE_BYTES // 2**20} MiB. Make room, or choose another disk with SANDBOX_DIR."
            )

    def load(self) -> State:
        """Read state.json.

        Raises:
            NoSandbox: there is none.
            StateUnreadable: it is damaged.
        """
        try:
            return State(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            raise NoSandbox(f"There is no sandbox in {self.path}. Run `sandbox up` first.") from None
        except (ValueError, TypeError) as error:
            raise StateUnreadable(
                f"{self._file} cannot be read ({error}). `sandbox down --delete` and `sandbox up` begin anew; "
                "the data of the sandbox is lost with it."
            ) from error

    def save(self, state: State) -> None:
        """Write state.json, whole or not at all, readable by its owner alone."""
        draft = self.path / "state.json.new"
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(state), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)

    def delete(self) -> None:
        """Delete the folder with all data. Servers must be stopped."""
        shutil.rmtree(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock: of two commands that change one sandbox the second waits for the first."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"Another sandbox command is at work in {self.path}; waiting for it.", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
