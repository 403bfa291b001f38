"""A copy of the dbt project that a test may break, and dbt run on it as a command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import commands

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

NO_HUB = "http://127.0.0.1:1/"
"""A package hub that never answers: nothing listens on port 1."""


@dataclass(frozen=True)
class DbtRun:
    """How a dbt command ended."""

    exit_code: int
    output: str
    statuses: Mapping[str, str]
    """Status of each node by its name: success, pass, fail, warn, error, skipped."""

    def failed(self) -> set[str]:
        """Names of the tests that failed."""
        return {name for name, status in self.statuses.items() if status == "fail"}


@dataclass(frozen=True)
class DbtProject:
    """A dbt project in a folder of its own."""

    folder: Path

    def run(self, *arguments: str, **environment: str) -> DbtRun:
        """Run dbt with the arguments; `environment` is put over the process's own."""
        results = self.folder / "target" / "run_results.json"
        results.unlink(missing_ok=True)
        dbt = commands.run(
            "dbt.cli.main:cli", self._command(arguments), environment=self._around(environment), folder=self.folder
        )
        statuses = {}
        if results.exists():
            for result in json.loads(results.read_text(encoding="utf-8"))["results"]:
                kind, _, name, *_ = result["unique_id"].split(".")
                if kind != "operation":
                    statuses[name] = result["status"]
        return DbtRun(dbt.code, dbt.stdout + dbt.stderr, statuses)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start dbt in a process of its own, which a test may kill."""
        return subprocess.Popen(
            [Path(sys.executable).with_name("dbt"), *self._command(arguments)],
            cwd=self.folder,
            env=self._around(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _command(self, arguments: Sequence[str]) -> list[str | Path]:
        return ["--no-use-colors", *arguments, "--project-dir", self.folder, "--profiles-dir", self.folder]

    def _around(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The process's environment. The sandbox's points dbt at the checkout; the copy has its own folders."""
        return {name: value for name, value in os.environ.items() if name != "DBT_PROJECT_DIR"} | dict(environment)

    def manifest(self) -> dict[str, Any]:
        """What dbt knew of the project in its last command."""
        manifest: dict[str, Any] = json.loads((self.folder / "target" / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    def replace(self, path: str, before: str, after: str) -> None:
        """Change a file's text, which must hold `before`."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert before in text, f"{path} no longer holds {before!r}: choose another way to break it"
        file.write_text(text.replace(before, after), encoding="utf-8")


def copy_of_project(folder: Path, hub: str = NO_HUB) -> DbtProject:
    """The dbt project copied into `folder`, with its packages from `hub` or, if that does not answer, the stand-in."""
    project = folder / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target*", "dbt_packages", "logs", ".user.yml"))
    (folder / "dbt_package").symlink_to(PROJECT.parent / "dbt_package")
    installed = install_packages(project, hub)
    assert installed.returncode == 0, installed.stderr
    return DbtProject(project)


def install_packages(project: Path, hub: str) -> "subprocess.CompletedProcess[str]":
    """Run the project's install_packages.py with another package hub."""
    return subprocess.run(
        [sys.executable, str(project / "install_packages.py")],
        env={**os.environ, "DBT_PACKAGE_HUB_URL": hub},
        capture_output=True,
        text=True,
        check=False,
    )
