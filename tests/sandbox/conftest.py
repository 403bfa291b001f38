"""A sandbox of these tests' own, beside the one that the other tests share, and the command as a user types it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.services import Sandbox

COMMAND = Path(sys.executable).with_name("sandbox")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment_for(folder: Path) -> dict[str, str]:
    """This process's environment with SANDBOX_DIR set."""
    return os.environ | {"SANDBOX_DIR": str(folder)}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a sandbox; what runs in it is ended after the test."""
    with tempfile.TemporaryDirectory(prefix="sandbox-own-") as parent:
        path = Path(parent) / "it's a sandbox"  # shells and property files must bear such names
        yield path
        Sandbox(path).kill_postgres()
        Sandbox(path).kill_kafka()


@pytest.fixture
def run(folder: Path) -> Run:
    """Function that runs `sandbox` with the given arguments on the folder."""

    def run_command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [COMMAND, *arguments], env=environment_for(folder), capture_output=True, text=True, check=False
        )

    return run_command


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    """The folder of a sandbox that the tests of a module share: each leaves it usable, none relies on its being up."""
    with tempfile.TemporaryDirectory(prefix="sandbox-shared-") as parent:
        path = Path(parent) / "sandbox"
        yield path
        Sandbox(path).kill_postgres()
        Sandbox(path).kill_kafka()


@pytest.fixture
def own(shared_folder: Path) -> Sandbox:
    """The module's own sandbox, up."""
    sandbox = Sandbox(shared_folder)
    sandbox.up()
    return sandbox
