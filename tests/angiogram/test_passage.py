"""Whole passages of the dye through real Kafka, PostgreSQL and dbt, by the command `angiogram run`."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from kafka import TopicPartition
from psycopg2 import sql
from psycopg2.extensions import connection

from angiogram.core.errors import InjectFailed, TablesInUse
from angiogram.dye.seeds import read_dye, read_malformed
from angiogram.judge.compare.compare import NO_EXPECTED_SEED
from angiogram.run import before_dbt, passage, steps
from angiogram.store import lease, runs
from angiogram.store.local import LocalRecord
from angiogram.warehouse import dye_schemas
from ingestion.loader.run import follow
from ingestion.loader.store import follower_alive
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import open_admin, topic_id
from tests import commands
from tests.angiogram.conftest import ANGIOGRAM, PROJECT, Outcome
from tests.angiogram.recorded import blocked, differences_at, stages_of
from tests.dbt.project import DbtProject

Angiogram = Callable[..., Outcome]

MARK = "angiogram: dye of taxi_angiogram under target angiogram"

RIDES, MALFORMED = len(read_dye()), len(read_malformed())


@pytest.fixture
def run_in_hand(pipeline: None, fresh_topic: str) -> Iterator[str]:
    """A run that has begun and sent its dye, to a topic of its own."""
    run_id = steps.begin(lease=600)
    try:
        before_dbt.inject(run_id)
        yield run_id
    finally:
        steps.finish(run_id)


def test_a_healthy_pipeline_is_found_healthy_twice_in_a_row_each_time_by_its_own_rides(
    angiogram: Angiogram, connect_as: Callable[..., connection]
) -> None:
    first = angiogram("run", "--json")
    with connect_as("angiogram").cursor() as unmarked:  # as a version left the schemas that knew of no marks
        unmarked.execute("select nspname from pg_namespace where obj_description(oid) like %s", (f"{MARK}%",))
        schemas = [schema for (schema,) in unmarked.fetchall()]
        for schema in schemas:
            unmarked.execute(sql.SQL("comment on schema {} is null").format(sql.Identifier(schema)))
    assert {"angiogram_facts", "angiogram_test_failures", "angiogram_results"} <= set(schemas)
    second = angiogram("run", "--json")
    for outcome in (first, second):
        assert outcome.code == 0, outcome.stderr
        report = outcome.report()
        assert report["verdict"] == "healthy"
        assert blocked(report) == []
        assert [point["counts"] for point in report["checkpoints"][:2]] == [
            {"in_kafka": RIDES + MALFORMED},
            {"loaded": RIDES, "dead_letters": MALFORMED},
        ]
        assert all(point["holds"] for point in report["checkpoints"])
        assert {stage["verdict"] for stage in report["stages"]} == {"healthy"}
        assert report["seconds"] > 0
    run_ids = [first.report()["run_id"], second.report()["run_id"]]
    query = connect_as("postgres", os.environ["PGDATABASE"]).cursor()
    query.execute(
        "select count(*) from angiogram_staging.stg_taxi__rides"
        ' where (source_partition, source_offset) in (select "partition", "offset" from angiogram_raw.taxi_rides'
        " where run_id = %s)",
        (run_ids[1],),
    )
    assert query.fetchone() == (RIDES,), "the models hold the second run's rides alone"
    query.execute("select (select count(*) from raw.taxi_rides) + (select count(*) from raw.dead_letters)")
    assert query.fetchone() == (0,), "live tables hold no dye"
    query.execute('select count(distinct "partition") from raw.loaded_offsets where next_offset > 0')
    assert query.fetchone() == (int(os.environ["KAFKA_PARTITIONS"]),), "every partition got dye"


def test_a_broken_model_is_named_with_its_cells_and_the_rides_they_come_from(
    angiogram: Angiogram, project_copy: Path
) -> None:
    model = project_copy / "models" / "facts" / "fct_rides.sql"
    sound = model.read_text(encoding="utf-8")
    broken = sound.replace("fare_amount + tax_amount", "fare_amount")
    assert broken != sound
    model.write_text(broken, encoding="utf-8")

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert (report["verdict"], blocked(report)) == ("blocked", ["fct_rides"])
    verdicts = {name: stage["verdict"] for name, stage in stages_of(report).items()}
    assert verdicts["int_rides__checked"] == "healthy"
    assert verdicts["daily_revenue"] == "affected"
    cells = differences_at(report, "fct_rides")
    assert cells["count"] > 20, "tax counts in more rides than are shown"
    assert len(cells["first"]) == cells["count"]
    benz = [cell for cell in cells["first"] if cell["messages"] == ["ordinary-benz"]]
    assert ("changed", "revenue_amount", "27.50", "25.00") in [
        (c["difference"], c["column"], c["expected"], c["actual"]) for c in benz
    ]
    jeep = [c for c in differences_at(report, "revenue_by_car_model")["first"] if c["row_key"]["car_model"] == "Jeep"]
    assert {"jeep-good", "jeep-good-too"} <= set(jeep[0]["messages"]), "a row of a mart is traced to its rides"

    shown = angiogram("show", report["run_id"])
    assert shown.code == 0, shown.stderr
    assert "BLOCKED at fct_rides" in shown.stdout
    assert "the first 20" in shown.stdout
    assert re.search(r"revenue_amount: expected [\d.]+ → actual [\d.]+", shown.stdout)
    assert report["run_id"] in angiogram("runs").stdout


def test_models_that_fail_or_are_gone_are_named_and_one_not_yet_watched_is_none(
    angiogram: Angiogram, project_copy: Path
) -> None:
    mart = project_copy / "models" / "revenue" / "revenue_by_date.sql"
    sound = mart.read_text(encoding="utf-8")
    broken = sound.replace("sum(fare_amount)", "sum(fare_amount / 0)")
    assert broken != sound
    mart.write_text(broken, encoding="utf-8")
    extra = project_copy / "models" / "dimensions" / "dim_extra.sql"
    extra.write_text("select zipcode from {{ ref('dim_zipcodes') }}\n", encoding="utf-8")
    seed = project_copy / "seeds" / "angiogram" / "expected" / "expected__revenue_by_hour.csv"
    seed.write_text("trip_hour,ride_count\n7,1\n", encoding="utf-8")

    outcome = angiogram("run", "--json", DBT_PROJECT_DIR=str(project_copy), DBT_TARGET_PATH=str(project_copy / "t"))

    assert outcome.code == 1, outcome.stderr
    report = outcome.report()
    assert sorted(blocked(report)) == ["revenue_by_date", "revenue_by_hour"]
    stages = stages_of(report)
    assert "its expected seed expected__revenue_by_hour still exists" in stages["revenue_by_hour"]["reason"]
    assert "division by zero" in stages["revenue_by_date"]["reason"]
    assert stages["dim_extra"]["verdict"] == "not_watched"
    assert stages["dim_extra"]["reason"] == NO_EXPECTED_SEED
    others = stages.keys() - {"revenue_by_date", "revenue_by_hour", "dim_extra"}
    assert {stages[name]["verdict"] for name in others} == {"healthy"}


def test_the_run_waits_for_a_loader_that_follows_instead_of_loading_itself(pipeline: None, fresh_topic: str) -> None:
    stop = Event()
    with ThreadPoolExecutor() as pool, runs.database("test") as database:
        follower = pool.submit(follow, stop)
        try:
            while not follower_alive(database):
                assert not follower.done(), follower.result()
            run_id = steps.begin(lease=600)
            before_dbt.inject(run_id)
            load = before_dbt.load(run_id)
            loaded = before_dbt.check_loaded(run_id)
            steps.finish(run_id)
        finally:
            stop.set()
    assert (load["by"], load["behind"]) == ("follower", None)
    assert (loaded["loaded"], loaded["dead_letters"]) == (RIDES, MALFORMED)
    assert loaded["loader"]["count"] == 0


def test_a_second_dose_in_the_same_run_is_refused(run_in_hand: str) -> None:
    with pytest.raises(InjectFailed, match=run_in_hand):
        before_dbt.inject(run_in_hand)


def build_first_batch() -> None:
    """Build the first batch of the run that is named as the argument."""
    steps.build_batch(sys.argv[1], 1)


def test_models_that_never_saw_the_second_batch_are_not_judged(
    run_in_hand: str, angiogram_verdict: Callable[[str], dict[str, Any]]
) -> None:
    """As where Airflow's task of the models dies at its start: nobody is to blame for what nobody built."""
    before_dbt.check_topic(run_in_hand)
    before_dbt.load(run_in_hand)
    before_dbt.check_loaded(run_in_hand)
    assert commands.run("tests.angiogram.test_passage:build_first_batch", [run_in_hand]).code == 0
    steps.take_batch(run_in_hand, 2)
    report = angiogram_verdict(run_in_hand)
    assert (report["verdict"], blocked(report)) == ("could_not_run", [])
    assert "fct_rides (it was not reached)" in report["error"]


