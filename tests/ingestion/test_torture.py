"""A short `make torture`: kills, cuts and restarts under a stream that never pauses lose and repeat nothing."""

import pytest

from benchmarks.torments import TORMENTS
from benchmarks.torture import page, torture
from sandbox.services import Sandbox


def test_each_message_is_loaded_once_whatever_is_done_to_the_loader(
    sandbox: Sandbox, fresh_database: str, fresh_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYE_KEY", "key of the dye for tests")
    ordeals, last, acknowledged = torture(sandbox, seed=1, share=0.04, per_second=4_000)
    assert [ordeal.name for ordeal in ordeals] == list(TORMENTS)
    assert all(ordeal.judgement.clean for ordeal in ordeals), ordeals
    assert last.clean
    assert last.expected >= acknowledged > 0
    assert "exactly once" in page(ordeals, last, acknowledged, 1)
