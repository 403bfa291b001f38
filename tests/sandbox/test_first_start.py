"""What holds before, during and after the first `sandbox up`."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from sandbox import jars, state
from sandbox.errors import DiskFull, FolderUnusable
from sandbox.services import Sandbox
from sandbox.settings import SandboxSettings
from sandbox.state import StateFolder
from tests.sandbox.conftest import COMMAND, Run, environment_for

pytestmark = pytest.mark.servers

DEADLINE_SECONDS = 120


def await_condition(holds: Callable[[], bool], command: "subprocess.Popen[str]") -> None:
    """Wait until the condition holds; it has to before the command ends."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert command.poll() is None, "the command ended before the condition held"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def start_up(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([COMMAND, "up"], env=environment_for(folder), stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("command", [("env",), ("env", "--json"), ("down",)], ids=" ".join)
def test_without_a_sandbox_the_commands_say_so_and_exit_2(run: Run, folder: Path, command: tuple[str, ...]) -> None:
    done = run(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(folder) in done.stderr
    assert not folder.exists()


def test_without_a_sandbox_status_shows_nothing_running_and_exits_1(run: Run) -> None:
    done = run("status", "--json")
    assert done.returncode == 1
    assert [(s["service"], s["running"], s["pid"]) for s in json.loads(done.stdout)] == [
        ("postgres", False, None),
        ("kafka", False, None),
    ]


def test_up_and_down_delete_leave_nothing_behind(run: Run, folder: Path) -> None:
    assert run("up").returncode == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o600
    status = run("status")
    assert status.returncode == 0
    assert [line.split()[:2] for line in status.stdout.splitlines()] == [
        ["service", "running"],
        ["postgres", "yes"],
        ["kafka", "yes"],
    ]
    assert run("down", "--delete").returncode == 0
    assert not folder.exists()
    assert run("status").returncode == 1


def test_a_cluster_id_that_begins_like_an_option_is_no_obstacle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.kafka.uuid.uuid4", lambda: UUID(int=0xF8 << 120))
    sandbox = Sandbox(folder)
    sandbox.up()
    assert all(status.running for status in sandbox.status())


def test_servers_whose_folder_was_deleted_under_them_are_replaced(folder: Path) -> None:
    sandbox = Sandbox(folder)
    sandbox.up()
    before = {status.pid for status in sandbox.status()}
    while folder.exists():  # the servers still write into it: a file made meanwhile ends one pass
        shutil.rmtree(folder, ignore_errors=True)
    sandbox.up()
    assert all(status.running for status in sandbox.status())
    assert before.isdisjoint({status.pid for status in sandbox.status()})


def test_two_at_once_make_one_sandbox(folder: Path) -> None:
    commands = [start_up(folder) for _ in range(2)]
    messages = [command.communicate()[1] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], messages
    assert "Waiting for it to finish" in "".join(messages)
    assert all(status.running for status in Sandbox(folder).status())


@pytest.mark.parametrize("part", ["postgres", "kafka"])
def test_a_killed_first_start_is_begun_over(folder: Path, run: Run, part: str) -> None:
    with start_up(folder) as command:
        await_condition((folder / part / "draft").exists, command)
        command.kill()
    assert not (folder / part / "data").exists()
    done = run("up")
    assert done.returncode == 0, done.stderr
    assert run("status").returncode == 0


def test_ctrl_c_stops_what_up_had_started(folder: Path) -> None:
    sandbox = Sandbox(folder)
    with start_up(folder) as command:
        await_condition(lambda: sandbox.status()[1].pid is not None, command)  # PostgreSQL is up, Kafka is coming
        assert sandbox.status()[0].running
        command.send_signal(signal.SIGINT)
        assert command.stderr is not None
        message = command.stderr.read()
    assert command.returncode == 130
    assert "had started are stopped" in message
    assert [status.pid for status in sandbox.status()] == [None, None]


def test_a_folder_of_other_things_is_refused_and_left_alone(run: Run, folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for command in (("up",), ("down", "--delete")):
        assert run(*command).returncode == 2
    assert (folder / "thesis.txt").read_text() == "years of work"
    with pytest.raises(FolderUnusable, match=r"thesis\.txt"):
        Sandbox(folder).up()
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(run: Run, folder: Path) -> None:
    folder.write_text("a file")
    done = run("up")
    assert done.returncode == 2
    assert str(folder) in done.stderr


def test_a_full_disk_is_noticed_before_anything_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MINIMUM_FREE_BYTES", shutil.disk_usage("/").total * 1000)
    with pytest.raises(DiskFull, match="SANDBOX_DIR"):
        Sandbox(folder).up()
    assert not (folder / "postgres").exists()


def test_what_a_killed_start_leaves_is_no_strangers(tmp_path: Path) -> None:
    """It may die between writing state.json.new and giving it its name."""
    for name in ("lock", "state.json.new"):
        (tmp_path / name).touch()
    StateFolder(tmp_path).refuse_strangers()


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already")
def test_an_ordinary_user_needs_no_root() -> None:
    user = pwd.getpwnam("nobody")
    drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    if subprocess.run([*drop, "test", "-r", jars.LOCK_FILE], check=False).returncode:
        pytest.skip("the checkout lies in a folder that an ordinary user may not enter")
    parent = Path(tempfile.mkdtemp(prefix="sandbox-of-nobody-"))  # pytest's own folders are root's alone
    try:
        shutil.copytree(SandboxSettings.from_environment().cache, parent / "cache")
        subprocess.run(["chown", "-R", "nobody", parent], check=True)
        environment = environment_for(parent / "sandbox") | {"SANDBOX_CACHE_DIR": str(parent / "cache")}
        for command in (("up",), ("status",), ("down", "--delete")):
            done = subprocess.run(
                [*drop, COMMAND, *command], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(parent)