def test_a_ride_that_the_loader_lost_blocks_the_loader_and_is_named(
    run_in_hand: str, connect_as: Callable[..., connection], angiogram_verdict: Callable[[str], dict[str, Any]]
) -> None:
    before_dbt.check_topic(run_in_hand)
    before_dbt.load(run_in_hand)
    with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
        query.execute("delete from angiogram_raw.taxi_rides where run_id = %s and ride_number = 8", (run_in_hand,))
        query.execute(
            "update angiogram_raw.taxi_rides set pax_id = taxi_id, taxi_id = pax_id"
            " where run_id = %s and ride_number = 1",
            (run_in_hand,),
        )
    before_dbt.check_loaded(run_in_hand)
    report = angiogram_verdict(run_in_hand)
    assert (report["verdict"], blocked(report)) == ("blocked", ["loader:rides"])
    found = {(d["difference"], d["column"], *d["messages"]) for d in differences_at(report, "loader:rides")["first"]}
    assert found == {
        ("missing", None, "jeep-good"),
        ("changed", "taxi_id", "ordinary-benz"),
        ("changed", "pax_id", "ordinary-benz"),
    }
    assert not report["checkpoints"][1]["holds"]


def test_nothing_is_built_from_the_input_seeds_while_a_run_is_in_hand(
    run_in_hand: str, angiogram: Angiogram, dbt_target: Path
) -> None:
    """The seeds' rides would answer for those that were lost on the way."""
    outcome = angiogram("run", "--from-seeds", "--wait", "0")
    assert outcome.code == 2
    assert "RunInHand" in outcome.stderr
    assert re.search(rf"Run {run_in_hand} \(started by .*\) is in hand after 0 s", outcome.stderr)
    build = ["build", "--target", "angiogram", "--select", "dim_zipcodes"]
    done = commands.run("dbt.cli.main:cli", build, folder=PROJECT)
    assert done.code != 0
    assert f"Run {run_in_hand} is in hand" in done.stdout


