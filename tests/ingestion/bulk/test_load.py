"""Bulk load against a real database: each content once, a bad file leaves nothing, the rest is loaded."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date
from pathlib import Path
from threading import Event

import psutil
import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection, cursor

from ingestion.bulk.counts import row_counts
from ingestion.bulk.run import bulk_load
from ingestion.database.sessions import connect
from ingestion.errors import DatabaseRefused, DatabaseUnavailable, InputError, Interrupted
from sandbox.services import Sandbox
from tests.ingestion.bulk.support import loaded, parquet
from tests.ingestion.support import await_condition, count
from tests.services import connect_as_administrator

COMMAND = str(Path(sys.executable).with_name("ingestion"))


def test_a_second_run_loads_nothing_also_under_another_name(session: connection, tmp_path: Path) -> None:
    first = parquet(tmp_path / "a.parquet", 100)
    assert bulk_load(tmp_path).rows == 100
    (tmp_path / "again.parquet").write_bytes(first.read_bytes())
    again = bulk_load(tmp_path)
    assert (again.loaded, again.already_loaded, again.rows) == (0, 2, 0)
    assert count(session, "raw.taxi_rides") == 100
    assert row_counts() == {"rows": 100, "dead_letters": 0, "files": 1}


def test_rows_are_keyed_by_the_content_of_the_file(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", 3)
    bulk_load(tmp_path)
    digest = subprocess.run(["sha256sum", tmp_path / "a.parquet"], capture_output=True, text=True, check=True).stdout
    with session.cursor() as query:
        query.execute("select topic_id from raw.loaded_files where content = %s", (digest[:32],))
        ((key,),) = query.fetchall()
    assert loaded(session, 'topic_id, "offset"') == [(key, offset) for offset in range(3)]


BAD: dict[str, Callable[[Path], object]] = {
    "cut.parquet": lambda path: path.write_bytes(parquet(path).read_bytes()[:-20]),
    "empty.parquet": lambda path: path.write_bytes(b""),
    "damaged.parquet": lambda path: path.write_bytes(_damaged(parquet(path, 5000).read_bytes())),
    "no-ride.parquet": lambda path: parquet(path, **{"colour": ["red"]}),
    "cut.ndjson": lambda path: path.write_text('{"taxi_id": "t1"}\n{"taxi_id": "t'),
    "empty.ndjson": lambda path: path.write_text(""),
    "endless.ndjson": lambda path: path.write_text("[" * (17 << 20)),
    "cut-in-a-row.csv": lambda path: path.write_text("taxi_id,pax_id\nt1,p1\nt2"),
    "cut-in-a-value.csv": lambda path: path.write_text("taxi_id,pax_id\nt1,p1\nt2,p"),
    "cut-in-a-quoted-value.csv": lambda path: path.write_text('taxi_id,pax_id\nt1,p1\nt2,"p\n'),
    "short-row.csv": lambda path: path.write_text("taxi_id,pax_id\nt1,p1\nt2\n"),
    "no-header.csv": lambda path: path.write_text("t1,p1\nt2,p2\n"),
    "doubled-column.csv": lambda path: path.write_text("taxi_id,taxi_id\nt1,p1\n"),
    "empty.csv": lambda path: path.write_text(""),
    "pipe.csv": os.mkfifo,
    "dangling.csv": lambda path: path.symlink_to("nowhere"),
}


def _damaged(content: bytes) -> bytes:
    return content[:200] + bytes(len(content) // 2) + content[200 + len(content) // 2 :]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_leaves_nothing_and_is_named(session: connection, tmp_path: Path, name: str) -> None:
    BAD[name](tmp_path / name)
    parquet(tmp_path / "good.parquet", 10)
    report = bulk_load(tmp_path)
    assert list(report.bad_files) == [name]
    assert report.bad_files[name]
    assert (report.loaded, report.rows) == (1, 10)
    assert {topic for (topic,) in loaded(session, "topic")} == {"file:good.parquet"}
    assert count(session, "raw.dead_letters") == 0


def test_a_large_file_cut_off_leaves_nothing(session: connection, tmp_path: Path) -> None:
    """It is streamed: much of it was sent before the end was seen."""
    (tmp_path / "large.ndjson").write_text('{"taxi_id": "t1", "car_model": "Jeep"}\n' * 300_000 + '{"taxi_id"')
    report = bulk_load(tmp_path)
    assert list(report.bad_files) == ["large.ndjson"]
    assert (count(session, "raw.taxi_rides"), count(session, "raw.loaded_files")) == (0, 0)


def test_replacing_a_day_exchanges_its_files_alone(session: connection, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    parquet(old / "2026-01-01" / "a.parquet", 10)
    kept = parquet(old / "2026-01-01" / "b.parquet", 20, first=100)
    parquet(old / "2026-01-02" / "c.parquet", 40, first=200)
    bulk_load(old)
    parquet(new / "rides-20260101-a.parquet", 5, first=300)
    (new / "rides-20260101-b.parquet").write_bytes(kept.read_bytes())
    parquet(new / "rides-20260103.parquet", 80, first=400)
    report = bulk_load(new, replace_day=date(2026, 1, 1))
    assert report.replaced is not None
    assert (report.replaced.files, report.replaced.rows) == (1, 10)
    assert (report.found, report.loaded, report.already_loaded, report.rows) == (2, 1, 1, 5)
    assert sorted({topic for (topic,) in loaded(session, "topic")}) == [
        "file:2026-01-01/b.parquet",
        "file:2026-01-02/c.parquet",
        "file:rides-20260101-a.parquet",
    ]
    again = bulk_load(new, replace_day=date(2026, 1, 1))
    assert again.replaced is not None
    assert (again.replaced.files, again.loaded, again.already_loaded) == (0, 0, 2)


def test_a_bad_file_of_the_day_leaves_the_day_as_it_was(session: connection, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    parquet(old / "2026-01-01.parquet", 10)
    bulk_load(old)
    parquet(new / "2026-01-01-a.parquet", 5, first=300)
    BAD["short-row.csv"](new / "2026-01-01-b.csv")
    report = bulk_load(new, replace_day=date(2026, 1, 1))
    assert (list(report.bad_files), report.replaced) == (["2026-01-01-b.csv"], None)
    assert {topic for (topic,) in loaded(session, "topic")} == {"file:2026-01-01.parquet"}


def test_a_day_without_files_is_not_emptied(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "2026-01-01.parquet")
    bulk_load(tmp_path)
    with pytest.raises(InputError, match="2026-01-05"):
        bulk_load(tmp_path, replace_day=date(2026, 1, 5))
    assert count(session, "raw.taxi_rides") == 10


def test_the_loader_can_take_away_files_but_no_messages_of_the_topic(session: connection, sandbox: Sandbox) -> None:
    """Even one that lies about what a file is."""
    with closing(connect("loader", "tests")) as loader:
        with loader, loader.cursor() as query:
            query.execute(
                "with place as (select gen_random_uuid() as id) "
                'insert into raw.taxi_rides (topic, topic_id, "partition", "offset") '
                "select 'taxi_rides', id, 0, 0 from place returning 1"
            )
        with session.cursor() as query:
            query.execute("select topic_id::text from raw.taxi_rides")
            message_topic = query.fetchall()[0][0]
        with loader, loader.cursor() as query:
            query.execute(
                "insert into raw.loaded_files "
                "(topic_id, path, content, format, bytes, rows, dead_letters, load_id) "
                "values (%s, 'x', gen_random_uuid(), 'csv', 1, 1, 0, gen_random_uuid())",
                (message_topic,),
            )
            query.execute(
                "insert into raw.file_days (topic_id, day, path, load_id) "
                "values (%s, '2026-01-01', 'x', gen_random_uuid())",
                (message_topic,),
            )
            query.execute("select rides from raw.forget_files('2026-01-01', '{}')")
            assert query.fetchall() == [(0,)]
        for statement in (
            "delete from raw.loaded_files",
            "update raw.file_days set day = null",
            "delete from raw.file_days",
        ):
            with loader, loader.cursor() as query, pytest.raises(psycopg2.errors.InsufficientPrivilege):
                query.execute(statement)
    assert count(session, "raw.taxi_rides") == 1


def test_the_models_role_cannot_take_files_away(session: connection) -> None:
    with closing(connect("dbt_prod", "tests")) as reader:
        query = reader.cursor()
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query.execute("select raw.forget_files('2026-01-01', '{}')")


def test_killed_anywhere_and_started_again_each_ride_is_there_once(session: connection, tmp_path: Path) -> None:
    for number in range(200):
        parquet(tmp_path / f"{number}.parquet", 2000, first=2000 * number)
    with subprocess.Popen(
        [COMMAND, "bulk-load", tmp_path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        await_condition(lambda: count(session, "raw.loaded_files") > 0, "the first files were loaded")
        first.kill()
    await_condition(lambda: _sessions(session) == 0, "its workers were gone")
    files = count(session, "raw.loaded_files")
    assert 0 < files < 200
    assert count(session, "raw.taxi_rides") == 2000 * files
    report = bulk_load(tmp_path)
    assert (report.already_loaded, report.loaded) == (files, 200 - files)
    with session.cursor() as query:
        query.execute("select count(*), count(distinct taxi_id) from raw.taxi_rides")
        assert query.fetchall() == [(400_000, 400_000)]


def _sessions(session: connection, waiting: bool = False) -> int:
    with session.cursor() as query:
        query.execute(
            "select count(*) from pg_stat_activity "
            "where starts_with(application_name, 'ingestion bulk-load') and datname = current_database() "
            "and (not %s or wait_event_type = 'Lock')",
            (waiting,),
        )
        return int(query.fetchall()[0][0])


def test_two_at_once_load_each_file_once(session: connection, tmp_path: Path) -> None:
    for number in range(100):
        parquet(tmp_path / f"{number}.parquet", 500, first=500 * number)
    both = [subprocess.Popen([COMMAND, "bulk-load", tmp_path], stdout=subprocess.PIPE) for _ in range(2)]
    reports = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(report["rows"] for report in reports) == 50_000
    assert (count(session, "raw.taxi_rides"), count(session, "raw.loaded_files")) == (50_000, 100)


def test_a_cut_connection_is_waited_out(session: connection, tmp_path: Path) -> None:
    for number in range(300):
        parquet(tmp_path / f"{number}.parquet", 1000, first=1000 * number)
    with subprocess.Popen([COMMAND, "bulk-load", tmp_path], stdout=subprocess.PIPE) as process:
        await_condition(lambda: count(session, "raw.loaded_files") > 0, "the first files were loaded")
        with session.cursor() as query:
            query.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where starts_with(application_name, 'ingestion bulk-load') and datname = current_database()"
            )
            assert query.rowcount > 0
        report = json.loads(process.communicate()[0])
    assert (process.returncode, report["rows"], report["bad_files"]) == (0, 300_000, {})
    assert count(session, "raw.taxi_rides") == 300_000


def test_told_to_stop_it_ends_between_files(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    stop = Event()
    stop.set()
    with pytest.raises(Interrupted, match="0 of 1 files"):
        bulk_load(tmp_path, stop=stop)
    assert count(session, "raw.taxi_rides") == 0


def test_sigterm_ends_the_groups_under_way(session: connection, tmp_path: Path) -> None:
    for number in range(1500):
        parquet(tmp_path / f"{number}.parquet", 100, first=100 * number)
    with subprocess.Popen([COMMAND, "bulk-load", tmp_path], stderr=subprocess.PIPE, text=True) as process:
        await_condition(lambda: count(session, "raw.loaded_files") > 0, "the first files were loaded")
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate()
    assert process.returncode == 2
    assert "Interrupted" in talk
    assert count(session, "raw.taxi_rides") == 100 * count(session, "raw.loaded_files")


@contextmanager
def _held_load(session: connection, folder: Path) -> Iterator[tuple["subprocess.Popen[str]", cursor]]:
    """A load in a process group of its own, whose two workers cannot write their first files before a commit."""
    for number in range(400):  # more than they are given at a time
        parquet(folder / f"{number}.parquet", 1, first=number)
    with closing(connect_as_administrator(session.info.dbname)) as holder, holder.cursor() as query:
        query.execute("begin; lock raw.loaded_files in exclusive mode")
        with subprocess.Popen(
            [COMMAND, "bulk-load", folder, "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                await_condition(lambda: _sessions(session, waiting=True) == 2, "both workers were about to write")
                yield process, query
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def test_a_stop_for_the_whole_group_is_one_for_the_command(session: connection, tmp_path: Path) -> None:
    """As a service manager sends it: the workers leave it to their parent."""
    with _held_load(session, tmp_path) as (process, holder):
        os.killpg(process.pid, signal.SIGTERM)
        holder.execute("commit")
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Stopped by a signal after" in talk
    assert "was killed" not in talk


def test_a_worker_that_is_killed_ends_the_load(session: connection, tmp_path: Path) -> None:
    with _held_load(session, tmp_path) as (process, _):
        psutil.Process(process.pid).children()[0].kill()
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "A worker process was killed" in talk
    assert (count(session, "raw.taxi_rides"), count(session, "raw.loaded_files")) == (0, 0)


@contextmanager
def _read_only(session: connection) -> Iterator[None]:
    """The database takes no writes of the loader's, as a standby."""
    database = sql.Identifier(session.info.dbname)
    setting = sql.SQL("alter role taxi_loader in database {} {} default_transaction_read_only {}")
    with session.cursor() as query:
        query.execute(setting.format(database, sql.SQL("set"), sql.SQL("= on")))
        try:
            yield
        finally:
            query.execute(setting.format(database, sql.SQL("reset"), sql.SQL("")))


