"""Each kind of error that PostgreSQL may answer with has a sentence, told without a traceback."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection

from ingestion.command_line import run
from ingestion.database.errors import sentence

Connect = Callable[..., connection]

PROVOKED = {
    "connection-cut": ("select pg_terminate_backend(pg_backend_pid())", "The connection to PostgreSQL was lost"),
    "cancelled": ("set statement_timeout = 1; select pg_sleep(10)", "cancelled a statement"),
    "locked": ("set lock_timeout = 1; lock table raw.taxi_rides in share mode", "Another session held a lock"),
    "read-only": ("begin read only; create table raw.t ()", "accepts no writes"),
    "no-table": ("select from raw.no_such_table", "A table is missing"),
    "no-schema": ("create table no_such_schema.t ()", "A schema is missing"),
    "no-right": ("set role marts_reader; select from raw.taxi_rides", "A right is missing"),
    "too-complex": ("select array_fill(0, array[100000, 100000])", "A limit of PostgreSQL is exceeded"),
}


@pytest.mark.parametrize(("statement", "told"), PROVOKED.values(), ids=PROVOKED.keys())
def test_an_error_of_the_server_is_told_in_a_sentence(
    fresh_database: str,
    connect_as: Connect,
    capsys: pytest.CaptureFixture[str],
    statement: str,
    told: str,
) -> None:
    holder = connect_as("postgres").cursor()
    holder.execute("begin; lock table raw.taxi_rides in row exclusive mode")

    def command() -> None:
        connect_as("postgres").cursor().execute(statement)

    with pytest.raises(SystemExit) as ended:
        run(command, "a program", lambda _: None)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert told in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_two_that_wait_for_each_other_are_told(fresh_database: str, connect_as: Connect) -> None:
    first, second = connect_as("postgres").cursor(), connect_as("postgres").cursor()
    first.execute("begin; lock table raw.taxi_rides")
    second.execute("begin; lock table raw.dead_letters")
    errors: list[psycopg2.Error] = []

    def lock(query: Any, table: str) -> None:
        try:
            query.execute(f"lock table raw.{table}; rollback")
        except psycopg2.Error as error:
            errors.append(error)

    other = threading.Thread(target=lock, args=(first, "dead_letters"))
    other.start()
    lock(second, "taxi_rides")
    other.join()
    [error] = errors
    assert "rolled back a transaction because of another one" in (sentence(error) or "")


def test_a_connection_that_is_closed_is_told(fresh_database: str, connect_as: Connect) -> None:
    session = connect_as("postgres")
    session.close()
    with pytest.raises(psycopg2.InterfaceError) as closed:
        session.cursor()
    assert "was lost: connection already closed. Is it running" in (sentence(closed.value) or "")


@pytest.mark.parametrize("statement", ["selct 1", "select 1 / 0", "select 'x'::text <= 1"])
def test_a_mistake_of_the_programs_own_is_told_with_its_traceback(
    fresh_database: str, connect_as: Connect, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(lambda: connect_as("postgres").cursor().execute(statement), "a program", lambda _: None)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "Traceback" in said
    assert "is an unexpected error in a program. Please report it" in said