def test_messages_that_the_topic_lost_before_they_were_loaded_block_the_topic(
    run_in_hand: str, angiogram_verdict: Callable[[str], dict[str, Any]]
) -> None:
    with runs.database("test") as database:
        sent = runs.read(database, run_in_hand).step("inject")["sent"]
    place = next(place for place in sent if place["name"] == "jeep-good")
    kafka = KafkaSettings.from_environment()
    with closing(open_admin(kafka)) as admin:
        admin.delete_records({TopicPartition(kafka.topic, place["partition"]): place["offset"] + 1})

    before_dbt.check_topic(run_in_hand)
    before_dbt.load(run_in_hand)
    before_dbt.check_loaded(run_in_hand)
    report = angiogram_verdict(run_in_hand)

    assert blocked(report) == ["topic:rides"]
    stages = stages_of(report)
    assert (stages["api:rides"]["verdict"], stages["loader:rides"]["verdict"]) == ("healthy", "affected")
    assert "deleted from the topic" in stages["loader:rides"]["reason"]
    assert "jeep-good" in [ride for d in differences_at(report, "topic:rides")["first"] for ride in d["messages"]]


def test_a_key_that_the_loader_does_not_accept_ends_the_run_before_anything_is_sent(
    angiogram: Angiogram, connect_as: Callable[..., connection]
) -> None:
    with connect_as("loader").cursor() as query:
        query.execute(
            "insert into raw.loaders (loader_id, host, pid, backend_pid, mode, key_fingerprints)"
            " values (gen_random_uuid(), 'elsewhere', 1, 1, 'until_caught_up', %s) returning loader_id",
            (["0123456789abcdef"],),
        )
        ((loader_id,),) = query.fetchall()
    outcome = angiogram("run", "--json")
    with connect_as("postgres", os.environ["PGDATABASE"]).cursor() as query:
        query.execute("delete from raw.loaders where loader_id = %s", (loader_id,))
    assert outcome.code == 2
    assert outcome.report()["verdict"] == "could_not_run"
    assert blocked(outcome.report()) == []
    assert "KeyMismatch" in outcome.report()["error"]
    assert "0123456789abcdef" in outcome.stderr


def test_a_database_that_is_away_could_not_run(angiogram: Angiogram) -> None:
    outcome = angiogram("run", PGPORT="1")
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "DatabaseUnavailable" in outcome.stderr
    with LocalRecord.opened(PROJECT) as record:  # kept for the next run, which is another test's here
        (tried,) = record.waiting(os.environ["PGDATABASE"])
        assert "DatabaseUnavailable" in tried.report["error"]
        record.taken_over([tried.run_id])


