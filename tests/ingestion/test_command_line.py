"""How commands end that cannot run: one line that says why, and exit code 2; 1 is for what was lost."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from sandbox.services import Sandbox

COMMAND = str(Path(sys.executable).with_name("ingestion"))


def run(command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, *command.split()], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("dead-letters export --to /nonexistent/letters", "/nonexistent/letters cannot be written: No such file"),
        ("generate --start 9999-12-31 --rides 50000", "50000 rides from 9999-12-31 on"),
        ("generate --start 0001-01-01 --dirty 1", "from 0001-01-01 on"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(fresh_database: str, fresh_topic: str, command: str, told: str) -> None:
    done = run(command)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_beyond_the_last_one_is_told(sandbox: Sandbox) -> None:
    done = run("api --port 70000")
    assert done.returncode == 2
    assert "65535" in done.stderr


@pytest.mark.parametrize("command", ["retention --older-than 7", "dead-letters list", "dead-letters replay"])
def test_a_database_that_was_not_migrated_is_told(
    fresh_database: str, connect_as: Callable[..., connection], command: str
) -> None:
    with connect_as("postgres").cursor() as query:
        query.execute("drop schema raw cascade; create schema raw authorization taxi_owner")
    done = run(command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SchemaOutdated" in done.stderr
    assert "Run `ingestion migrate`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_table_that_is_missing_is_no_loss(fresh_database: str, connect_as: Callable[..., connection]) -> None:
    with connect_as("postgres").cursor() as query:
        query.execute("drop table raw.dead_letters cascade")
    done = run("retention --older-than 7")
    assert (done.returncode, done.stdout) == (2, "")
    assert "UndefinedTable: A table is missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1
