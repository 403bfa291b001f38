"""The dead man's switch, mute and acknowledge by command, and the last verified time for dashboards."""

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.extensions import connection
from typer.testing import CliRunner

from angiogram.cli.main import app
from angiogram.core.durations import duration, moment, spoken
from angiogram.store import versions
from tests.angiogram.conftest import Outcome
from tests.angiogram.recorded import blocked, record, report

Angiogram = Callable[..., Outcome]
HOUR = timedelta(hours=1)


@pytest.fixture
def database(pipeline: None, connect_as: Callable[..., connection]) -> Iterator[connection]:
    """A database without runs and mutes."""
    with connect_as("owner").cursor() as query:
        query.execute("truncate angiogram.runs, angiogram.mutes, angiogram.alerts, angiogram.differences")
    return connect_as("angiogram")


def test_healthy_and_recent_is_0(angiogram: Angiogram, database: connection) -> None:
    record(database, report("run-1", []), HOUR)
    outcome = angiogram("status")
    assert outcome.code == 0
    assert re.match(r"Healthy by the verdict of .* UTC, 1 h .*ago \(run run-1\)", outcome.stdout)


def test_blocked_is_1_and_names_the_stage(angiogram: Angiogram, database: connection) -> None:
    record(database, report("run-1", []), 2 * HOUR)
    record(database, report("run-2", ["fct_rides"]), HOUR)
    outcome = angiogram("status", "--json")
    found = json.loads(outcome.stdout)
    assert outcome.code == 1
    assert (found["state"], found["run_id"], blocked(found)) == ("blocked", "run-2", ["fct_rides"])
    assert datetime.fromisoformat(found["verified_at"]) < datetime.fromisoformat(found["judged_at"])
    assert 3600 <= found["age"] < 7200


@pytest.mark.parametrize("blockage", [[], ["fct_rides"]], ids=["healthy", "blocked"])
def test_no_verdict_within_the_expected_time_is_2(
    angiogram: Angiogram, database: connection, blockage: list[str]
) -> None:
    record(database, report("run-1", blockage), 27 * HOUR)
    outcome = angiogram("status")
    assert outcome.code == 2
    assert "No verdict within 1 d 2 h" in outcome.stdout
    assert angiogram("status", "--within", "2d").code == len(blockage)


def test_no_run_at_all_is_2(angiogram: Angiogram, database: connection) -> None:
    outcome = angiogram("status")
    assert outcome.code == 2
    assert "angiogram run" in outcome.stdout


def test_a_run_that_could_not_run_is_no_verdict(angiogram: Angiogram, database: connection) -> None:
    record(database, report("run-1", []), 30 * HOUR)
    record(database, report("run-2", []) | {"verdict": "could_not_run"}, HOUR)
    assert angiogram("status").code == 2


def metrics(outcome: Outcome) -> dict[str, float]:
    """The metrics as a collector reads them."""
    lines = outcome.stdout.splitlines()
    assert outcome.stdout.endswith("\n")
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    found = {}
    for line in lines:
        if not line.startswith("#"):
            form = r'(?P<name>[a-z_]+)\{pipeline="taxi_angiogram"(?:,(?P<label>stage="[^"]*"))?\} (?P<value>-?[0-9.]+)'
            match = re.fullmatch(form, line)
            assert match, line
            assert match["name"] in described
            found[match["name"] + (f"{{{match['label']}}}" if match["label"] else "")] = float(match["value"])
    return found


def test_metrics_tell_the_state_the_times_and_the_blocked_stage(angiogram: Angiogram, database: connection) -> None:
    assert metrics(angiogram("status", "--metrics")) == {
        **{"angiogram_status": 2, "angiogram_muted": 0, "angiogram_unverified_dye": 0}
    }
    record(database, report("run-1", []), 2 * HOUR)
    record(database, report("run-2", ["fct_rides"]), HOUR)
    found = metrics(angiogram("status", "--metrics"))
    assert found['angiogram_blocked_stage{stage="fct_rides"}'] == 1
    assert found["angiogram_status"] == 1
    apart = found["angiogram_last_verdict_timestamp_seconds"] - found["angiogram_last_verified_timestamp_seconds"]
    assert apart == pytest.approx(3600, abs=60)


def test_a_database_that_is_away_is_2(angiogram: Angiogram) -> None:
    assert angiogram("status", PGPORT="1").code == 2