def test_an_interrupted_run_is_released_and_exits_with_130(angiogram: Angiogram) -> None:
    with subprocess.Popen([*ANGIOGRAM, "run"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        run_id = next(line.split()[1] for line in process.stderr if line.startswith("Run "))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"Interrupted. Run {run_id} is released." in told
    with runs.database("test") as database:
        run = runs.read(database, run_id)
    assert not run.in_hand
    assert run.verdict == "could_not_run"
    assert run.report["error"] == "interrupted"


def test_a_run_that_was_killed_is_released_by_hand_and_the_next_one_begins_at_once(
    angiogram: Angiogram, run_in_hand: str
) -> None:
    assert angiogram("run", "--wait", "0").code == 2
    released = angiogram("release", run_in_hand)
    assert released.code == 0, released.stderr
    assert "nothing to release" in angiogram("release", run_in_hand).stderr
    with runs.database("tests") as database:
        run = runs.read(database, run_in_hand)
        assert (run.in_hand, run.verdict) == (False, "could_not_run")
        runs.release(database, lease.take(database, 30, 0, print))


def test_a_password_that_is_refused_ends_the_run_before_any_dye_is_sent(
    angiogram: Angiogram, project_copy: Path
) -> None:
    DbtProject(project_copy).replace("profiles.yml", "password:", "password: wrong #")
    outcome = angiogram(
        *("run", "--json"),
        DBT_PROJECT_DIR=str(project_copy),
        DBT_PROFILES_DIR=str(project_copy),
        DBT_TARGET_PATH=str(project_copy / "t"),
    )
    assert outcome.code == 2
    assert "refused the connection for angiogram" in outcome.report()["error"]
    with runs.database("tests") as database:
        assert not runs.read(database, outcome.report()["run_id"]).step("inject")


def test_a_run_waits_for_whoever_reads_the_last_runs_tables_and_names_them(
    pipeline: None, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, reader = connect_as("angiogram"), connect_as("postgres", os.environ["PGDATABASE"])
    with owner.cursor() as query:
        query.execute("create schema if not exists angiogram_facts")
        query.execute("comment on schema angiogram_facts is %s", (MARK,))
        query.execute("create table angiogram_facts.left_behind ()")
    reader.autocommit = False
    with reader.cursor() as query:
        query.execute("select from angiogram_facts.left_behind")
    held = f"angiogram_facts.left_behind by session {reader.info.backend_pid} (postgres, "
    monkeypatch.setattr(dye_schemas, "TABLES_WITHIN", 0.0)
    run_id = steps.begin()
    with pytest.raises(TablesInUse, match=re.escape(held)):
        steps.prepare(run_id)
    monkeypatch.undo()
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text)
        if held in text:
            reader.rollback()

    run_id = steps.begin()
    steps.prepare(run_id, say=say)
    steps.finish(run_id)
    dropped, waited = told
    assert dropped.startswith("Dropping angiogram_facts.left_behind: nothing in this project builds that")
    assert held in waited
    with owner.cursor() as query:
        query.execute("select to_regclass('angiogram_facts.left_behind') is null")
        assert query.fetchone() == (True,)


def test_a_lost_connection_does_not_end_the_signs_of_life(
    pipeline: None, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passage, "LEASE_OF_PROCESS", 0.6)
    run_id = steps.begin(lease=600)
    administrator = connect_as("postgres").cursor()

    def next_sign(after: datetime | None) -> datetime:
        with runs.database("tests") as database:
            while (until := runs.read(database, run_id).lease_until) == after or until is None:
                assert thread_alive()
            return until

    def thread_alive() -> bool:
        return any(thread.name == "lease" for thread in threading.enumerate())

    with passage.kept_in_hand(run_id):
        first = next_sign(None)
        second = next_sign(first)
        administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'angiogram lease'"
        )
        assert administrator.rowcount == 1
        next_sign(next_sign(second))
    steps.finish(run_id)
    assert not thread_alive()


def test_a_backlog_that_outlasts_the_loaders_time_is_a_finding_and_no_error(
    run_in_hand: str,
    angiogram_verdict: Callable[[str], dict[str, Any]],
    connect_as: Callable[..., connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another loader, which is none that follows, holds the partitions: the load here waits until its time is over."""
    monkeypatch.setattr(before_dbt, "LOAD_WITHIN", 1.0)
    before_dbt.check_topic(run_in_hand)
    with connect_as("loader", os.environ["PGDATABASE"]).cursor() as query:
        query.execute(
            "select pg_advisory_lock(hashtext(%s), partition) from generate_series(0, %s) as partition",
            (str(topic_id()), int(os.environ["KAFKA_PARTITIONS"]) - 1),
        )
        result = before_dbt.load(run_in_hand)
    assert result["behind"].startswith("the loader did not pass the dye within 1 s: partition 0 at 0")
    before_dbt.check_loaded(run_in_hand)
    report = angiogram_verdict(run_in_hand)
    assert (report["verdict"], blocked(report)) == ("blocked", ["loader:rides"])
