"""The extras: what each brings, what imports it, and the command that installs it."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from ingestion.extras import EXTRAS, OF_A_USER, command_from

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALLED_BY = {"dbt-common": "dbt-core", "agate": "dbt-core", "requests": "jgo", "starlette": "fastapi"} | {
    "markupsafe": "jinja2",
    "duckdb": "dbt-duckdb",
}
"""Packages that we import and that another one of ours brings."""

WITHOUT_KAFKA = ("kafka", "confluent_kafka", "httpx", "fastapi", "uvicorn", "apprise", "tenacity", "pyarrow", "airflow")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0].lower() for text in requirements}


def imported() -> Iterator[tuple[str, Path]]:
    """The outermost packages that our modules import, with the module."""
    for package in ("angiogram", "ingestion", "taxi", "sandbox"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((alias.name.partition(".")[0], path) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.partition(".")[0], path


def test_each_package_that_we_import_is_required_by_the_wheel_or_by_the_extra_that_names_it() -> None:
    always, of_extras = names(PROJECT["dependencies"]), PROJECT["optional-dependencies"]
    distributions = packages_distributions()
    own = {"angiogram", "ingestion", "taxi", "sandbox"}
    wrong = set()
    for module, path in imported():
        if module in own or module in sys.stdlib_module_names:
            continue
        found = {name.lower().replace("_", "-") for name in distributions.get(module, [])}
        brought_by = {INSTALLED_BY.get(name, name) for name in found}
        extras = [extra for extra, modules in EXTRAS.items() if module in modules]
        allowed = (
            names(of_extras[extras[0]]) if extras else always | (names(of_extras["dev"]) if is_dev(path) else set())
        )
        if not brought_by & allowed:
            wrong.add((module, str(path.relative_to(ROOT))))
    assert not wrong


def is_dev(path: Path) -> bool:
    """Whether a module is part of the sandbox, which asks for the extra `dev` before it starts."""
    return path.is_relative_to(ROOT / "sandbox")


def test_all_is_made_of_the_extras_of_a_user_and_dev_has_it_too() -> None:
    extras = PROJECT["optional-dependencies"]
    assert extras["all"] == [f"data-angiogram[{','.join(OF_A_USER)}]"]
    assert "data-angiogram[all]" in extras["dev"]
    assert set(EXTRAS) == {*OF_A_USER, "dev"} == set(extras) - {"all"}


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({}, "pip install 'data-angiogram[kafka]'"),
        (
            {"url": "file:///tmp/data_angiogram-0.1.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'data-angiogram[kafka] @ file:///tmp/data_angiogram-0.1.0-py3-none-any.whl'",
        ),
        ({"url": "file:///my%20code", "dir_info": {}}, "pip install '/my code[kafka]'"),
        ({"url": "file:///code", "dir_info": {"editable": True}}, "pip install --editable '/code[kafka]'"),
        (
            {"url": "https://example.org/repo.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'data-angiogram[kafka] @ git+https://example.org/repo.git@abc'",
        ),
    ],
    ids=["index", "wheel", "folder", "editable", "git"],
)
def test_the_command_installs_an_extra_from_where_the_package_came(origin: dict[str, Any], command: str) -> None:
    assert command_from(origin, "kafka") == command


@pytest.mark.parametrize(
    ("imports", "told"),
    [
        ("angiogram.cli.run_cli, angiogram.cli.accept_cli, angiogram.cli.sensitivity_cli, angiogram.cli.pages_cli", ""),
        ("angiogram.cli.operations_cli, angiogram.run.passage, angiogram.run.walk", ""),
        (
            "ingestion.cli, ingestion.migrations, ingestion.database.roles, taxi.commands, ingestion.upkeep.retention",
            "",
        ),
        ("ingestion.dead_letters.cli, ingestion.bulk.cli, ingestion.dead_letters.unverified_dye_cli", ""),
        (
            "ingestion.topic.admin",
            "ExtraMissing: This needs the extra `kafka`: kafka is not installed. Run pip install ",
        ),
        ("ingestion.front_door.app", "ExtraMissing: This needs the extra `kafka`: fastapi is not installed. Run pip "),
        ("ingestion.loader.reading.source", "ExtraMissing: This needs the extra `kafka`: kafka is not installed. Run "),
    ],
)
def test_what_needs_no_client_of_kafka_imports_without_and_what_needs_one_says_the_extra(
    imports: str, told: str
) -> None:
    forbidden = f"import sys; sys.modules.update(dict.fromkeys({WITHOUT_KAFKA})); "
    done = subprocess.run(
        [sys.executable, "-c", f"{forbidden}import {imports}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert bool(done.returncode) == bool(told), done.stderr
    assert told in (done.stderr.splitlines() or [""])[-1]