def test_mute_and_acknowledge_take_a_reason_and_an_end(angiogram: Angiogram, database: connection) -> None:
    record(database, report("run-1", ["fct_rides"]))
    assert angiogram("mute", "--until", "4h", "--reason", "moving house").code == 0
    until = f"{datetime.now(UTC) + HOUR:%Y-%m-%dT%H:%M}Z"
    assert angiogram("acknowledge", "run-1", "--until", until, "--reason", "known").code == 0
    said = angiogram("status").stdout
    assert re.search(r"Muted: all alerts until .* UTC by .+: moving house", said)
    assert re.search(r"Muted: alerts on fct_rides until .* UTC by .+: known", said)
    assert "The acknowledgement of fct_rides (known) has ended." in angiogram("unmute", "run-1").stderr
    assert angiogram("status").stdout.count("Muted: ") == 1
    assert "The mute on all alerts (moving house) has ended." in angiogram("unmute").stderr
    assert "Nothing is muted" in angiogram("unmute").stderr
    assert "Muted: " not in angiogram("status").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("mute", "--until", "4h"),
        ("mute", "--reason", "why"),
        ("mute", "--until", "4h", "--reason", " "),
        ("mute", "--until", "2020-01-01", "--reason", "why"),
        ("mute", "--until", "soon", "--reason", "why"),
        ("acknowledge", "run-1", "--until", "4h"),
        ("status", "--within", "a while"),
        ("status", "--json", "--metrics"),
    ],
    ids=" ".join,
)
def test_misuse_is_2_and_mutes_nothing(database: connection, arguments: tuple[str, ...]) -> None:
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2
    assert "Error" in outcome.output
    with database.cursor() as query:
        query.execute("select count(*) from angiogram.mutes")
        assert query.fetchone() == (0,)


def test_a_run_that_nobody_knows_cannot_be_acknowledged(angiogram: Angiogram, database: connection) -> None:
    outcome = angiogram("acknowledge", "nobody", "--until", "4h", "--reason", "why")
    assert (outcome.code, "UnknownRun" in outcome.stderr) == (2, True)


def test_dashboards_read_the_last_verified_time_with_its_commit_and_nothing_can_be_written(
    database: connection, connect_as: Callable[..., connection]
) -> None:
    record(database, report("run-1", []), 2 * HOUR)
    record(database, report("run-2", ["fct_rides"]), HOUR)
    with connect_as("marts_reader").cursor() as query:
        query.execute(
            "select verified_run_id, verified_code_commit, last_run_id, last_verdict, last_blockage,"
            " verified_at < last_judged_at from angiogram.last_verified"
        )
        assert query.fetchall() == [
            ("run-1", "c0ffee", "run-2", "blocked", [{"kind": "model", "name": "fct_rides"}], True)
        ]
        query.execute(
            "select count(*) from information_schema.table_privileges where grantee = 'marts_reader'"
            " and table_schema = 'angiogram' and privilege_type <> 'SELECT'"
        )
        assert query.fetchone() == (0,)


def test_a_pipeline_that_was_never_healthy_has_a_verdict_and_no_verified_time(
    database: connection, connect_as: Callable[..., connection]
) -> None:
    record(database, report("run-1", ["loader"]))
    with connect_as("marts_reader").cursor() as query:
        query.execute("select verified_at, last_verdict from angiogram.last_verified")
        assert query.fetchall() == [(None, "blocked")]


def test_a_run_records_the_commit_and_the_versions_it_was_made_with(
    database: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, report("run-1", []) | {"versions": {}})
    monkeypatch.setenv("GIT_COMMIT", "0123abc")
    versions.record(database, "run-1")
    with database.cursor() as query:
        query.execute("select report -> 'versions' from angiogram.runs")
        ((found,),) = query.fetchall()
    assert found["code_commit"] == "0123abc"
    assert found["dbt-core"].startswith("1.11.")
    assert found["topic"] == os.environ["KAFKA_TOPIC"]


def test_the_commit_is_that_of_the_checkout_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    assert re.fullmatch(r"[0-9a-f]{40}\+?", versions.code_commit() or "")
    monkeypatch.setenv("PATH", "")
    assert versions.code_commit() is None


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("4h", NOON + timedelta(hours=4)),
        ("2d", NOON + timedelta(days=2)),
        ("2026-06-02", datetime(2026, 6, 2, tzinfo=UTC)),
        ("2026-06-01T18:00Z", datetime(2026, 6, 1, 18, tzinfo=UTC)),
        ("2026-06-01T12:00-01:00", datetime(2026, 6, 1, 13, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_moment_or_a_length_of_time(typed: str, meant: datetime) -> None:
    assert moment(typed, NOON) == meant


@pytest.mark.parametrize("typed", ["0h", "2026-06-01T12:00Z", "tomorrow", "", "-4h", "4 hours"])
def test_an_end_that_is_past_or_unreadable_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"is in the past|is not a time"):
        moment(typed, NOON)


@pytest.mark.parametrize("typed", ["9999-12-31T23:59:59-05:00", "9999-12-31", "9999-01-01T00:00Z"])
def test_an_end_that_another_time_zone_could_not_show_is_refused(typed: str) -> None:
    """Once stored, it could not be read any more, and no status be told."""
    with pytest.raises(ValueError, match=r"the calendar: name an earlier time"):
        moment(typed, NOON)


def test_lengths_of_time_are_spoken_in_two_units() -> None:
    assert [spoken(duration(text)) for text in ("26h", "90m", "59s", "0s", "2d")] == [
        "1 d 2 h",
        "1 h 30 min",
        "59 s",
        "0 s",
        "2 d",
    ]