def test_in_an_outage_it_can_be_told_to_stop(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    with (
        _read_only(session),
        subprocess.Popen([COMMAND, "bulk-load", tmp_path], stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr
        try:
            assert "set PGHOST to the primary" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            _, talk = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 2, talk
    assert "Stopped by a signal after 0 of 1 files" in talk


def test_while_a_day_is_replaced_it_can_be_told_to_stop(session: connection, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    parquet(old / "2026-01-01.parquet", 10)
    bulk_load(old)
    parquet(new / "2026-01-01.parquet", 5, first=300)
    command = [COMMAND, "bulk-load", new, "--replace-day", "2026-01-01"]
    with closing(connect_as_administrator(session.info.dbname)) as holder, holder.cursor() as query:
        query.execute("begin; lock raw.taxi_rides in exclusive mode")  # the files of the day are taken away after it
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            await_condition(lambda: _sessions(session, waiting=True) == 1, "the replacement was under way")
            process.send_signal(signal.SIGTERM)
            query.execute("commit")
            _, talk = process.communicate(timeout=30)
    assert process.returncode == 2, talk
    assert "Stopped by a signal while 2026-01-01 was replaced" in talk
    assert (count(session, "raw.taxi_rides"), count(session, "raw.loaded_files")) == (10, 1)


def test_a_read_only_database_leaves_the_day_as_it_was(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "2026-01-01.parquet")
    with _read_only(session), pytest.raises(DatabaseUnavailable, match=r"2026-01-01 was replaced.*set PGHOST to"):
        bulk_load(tmp_path, replace_day=date(2026, 1, 1))


def test_a_right_that_is_missing_ends_the_load(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "2026-01-01.parquet")
    with session.cursor() as query:
        query.execute("revoke insert on raw.loaded_files from taxi_loader")
        try:
            for day in (None, date(2026, 1, 1)):
                with pytest.raises(DatabaseRefused, match="permission denied for table loaded_files"):
                    bulk_load(tmp_path, replace_day=day)
        finally:
            query.execute("grant insert on raw.loaded_files to taxi_loader")


def test_the_command_tells_bad_files_and_exits_with_1(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "good.parquet")
    BAD["cut.ndjson"](tmp_path / "cut.ndjson")
    done = subprocess.run([COMMAND, "bulk-load", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Bad file cut.ndjson: its last line, 2, is cut off" in done.stderr
    assert "2 of 2 files, 10 rows" in done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], list(report["bad_files"])) == (10, ["cut.ndjson"])


@pytest.mark.parametrize("folder", ["absent", "."])
def test_nothing_to_load_exits_with_2(session: connection, tmp_path: Path, folder: str) -> None:
    done = subprocess.run([COMMAND, "bulk-load", tmp_path / folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "InputError" in done.stderr


def test_without_postgresql_it_ends_at_once(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet")
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(DatabaseUnavailable):
        bulk_load(tmp_path)
