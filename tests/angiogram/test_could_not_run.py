"""Every try leaves a run, an alert and a status, however early it fails and whatever ends it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg2.extensions import connection

from angiogram.core.environment import ALERT_URLS
from angiogram.core.errors import KeyMismatch, RunInHand, SeedError, UnsupportedProject
from angiogram.dbt.project import Project
from angiogram.operate.status import EXIT_CODE_BY_STATE, State, status
from angiogram.run import passage, steps
from angiogram.store import lease, runs
from ingestion.errors import DatabaseUnavailable, IngestionError, KafkaUnavailable, SchemaOutdated, SettingsError
from tests.angiogram.conftest import ANGIOGRAM, PROJECT, Outcome
from tests.angiogram.recorded import record, report
from tests.angiogram.test_alert import Inbox, inbox

__all__ = ["inbox"]

DAY = timedelta(hours=26)


@pytest.fixture
def database(
    pipeline: None, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, connect_as: Callable[..., connection]
) -> connection:
    """A database whose only run was healthy; alerts go to the inbox."""
    monkeypatch.setenv(ALERT_URLS, f"json://{inbox.place}")
    with connect_as("owner").cursor() as query:
        query.execute("truncate angiogram.runs, angiogram.mutes, angiogram.alerts, angiogram.differences")
    opened = connect_as("angiogram")
    record(opened, report("20260601T070000Z-aaaaaa", []))
    return opened


def try_to_run() -> None:
    """The first step, as Airflow takes it."""
    steps.begin(wait=0)


def assert_left(database: connection, inbox: Inbox, error: str) -> runs.Run:
    """The latest run could not run because of an error: it is over, and an alert and the status say so."""
    (run,) = runs.last(database, 1)
    assert (run.verdict, run.in_hand) == ("could_not_run", False)
    assert run.finished_at is not None
    assert error in run.report["error"]
    assert [message["title"] for message in inbox.received] == ["Angiogram: could not run"]
    assert error in inbox.received[0]["message"]
    found = status(database, DAY)
    assert (found.state, EXIT_CODE_BY_STATE[found.state], found.verdict) == (State.COULD_NOT_RUN, 2, "healthy")
    assert error in found.sentence()
    return run


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        pytest.param({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, KafkaUnavailable, id="Kafka is away"),
        pytest.param({"KAFKA_BOOTSTRAP_SERVERS": ""}, SettingsError, id="Kafka is not set"),
        pytest.param({"FRONT_DOOR_URL": "http://127.0.0.1:1", "FRONT_DOOR_API_KEY": ""}, SettingsError, id="no key"),
        pytest.param({"DYE_KEY": ""}, SettingsError, id="no dye key"),
    ],
)
def test_surroundings_that_lack_something(
    database: connection,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    error: type[IngestionError],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error):
        try_to_run()
    assert_left(database, inbox, error.__name__)


def test_a_key_that_the_loader_does_not_know(
    database: connection, inbox: Inbox, connect_as: Callable[..., connection]
) -> None:
    with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
        query.execute(
            "insert into raw.loaders (loader_id, host, pid, backend_pid, mode, key_fingerprints)"
            " values (gen_random_uuid(), 'elsewhere', 1, 1, 'until_caught_up', '{0123456789abcdef}')"
        )
        try:
            with pytest.raises(KeyMismatch):
                try_to_run()
        finally:
            query.execute("delete from raw.loaders where host = 'elsewhere'")
    assert_left(database, inbox, "KeyMismatch")


def test_a_schema_that_is_outdated(database: connection, inbox: Inbox, connect_as: Callable[..., connection]) -> None:
    with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
        query.execute("update raw.schema_migrations set number = -number where number = 12 returning number")
        try:
            with pytest.raises(SchemaOutdated):
                try_to_run()
        finally:
            query.execute("update raw.schema_migrations set number = -number where number = -12")
    assert_left(database, inbox, "SchemaOutdated")


def test_another_run_that_outlasts_the_wait(database: connection, inbox: Inbox) -> None:
    holder = lease.take(database, 60, 0, print)
    with pytest.raises(RunInHand):
        try_to_run()
    runs.release(database, holder)
    run = assert_left(database, inbox, "RunInHand")
    assert run.run_id != holder


def test_a_project_that_is_not_there(database: connection, inbox: Inbox, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedProject):
        passage.Passage(lambda: Project(tmp_path), 0, print).run()
    assert_left(database, inbox, "UnsupportedProject")


def test_a_run_whose_lease_ran_out_is_a_failure_at_once_and_told_when_the_next_one_takes_over(
    database: connection, inbox: Inbox
) -> None:
    dead = lease.take(database, 0, 0, print)
    found = status(database, DAY)
    assert (found.state, found.failure and found.failure.run_id) == (State.COULD_NOT_RUN, dead)
    run_id = steps.begin(lease=600)
    assert [message["title"] for message in inbox.received] == ["Angiogram: could not run"]
    assert "its lease expired" in inbox.received[0]["message"]
    runs.release(database, run_id)


def test_without_postgresql_the_alert_is_sent_all_the_same(
    database: connection, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("dbt_project.yml", "angiogram.yml"):
        shutil.copy(PROJECT / name, tmp_path)
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(DatabaseUnavailable):
        try_to_run()
    (message,) = inbox.received
    assert message["title"] == "Angiogram: could not run"
    assert "DatabaseUnavailable" in message["message"]


def test_a_try_made_while_postgresql_was_away_is_recorded_by_the_next_run(
    database: connection, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("dbt_project.yml", "angiogram.yml"):
        shutil.copy(PROJECT / name, tmp_path)
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    with monkeypatch.context() as away:
        away.setenv("PGPORT", "1")
        with pytest.raises(DatabaseUnavailable):
            try_to_run()
    assert len(runs.last(database, 10)) == 1
    run_id = steps.begin(lease=600)
    runs.release(database, run_id)
    current, tried, _ = runs.last(database, 10)
    assert current.run_id == run_id
    assert (tried.verdict, tried.in_hand) == ("could_not_run", False)
    assert "DatabaseUnavailable" in tried.report["error"]
    again = steps.begin(lease=600)
    runs.release(database, again)
    assert [run.run_id for run in runs.last(database, 10)][1:3] == [run_id, tried.run_id]


def test_a_step_that_fails_leaves_its_error_to_whoever_ends_the_run(
    database: connection, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In Airflow each step is a task, and the task `finish`, which comes last, knows of no error."""
    run_id = steps.begin(lease=600)
    for name in ("dbt_project.yml", "angiogram.yml"):
        shutil.copy(PROJECT / name, tmp_path)
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    with pytest.raises(SeedError):
        steps.build_batch(run_id, 1)
    steps.finish(run_id)
    assert_left(database, inbox, f"SeedError: The seed dye_rides.csv is missing below {tmp_path}/seeds")


