"""The GitHub Action, the GitLab template and the pre-commit hook: their own commands, run on a project."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.angiogram.edits import edit

pytestmark = pytest.mark.projects
ROOT = Path(__file__).parents[3]


def run(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as the runners do: bash, which ends at the first error."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    variables = {**os.environ, "PATH": path, **environment}
    return subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True)


def without_network(bakery: Path) -> None:
    """Take the package's entry away, whose files are in place: the tests of init let dbt fetch it."""
    (bakery / "packages.yml").unlink()


@pytest.mark.parametrize(("mistake", "code", "verdict"), [("", 0, "healthy"), ("max(", 1, "blocked")])
def test_the_action_gives_the_verdict(bakery: Path, tmp_path: Path, mistake: str, code: int, verdict: str) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (step,) = (step for step in action["runs"]["steps"] if step.get("id") == "run")
    inputs = {name: one["default"] for name, one in action["inputs"].items()}
    given = {name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: inputs[m[1]], v) for name, v in step["env"].items()}
    without_network(bakery)
    if mistake:
        edit(bakery / "models/sales/sales_by_day.sql", "sum(", mistake)
    told = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    done = run(step["run"], bakery, given | told)
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "output").read_text(encoding="utf-8") == f"verdict={verdict}\n"
    assert verdict in (tmp_path / "summary.md").read_text(encoding="utf-8").lower()
    assert (bakery / "angiogram.html").is_file()


def test_the_template_gives_the_verdict_and_its_cases(bakery: Path) -> None:
    head, body = (ROOT / "templates/angiogram.yml").read_text(encoding="utf-8").split("\n---\n")
    inputs: dict[str, Any] = yaml.safe_load(head)["spec"]["inputs"]
    job = yaml.safe_load(re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda m: inputs[m[1]]["default"], body))["angiogram"]
    without_network(bakery)
    edit(bakery / "models/sales/sales_by_day.sql", "sum(", "max(")
    place = {"CI_PROJECT_DIR": str(bakery)}
    install, enter = job["before_script"]
    assert install.startswith("python -m pip install")
    assert run("\n".join([enter, *job["script"]]), bakery, place).returncode == 1
    assert run("\n".join(job["after_script"]), bakery, place).returncode == 0
    for file in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert "sales_by_day" in (bakery / file).read_text(encoding="utf-8")


def test_the_hook_is_a_command_that_stands() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("angiogram", "python", False)
    program, command, option = hook["entry"].split()
    assert option in run(f"COLUMNS=200 {program} {command} --help", ROOT, {}).stdout
