"""A user and a password in an address are used, and neither printed nor kept."""

import os
import secrets
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import Json

from angiogram.core.errors import InjectFailed
from angiogram.dye.inject import front_door, send
from angiogram.dye.messages import read_whole_dye
from angiogram.operate import alert
from angiogram.report.pages.run_page import _docs
from angiogram.run import before_dbt, steps
from ingestion.database.roles import bootstrap
from ingestion.front_door.server import serving
from ingestion.migrations import all_migrations, migrate
from ingestion.topic.producer import MessageProducer
from sandbox import jars
from sandbox.errors import JarsUnavailable
from sandbox.services import Sandbox
from tests.angiogram.conftest import Outcome
from tests.services import connect_as_administrator

SECRET = "pass-of-the-door"  # noqa: S105  # no real one


def with_secret(url: str) -> str:
    return url.replace("://", f"://me:{SECRET}@")


def test_a_run_keeps_no_password_of_the_front_door(
    pipeline: None, fresh_topic: str, connect_as: Callable[..., connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers of the marts read the runs, too."""
    with serving() as url:
        monkeypatch.setenv("FRONT_DOOR_URL", with_secret(url))
        run_id = steps.begin(lease=600)
        try:
            assert before_dbt.inject(run_id)["front_door"] == url
        finally:
            steps.finish(run_id)
    with connect_as("marts_reader", os.environ["PGDATABASE"]).cursor() as query:
        query.execute("select steps::text from angiogram.runs where run_id = %s", (run_id,))
        ((report,),) = query.fetchall()
    assert url in report
    assert SECRET not in report


def test_a_front_door_that_is_away_is_named_without_its_password(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONT_DOOR_URL", with_secret("http://127.0.0.1:1"))
    with front_door() as (client, _), MessageProducer() as publisher, pytest.raises(InjectFailed) as failed:
        send("run-1", read_whole_dye()[:1], client, publisher, [0], b"a key of the tests")
    assert "http://127.0.0.1:1" in str(failed.value)
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("command", ["doctor", "run"])
def test_no_command_prints_a_password(
    angiogram: Callable[..., Outcome], fresh_database: str, fresh_topic: str, command: str
) -> None:
    address = with_secret("http://127.0.0.1:1")
    done = angiogram(
        command,
        FRONT_DOOR_URL=address,
        ANGIOGRAM_REPORT_URL=address,
        ANGIOGRAM_DOCS_URL=address,
        ANGIOGRAM_ALERT_URLS=address.replace("http", "json"),
    )
    assert done.code != 0
    assert "http://127.0.0.1:1" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("key", ["schlüssel-der-tür", "key-of-the-door\n"])
def test_a_key_that_no_header_takes_is_told_by_doctor_and_run(
    angiogram: Callable[..., Outcome], fresh_database: str, fresh_topic: str, key: str
) -> None:
    for command in ("doctor", "run"):
        done = angiogram(command, FRONT_DOOR_API_KEY=key)
        assert done.code in (1, 2)
        assert "FRONT_DOOR_API_KEY: Value error, must be printable ASCII" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_links_of_alerts_and_pages_carry_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANGIOGRAM_REPORT_URL", with_secret("https://pages.example/runs/"))
    monkeypatch.setenv("ANGIOGRAM_DOCS_URL", with_secret("https://docs.example/"))
    assert alert.link("run-1") == "https://pages.example/runs/run-1.html"
    docs = _docs(None)
    assert docs is not None
    assert SECRET not in repr(docs)
    assert "https://docs.example/" in repr(docs)


def test_a_mirror_that_is_away_is_named_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("SANDBOX_MAVEN_MIRROR", with_secret("http://127.0.0.1:1/maven"))
    with pytest.raises(JarsUnavailable) as failed:
        jars.kafka_jars()
    assert "http://127.0.0.1:1/maven" in str(failed.value)
    assert SECRET not in str(failed.value)


def test_what_was_kept_with_a_password_is_mended_by_the_migration(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"taxi_{secrets.token_hex(6)}"
    monkeypatch.setenv("PGDATABASE", name)
    bootstrap()
    try:
        migrate(migrations=[each for each in all_migrations() if each.number < NO_USER_INFO])
        kept = {"steps": {"inject": {"front_door": with_secret("http://door:8000"), "note": "me@mail.example"}}}
        with closing(connect_as_administrator(name)) as session, session.cursor() as query:
            query.execute(
                "insert into angiogram.runs (run_id, report, in_hand, started_at) values ('run-1', %s, false, now())",
                (Json(kept),),
            )
            query.execute(
                "insert into angiogram.alerts (run_id, verdict, blockage, state, message) "
                "values ('run-1', 'blocked', '[]', 'sent', %s)",
                (f"blocked\n{with_secret('https://pages.example')}/run-1.html",),
            )
            migrate()
            query.execute("select report, steps from angiogram.runs")
            assert query.fetchall() == [({}, {"inject": MENDED})]
            query.execute("select message from angiogram.alerts")
            assert query.fetchall() == [("blocked\nhttps://pages.example/run-1.html",)]
    finally:
        with closing(connect_as_administrator("postgres")) as server, server.cursor() as query:
            query.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


NO_USER_INFO = next(each.number for each in all_migrations() if each.name == "no_user_info")
MENDED = {"front_door": "http://door:8000", "note": "me@mail.example"}
