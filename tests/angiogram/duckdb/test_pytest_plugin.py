"""`pytest --angiogram`: each watched model is a test of its own, in the words of the report."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.angiogram.edits import edit

pytestmark = pytest.mark.projects


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project, whose one test of its own passes, without what this suite's workers tell theirs."""
    (folder / "test_own.py").write_text("def test_own() -> None:\n    pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_a_wrong_model_fails_its_own_test_and_says_which_cells(bakery: Path) -> None:
    healthy = run_pytest(bakery, "--angiogram", "-v")
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    tests = re.findall(r"angiogram::(\w+)", healthy.stdout)
    assert {"sales_by_day", "verdict"} <= set(tests)
    assert f"{len(set(tests)) + 1} passed" in healthy.stdout
    edit(bakery / "models/sales/sales_by_day.sql", "sum(", "max(")
    wrong = run_pytest(bakery, "--angiogram", "-k", "angiogram")
    assert wrong.returncode == 1
    assert "model:sales_by_day: " in wrong.stdout
    assert "Traceback" not in wrong.stdout
    assert re.search(r"1 failed, \d+ passed, 1 deselected", wrong.stdout), wrong.stdout


def test_without_the_option_nothing_is_built_and_with_workers_it_is_refused(bakery: Path) -> None:
    assert "1 passed" in run_pytest(bakery).stdout
    refused = run_pytest(bakery, "--angiogram", "-n", "2")
    assert (refused.returncode, "without -n" in refused.stderr) == (4, True)


def test_a_project_that_is_none_is_one_sentence(bakery: Path) -> None:
    (bakery / "profiles.yml").write_text("{}", encoding="utf-8")
    refused = run_pytest(bakery, "--angiogram")
    assert (refused.returncode, "Traceback" in refused.stderr) == (4, False), refused.stdout
    assert "--angiogram: " in refused.stderr
