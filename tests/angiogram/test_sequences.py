"""A short pass of random sequences, the same ones each time; `make torture` plays as many as it has time for."""

import pytest
from hypothesis.stateful import run_state_machine_as_test

from sandbox.services import Sandbox
from tests.angiogram.sequences import Sequences
from tests.short_pass import short_pass


# dbt leaves its log open when it is run again in the same process.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*dbt.log:pytest.PytestUnraisableExceptionWarning")
def test_no_run_is_answered_by_what_another_left(sandbox: Sandbox) -> None:
    run_state_machine_as_test(Sequences, settings=short_pass(6))  # type: ignore[no-untyped-call]
