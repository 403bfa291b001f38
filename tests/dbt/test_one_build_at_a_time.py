"""Two dbt builds of one target at once: the second waits, says for whom, and no message is written twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import cursor

from tests.dbt.project import DbtProject, copy_of_project
from tests.dbt.test_incremental import add
from tests.ingestion.support import await_condition
from tests.services import connect_as_administrator, new_database

MESSAGES = 3000


@pytest.fixture(scope="module")
def projects(sandbox: object, tmp_path_factory: pytest.TempPathFactory) -> list[DbtProject]:
    """Two copies of the project, as on two machines."""
    return [copy_of_project(tmp_path_factory.mktemp(name)) for name in ("one", "two")]


@pytest.fixture
def query(sandbox: object) -> Iterator[cursor]:
    """A database with messages, of which nothing is built yet; as its administrator."""
    with new_database() as name, closing(connect_as_administrator(name)) as server, server.cursor() as opened:
        add(opened, {})
        opened.execute(
            "insert into raw.taxi_rides select * from jsonb_populate_recordset(null::raw.taxi_rides, (select"
            " jsonb_agg(to_jsonb(rides) || jsonb_build_object('offset', n, 'pax_id', n::text))"
            " from raw.taxi_rides as rides, generate_series(1, %s) as n))",
            (MESSAGES - 1,),
        )
        yield opened


def start(project: DbtProject, *arguments: str) -> "subprocess.Popen[str]":
    """Start dbt as people do, without waiting for its end."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments, "--profiles-dir", project.folder],
        cwd=project.folder,
        env={name: value for name, value in os.environ.items() if name != "DBT_PROJECT_DIR"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def under_way(query: cursor) -> list[str]:
    query.execute("select target from angiogram.builds_under_way")
    return [target for (target,) in query.fetchall()]


def staged(query: cursor) -> tuple[int, int]:
    query.execute("select count(*), count(distinct message_id) from staging.stg_taxi__rides")
    return query.fetchone() or (0, 0)


def waits(query: cursor, role: str = "dbt_prod") -> bool:
    query.execute(
        "select exists (select from pg_stat_activity where query like '%%select pg_sleep(1)%%' and usename = %s)",
        (role,),
    )
    return bool(query.fetchall()[0][0])


ONLY = ("--target", "prod", "--select", "+stg_taxi__rides")


@pytest.mark.parametrize("second", [(), ("--full-refresh",)], ids=["build", "full refresh"])
def test_the_second_build_waits_and_says_for_whom(
    projects: list[DbtProject], query: cursor, second: tuple[str, ...]
) -> None:
    """Also on an empty database, where dbt took for missing what the first one has made meanwhile."""
    with closing(connect_as_administrator()) as holder, holder.cursor() as lock:
        holder.autocommit = False
        lock.execute("lock table raw.taxi_rides in access exclusive mode")
        one = start(projects[0], "run", *ONLY)
        await_condition(lambda: under_way(query) == ["prod"], "the first build was noted")
        two = start(projects[1], "run", *ONLY, *second)
        await_condition(lambda: waits(query), "the second build waited")
        holder.rollback()
    first, output = one.communicate(timeout=120)[0], two.communicate(timeout=120)[0]
    assert (one.returncode, two.returncode) == (0, 0), first + output
    assert "Waiting for another build of target prod: `dbt run`, started by dbt_prod" in output
    assert "Waiting for another build" not in first
    assert staged(query) == (MESSAGES, MESSAGES)
    assert under_way(query) == []


def test_a_build_of_the_dye_by_hand_waits_for_one_in_airflow(projects: list[DbtProject], query: cursor) -> None:
    """Whoever builds, and whatever: each target is built by one at a time."""
    query.execute(
        "insert into angiogram.builds_under_way (pipeline, target, invocation_id, command)"
        " values ('taxi_angiogram', 'angiogram', 'that of Airflow', 'build')"  # this session is at work on it
    )
    by_hand = start(projects[0], "run", "--target", "angiogram", "--select", "dim_dates")
    with closing(connect_as_administrator()) as other, other.cursor() as beside:
        await_condition(lambda: waits(beside, "angiogram"), "the build by hand waited")
    query.execute("delete from angiogram.builds_under_way")
    output = by_hand.communicate(timeout=120)[0]
    assert by_hand.returncode == 0, output
    assert "Waiting for another build of target angiogram: `dbt build`, started by postgres" in output


def test_a_killed_build_is_not_waited_for(projects: list[DbtProject], query: cursor) -> None:
    """Once its last statement has ended, too."""
    with closing(connect_as_administrator()) as holder, holder.cursor() as lock:
        holder.autocommit = False
        lock.execute("lock table raw.taxi_rides in access exclusive mode")
        one = start(projects[0], "run", *ONLY)
        await_condition(lambda: under_way(query) == ["prod"], "the build was noted")
        os.kill(one.pid, signal.SIGKILL)
        one.communicate(timeout=60)
        holder.rollback()
    again = projects[1].run("run", *ONLY)
    assert again.exit_code == 0, again.output
    assert "has had no session for 5 s. If it has none for 15 s, it counts as killed." in again.output
    assert staged(query) == (MESSAGES, MESSAGES)
    assert under_way(query) == []
