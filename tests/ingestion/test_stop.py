"""A signal may come at any moment, also while another one is handled."""

import subprocess
import sys

import pytest

SIGNALS_AT_EACH_STEP = """
import signal, sys
from ingestion.stop import on_signals

def interrupt(frame, event, argument):
    signal.raise_signal(signal.SIGTERM)
    return interrupt

stop = on_signals()
sys.settrace(interrupt)
{}
sys.settrace(None)
assert stop.is_set() and stop.wait()
"""


@pytest.mark.parametrize("step", ["stop.wait(0.1)", "stop.set()", "stop.is_set()"])
def test_a_signal_at_any_step_of_the_main_thread_is_heard(step: str) -> None:
    subprocess.run([sys.executable, "-c", SIGNALS_AT_EACH_STEP.format(step)], timeout=30, check=True)
