"""A command that Ctrl-C or SIGTERM stops says what was stopped, and exits with 130."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import closing

import pytest
from psycopg2.extensions import connection

from angiogram.cli.interrupted import interruptible
from angiogram.core import interrupts
from angiogram.dbt.project import Project
from angiogram.store import lease
from tests.angiogram.conftest import ANGIOGRAM
from tests.angiogram.test_live_tables import contents, quiet
from tests.services import connect_as_administrator


@pytest.mark.parametrize(
    ("command", "sent", "told"),
    [
        pytest.param(["run", "--from-seeds"], signal.SIGINT, "The run from the seeds was stopped", id="run"),
        pytest.param(["accept"], signal.SIGTERM, "The models were not compared, and nothing is written.", id="accept"),
    ],
)
def test_a_command_on_the_seeds_says_what_an_interrupt_stopped(
    strange: connection, shop: Callable[..., Project], command: list[str], sent: signal.Signals, told: str
) -> None:
    shop()
    before = contents(strange)
    with closing(connect_as_administrator(os.environ["PGDATABASE"])) as builder:
        lease.hold_tables(builder, "shop", 0, quiet)
        with subprocess.Popen([*ANGIOGRAM, *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            next(line for line in run.stderr if "Waiting for it to end" in line)
            run.send_signal(sent)
            printed, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert printed == ""
    assert said.startswith(f"Interrupted. {told}")
    assert contents(strange) == before


def test_an_interrupt_that_was_lost_on_the_way_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python loses an exception in a destructor."""
    monkeypatch.setattr(interrupts, "_told_to_stop", None)

    @interruptible("The work is stopped.")
    def work() -> None:
        with pytest.raises(KeyboardInterrupt):
            interrupts.interrupt(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().err == "Interrupted. The work is stopped.\n"
