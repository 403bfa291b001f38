"""What the servers of a sandbox have in common."""

import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path

import psutil

from sandbox import processes
from sandbox.state import SandboxState


class Server(ABC):
    """One server of a sandbox, with data and log in a folder of its name."""

    name: str
    purposes: tuple[str, ...]
    """The ports it listens on, as State names them; the first is the one that clients connect to."""
    polite_signal = signal.SIGTERM
    """Makes it stop by itself, quickly and without losses."""

    def __init__(self, folder: Path) -> None:
        """Store the folder.

        Args:
            folder: the sandbox's.
        """
        self.home = folder / self.name
        self.data = self.home / "data"
        self.draft = self.home / "draft"
        """Data is created here and moved when complete, so an interrupted first start leaves only this folder."""
        self.log = self.home / f"{self.name}.log"

    @abstractmethod
    def process(self) -> psutil.Process | None:
        """Return the running server, or None."""

    @abstractmethod
    def start(self, state: SandboxState) -> None:
        """Start the server, which does not run, and wait until it answers.

        Its data is created at the first start.

        Raises:
            ServerRefused: it did not start.
            SandboxError: something that it needs is missing; see sandbox.errors.
        """

    def clear_draft(self, program: str, arguments: list[str]) -> None:
        """Remove what an interrupted first start left behind.

        That is its files, and its program, which outlives a killed `up`.
        """
        if leftover := processes.find(program, arguments):
            processes.stop(leftover, signal.SIGKILL)
        if self.draft.exists():
            shutil.rmtree(self.draft)

    def stop(self) -> None:
        """Stop the server, if it runs. Everything that it confirmed to its clients is kept."""
        if server := self.process():
            processes.stop(server, self.polite_signal)

    def kill(self) -> None:
        """End the server, if it runs, as a crash would."""
        if server := self.process():
            processes.stop(server, signal.SIGKILL)