@pytest.mark.parametrize(
    ("sent", "told"), [(signal.SIGTERM, "interrupted by SIGTERM"), (signal.SIGINT, None)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_run_that_is_ended_while_it_waits(
    database: connection, inbox: Inbox, sent: signal.Signals, told: str | None
) -> None:
    """Whoever pressed Ctrl-C knows of it; of a SIGTERM nobody does."""
    holder = lease.take(database, 60, 0, print)
    with subprocess.Popen([*ANGIOGRAM, "run"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "Waiting for it to end" in line)
        process.send_signal(sent)
        process.communicate(timeout=60)
    assert process.returncode == 130
    runs.release(database, holder)
    if told:
        assert_left(database, inbox, told)
        return
    (run,) = runs.last(database, 1)
    assert (run.verdict, run.report["error"]) == ("could_not_run", "interrupted")
    assert inbox.received == []
    assert status(database, DAY).state is State.HEALTHY


def test_the_command_prints_the_id_of_a_run_that_never_began(
    database: connection, inbox: Inbox, angiogram: Callable[..., Outcome]
) -> None:
    outcome = angiogram("run", "--json", DYE_KEY="")
    assert outcome.code == 2
    assert runs.read(database, outcome.report()["run_id"]).verdict == "could_not_run"
    shown = angiogram("status")
    assert (shown.code, "could not run: SettingsError" in shown.stdout) == (2, True)
    assert "Healthy by the verdict of" in shown.stdout
    steps.finish(outcome.report()["run_id"])
    assert len(inbox.received) == 1
