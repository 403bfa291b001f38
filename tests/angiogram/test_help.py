"""`angiogram --help` lists every command by its task, at once: it imports none of them."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from angiogram.cli.main import COMMANDS, app
from tests.angiogram.conftest import PROJECT

NAMES = [name for commands in COMMANDS.values() for name in commands]
HEAVY = ("dbt", "httpx", "kafka", "msgspec", "psycopg2", "pydantic", "sqlglot")


def help_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_help_has_the_commands_in_groups_the_main_one_first() -> None:
    text = help_of()
    places = [text.index(word) for word in (*COMMANDS, "Send the dye once")]
    assert places[:-1] == sorted(places[:-1])
    assert places[0] < places[-1] < places[1]
    assert all(f"│ {name} " in text for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_says_the_same_in_the_list_and_by_itself(name: str) -> None:
    listed = help_of().partition(f"│ {name} ")[2].partition("│")[0].strip()
    assert listed
    assert listed in help_of(name)


def test_help_imports_no_command_and_none_of_what_they_need() -> None:
    code = (
        "import sys; from angiogram.cli.main import app; app(['--help'], standalone_mode=False); "
        f"print(*(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == ""


def test_a_command_that_is_none_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["runn"])
    assert (result.exit_code, "No such command 'runn'" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("se", ["settings", "sensitivity"]),
        ("run --ag", ["--against"]),
        ("accept fct_", ["fct_rejected_rides", "fct_rides"]),
    ],
)
def test_the_shell_completes_commands_options_and_models(typed: str, completed: list[str]) -> None:
    words = f"angiogram {typed}"
    asked = {"_ANGIOGRAM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [
        sys.executable,
        "-c",
        "from angiogram.cli.main import main; import sys; sys.argv[0] = 'angiogram'; main()",
    ]
    place = {"DBT_PROJECT_DIR": str(PROJECT)}
    done = subprocess.run(command, env={**os.environ, **place, **asked}, check=True, capture_output=True, text=True)
    assert done.stdout.split() == completed
