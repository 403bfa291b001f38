"""To which days a file belongs, what replacing one takes away, and what becomes of files that grew or lost rows."""

import hashlib
import json
import secrets
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection

from ingestion.bulk.run import bulk_load
from ingestion.database.locks import REPLACE_DAY, lock_of_stream
from ingestion.database.roles import bootstrap
from ingestion.migrations import all_migrations, migrate
from ingestion.upkeep.retention import delete_older_than
from sandbox.services import Sandbox
from tests.ingestion.bulk.support import loaded, parquet
from tests.ingestion.support import count
from tests.services import connect_as_administrator

COMMAND = str(Path(sys.executable).with_name("ingestion"))
FIFTH, SIXTH = date(2026, 1, 5), date(2026, 1, 6)


def csv_file(path: Path, *taxis: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("taxi_id,fare_amount\n" + "".join(f"{taxi},12.50\n" for taxi in taxis))
    return path


def taxis(session: connection) -> list[str]:
    return sorted(taxi for (taxi,) in loaded(session, "taxi_id"))


@pytest.mark.parametrize("first", [FIFTH, SIXTH], ids=["old-day-first", "new-day-first"])
def test_a_file_moved_to_another_day_outlives_both_replacements(
    session: connection, tmp_path: Path, first: date
) -> None:
    moved = csv_file(tmp_path / "2026-01-05" / "moved.csv", "moved")
    csv_file(tmp_path / "2026-01-05" / "stays.csv", "stays")
    bulk_load(tmp_path)
    (tmp_path / "2026-01-06").mkdir()
    moved.rename(tmp_path / "2026-01-06" / "moved.csv")
    for day in (first, *{FIFTH, SIXTH} - {first}):
        bulk_load(tmp_path, replace_day=day)
    assert taxis(session) == ["moved", "stays"]


def test_a_content_of_two_days_stays_while_one_of_them_has_it(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "2026-01-05" / "a.csv", "both")
    csv_file(tmp_path / "2026-01-06" / "b.csv", "both")
    bulk_load(tmp_path)
    csv_file(tmp_path / "2026-01-05" / "a.csv", "fifth")
    report = bulk_load(tmp_path, replace_day=FIFTH)
    assert taxis(session) == ["both", "fifth"]
    assert report.stays == {"2026-01-05/a.csv": "2026-01-06/b.csv"}
    csv_file(tmp_path / "2026-01-06" / "b.csv", "sixth")
    assert bulk_load(tmp_path, replace_day=SIXTH).stays == {}
    assert taxis(session) == ["fifth", "sixth"]


def test_the_name_of_the_folder_that_is_loaded_is_a_day_too(session: connection, tmp_path: Path) -> None:
    day = tmp_path / "2026-01-05"
    csv_file(day / "a.csv", "old")
    bulk_load(day)
    csv_file(day / "a.csv", "new")
    report = bulk_load(tmp_path, replace_day=FIFTH)
    assert report.replaced is not None
    assert report.replaced.files == 1
    assert taxis(session) == ["new"]
    csv_file(day / "a.csv", "newer")
    bulk_load(day, replace_day=FIFTH)
    assert taxis(session) == ["newer"]


def test_what_a_day_takes_away_is_told_before(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "2026-01-05" / "goes.csv", "goes", "too")
    csv_file(tmp_path / "2026-01-05" / "shared.csv", "shared")
    csv_file(tmp_path / "2026-01-06" / "shared.csv", "shared")
    bulk_load(tmp_path)
    csv_file(tmp_path / "2026-01-05" / "shared.csv", "new")
    (tmp_path / "2026-01-05" / "goes.csv").rename(tmp_path / "2026-01-06" / "goes.csv")
    told: list[tuple[str, int]] = []
    bulk_load(
        tmp_path,
        replace_day=FIFTH,
        tell=lambda sentence: told.append((sentence, count(session, "raw.taxi_rides"))),
    )
    assert told == [
        ("Replacing 2026-01-05 takes away 1 file with 2 rows and 0 dead letters: 2026-01-05/goes.csv.", 3),
        (
            "2026-01-05/shared.csv is no longer of 2026-01-05, but its rows stay: it was loaded under the day "
            "2026-01-06 too, as 2026-01-06/shared.csv.",
            3,
        ),
        (
            "2026-01-06/goes.csv holds the same content as 2026-01-05/goes.csv, whose rows go, and was never loaded "
            "from there. Load it afterwards with `ingestion bulk-load`.",
            3,
        ),
    ]
    assert taxis(session) == ["new", "shared"]


def test_a_dry_run_changes_nothing(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "2026-01-05.csv", "old")
    bulk_load(tmp_path)
    csv_file(tmp_path / "2026-01-05.csv", "new")
    command = [COMMAND, "bulk-load", tmp_path, "--replace-day", "2026-01-05", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "takes away 1 file with 1 row" in done.stderr
    assert json.loads(done.stdout)["replaced"] is None
    assert taxis(session) == ["old"]


def test_lost_rows_of_a_known_file_are_loaded_again(session: connection, tmp_path: Path) -> None:
    """As old as they were, so that what corrected them since stays newer."""
    csv_file(tmp_path / "a.csv", *(f"t{number}" for number in range(10)))
    bulk_load(tmp_path)
    with session.cursor() as query:
        query.execute("select loaded_at from raw.loaded_files")
        ((loaded_at,),) = query.fetchall()
        query.execute('delete from raw.taxi_rides where "offset" in (0, 4, 5, 9)')
    report = bulk_load(tmp_path)
    assert (report.restored, report.already_loaded, report.loaded) == ({"a.csv": 4}, 1, 0)
    assert taxis(session) == [f"t{number}" for number in range(10)]
    assert loaded(session, '"offset"') == [(number,) for number in range(10)]
    assert all(at <= loaded_at for (at,) in loaded(session, "message_at"))
    assert bulk_load(tmp_path).restored == {}


def test_all_rows_lost_are_loaded_again_also_when_its_day_is_replaced(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "2026-01-05.csv", "t1", "t2")
    bulk_load(tmp_path)
    with session.cursor() as query:
        query.execute("truncate raw.taxi_rides")
    report = bulk_load(tmp_path, replace_day=FIFTH)
    assert (report.restored, report.already_loaded) == ({"2026-01-05.csv": 2}, 1)
    assert taxis(session) == ["t1", "t2"]


def test_what_retention_deleted_is_not_loaded_again(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "a.csv", "t1", "t2")
    bulk_load(tmp_path)
    with session.cursor() as query:
        query.execute("update raw.taxi_rides set loaded_at = now() - interval '8 days'")
    assert delete_older_than(7)["raw.taxi_rides"] == 2
    report = bulk_load(tmp_path)
    assert (report.already_loaded, report.restored) == (1, {})
    assert taxis(session) == []


def test_of_a_file_that_was_appended_to_the_new_rows_are_loaded(session: connection, tmp_path: Path) -> None:
    file = csv_file(tmp_path / "2026-01-05" / "a.csv", "t0", "t1")
    bulk_load(tmp_path)
    for more, before in ((("t2", "t3"), 2), (("t4",), 4)):
        with file.open("a") as out:
            out.writelines(f"{taxi},12.50\n" for taxi in more)
        report = bulk_load(tmp_path)
        assert (report.rows, report.appended, report.changed) == (len(more), {"2026-01-05/a.csv": before}, {})
    assert loaded(session, 'taxi_id, "offset"', order="taxi_id") == [(f"t{n}", n) for n in range(5)]
    assert (bulk_load(tmp_path).already_loaded, bulk_load(tmp_path).rows) == (1, 0)
    with session.cursor() as query:
        query.execute("""delete from raw.taxi_rides where taxi_id in ('t1', 't4')""")
    assert bulk_load(tmp_path).restored == {"2026-01-05/a.csv": 2}
    assert taxis(session) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_day_keeps_the_beginning_of_a_file_that_was_appended_to(session: connection, tmp_path: Path) -> None:
    file = csv_file(tmp_path / "2026-01-05.csv", "t0")
    bulk_load(tmp_path)
    with file.open("a") as out:
        out.write("t1,1\n")
    assert bulk_load(tmp_path, replace_day=FIFTH).appended == {"2026-01-05.csv": 1}
    assert taxis(session) == ["t0", "t1"]
    assert bulk_load(tmp_path, replace_day=FIFTH).already_loaded == 1
    assert taxis(session) == ["t0", "t1"]
    csv_file(tmp_path / "2026-01-05.csv", "new")
    bulk_load(tmp_path, replace_day=FIFTH)
    assert taxis(session) == ["new"]


def test_lines_appended_behind_one_without_an_end_are_told_apart(session: connection, tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text('{"taxi_id": "t0"}\n{"taxi_id": "t1"}')
    bulk_load(tmp_path)
    with file.open("a") as out:
        out.write('\n{"taxi_id": "t2"}\nno ride\n')
    report = bulk_load(tmp_path)
    assert (report.rows, report.dead_letters, report.appended) == (1, 1, {"a.ndjson": 2})
    assert loaded(session, 'taxi_id, "offset"', order="taxi_id") == [(f"t{n}", n) for n in range(3)]


def test_a_last_line_that_was_continued_is_a_change(session: connection, tmp_path: Path) -> None:
    """The bytes begin alike, and the rows do not."""
    file = tmp_path / "a.ndjson"
    file.write_text('{"taxi_id": "t0"}\n{"taxi_id": "t1"}')
    bulk_load(tmp_path)
    with file.open("a") as out:
        out.write(' \n{"taxi_id": "t2"}\n')
    report = bulk_load(tmp_path)
    assert (report.rows, report.appended, list(report.changed)) == (3, {}, ["a.ndjson"])


def test_a_path_with_another_content_is_named(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "a.csv", "old")
    bulk_load(tmp_path)
    ((old,),) = loaded(session, "topic_id")
    csv_file(tmp_path / "a.csv", "new")
    done = subprocess.run([COMMAND, "bulk-load", tmp_path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["changed"] == {"a.csv": [old]}
    advice = f"ingestion files forget {old}"
    assert advice in done.stderr
    done = subprocess.run([COMMAND, *advice.split()[1:]], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"files": 1, "rows": 1, "dead_letters": 0}
    assert taxis(session) == ["new"]


def test_files_are_listed_with_their_days_and_what_they_lost(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "2026-01-05" / "a.csv", "t0", "t1")
    csv_file(tmp_path / "2026-01-06" / "a.csv", "t0", "t1")
    csv_file(tmp_path / "b.csv", "t2")
    bulk_load(tmp_path)
    with session.cursor() as query:
        query.execute("delete from raw.taxi_rides where taxi_id = 't1'")

    def listed(*options: str) -> list[list[str]]:
        done = subprocess.run([COMMAND, "files", "list", *options], capture_output=True, text=True, check=True)
        return [line.split("\t")[1:] for line in done.stdout.splitlines()]

    assert (
        sorted(listed())
        == [
            ["2026-01-05,2026-01-06", "2", "0", "1", "2026-01-05/a.csv"],
            ["-", "1", "0", "0", "b.csv"],
        ][::-1]
    )
    assert listed("--lost") == [["2026-01-05,2026-01-06", "2", "0", "1", "2026-01-05/a.csv"]]


def test_a_file_that_another_one_continues_is_not_forgotten_alone(session: connection, tmp_path: Path) -> None:
    file = csv_file(tmp_path / "a.csv", "t0")
    bulk_load(tmp_path)
    ((beginning,),) = loaded(session, "topic_id")
    with file.open("a") as out:
        out.write("t1,1\n")
    bulk_load(tmp_path)
    done = subprocess.run([COMMAND, "files", "forget", beginning], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    end = next(topic_id for taxi, topic_id in loaded(session, "taxi_id, topic_id") if taxi == "t1")
    assert end in done.stderr
    subprocess.run([COMMAND, "files", "forget", beginning, end], capture_output=True, check=True)
    assert taxis(session) == []
    assert bulk_load(tmp_path).rows == 2


def test_a_wait_says_for_whom(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "2026-01-05.csv", "t0")
    for options in ([], ["--replace-day", "2026-01-05"]):
        with closing(connect_as_administrator(session.info.dbname)) as holder, holder.cursor() as query:
            query.execute("set application_name to 'a long report'")
            query.execute("begin; lock raw.loaded_files in access exclusive mode; select pg_backend_pid()")
            ((pid,),) = query.fetchall()
            with subprocess.Popen(
                [COMMAND, "bulk-load", tmp_path, *options], stderr=subprocess.PIPE, text=True
            ) as process:
                assert process.stderr
                try:
                    told = process.stderr.readline()
                finally:
                    query.execute("commit")
                    process.communicate(timeout=60)
        assert "a lock on raw.loaded_files, held by a long report of role postgres" in told
        assert f"pg_terminate_backend({pid})" in told


def test_a_day_replaced_meanwhile_is_named_as_what_is_waited_for(session: connection, tmp_path: Path) -> None:
    parquet(tmp_path / "2026-01-05.parquet", 10)
    with closing(connect_as_administrator(session.info.dbname)) as holder, holder.cursor() as query:
        query.execute("set application_name to 'ingestion bulk-load 12345678'")
        query.execute("begin")
        lock_of_stream(query, REPLACE_DAY)
        with subprocess.Popen([COMMAND, "bulk-load", tmp_path], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            try:
                told = process.stderr.readline()
            finally:
                query.execute("commit")
                process.communicate(timeout=60)
    assert "a lock, held by ingestion bulk-load 12345678" in told


def test_a_database_from_before_knows_its_files(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those whose folders' columns were not read then, unless one of these is a field of a ride."""
    name = f"taxi_{secrets.token_hex(6)}"
    monkeypatch.setenv("PGDATABASE", name)
    bootstrap()
    try:
        migrate(migrations=[each for each in all_migrations() if each.number <= 12])
        files = [
            csv_file(tmp_path / "2026-01-05" / "region=eu" / "a.csv", "t0"),
            csv_file(tmp_path / "currency=EUR" / "b.csv", "t1"),
        ]
        with closing(connect_as_administrator(name)) as session, session.cursor() as query:
            for file, taxi, day in zip(files, ("t0", "t1"), (FIFTH, None), strict=True):
                key = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
                path = str(file.relative_to(tmp_path))
                query.execute(
                    'insert into raw.taxi_rides (taxi_id, topic, topic_id, "partition", "offset") '
                    "values (%s, %s, %s, 0, 0)",
                    (taxi, f"file:{path}", key),
                )
                query.execute(
                    "insert into raw.loaded_files (topic_id, path, day, bytes, rides, dead_letters, load_id) "
                    "values (%s, %s, %s, %s, 1, 0, gen_random_uuid())",
                    (key, path, day, file.stat().st_size),
                )
            migrate()
            report = bulk_load(tmp_path)
            assert (report.already_loaded, report.rows) == (1, 1)
            assert loaded(session, "taxi_id, currency", order="taxi_id, currency") == [
                ("t0", None),
                ("t1", "EUR"),
                ("t1", None),
            ]
            csv_file(files[0], "new")
            report = bulk_load(tmp_path, replace_day=FIFTH)
            assert report.replaced is not None
            assert report.replaced.rows == 1
            assert taxis(session) == ["new", "t1", "t1"]
    finally:
        with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
            query.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def test_retention_of_some_rows_retires_the_file(session: connection, tmp_path: Path) -> None:
    csv_file(tmp_path / "a.csv", "t1")
    bulk_load(tmp_path)
    assert delete_older_than(7)["raw.taxi_rides"] == 0
    with session.cursor() as query:
        query.execute("select retired_at from raw.loaded_files")
        assert query.fetchall() == [(None,)]
        query.execute("update raw.taxi_rides set loaded_at = %s", (datetime.now(UTC) - timedelta(days=9),))
        delete_older_than(7)
        query.execute("select retired_at is not null from raw.loaded_files")
        assert query.fetchall() == [(True,)]
