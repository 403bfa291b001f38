"""The doctor finds nothing wrong with a sound pipeline, and names each thing that is, with what to do."""

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType
from psycopg2.extensions import connection

from angiogram.operate.doctor import Line, Mark, examine
from ingestion.front_door.server import serving
from ingestion.loader.run import load_until_caught_up
from ingestion.settings import KafkaSettings
from ingestion.topic.admin import MAX_MESSAGE_BYTES, open_admin
from tests.angiogram.conftest import Outcome
from tests.ingestion.support import Message, publish


def problems() -> list[Line]:
    """What the doctor finds wrong."""
    return [line for line in examine() if line.mark is Mark.PROBLEM]


def test_a_sound_pipeline_has_no_problem_and_exits_with_0(angiogram: Callable[..., Outcome]) -> None:
    outcome = angiogram("doctor")
    assert outcome.code == 0, outcome.stdout
    assert "✓ Kafka: the topic stamps the time of arrival (LogAppendTime)" in outcome.stdout
    assert "✗" not in outcome.stdout


def test_a_problem_exits_with_1_and_all_else_is_looked_at_too(angiogram: Callable[..., Outcome]) -> None:
    outcome = angiogram("doctor", "--json", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    lines = json.loads(outcome.stdout)
    assert outcome.code == 1
    assert [line["topic"] for line in lines if line["mark"] == "problem"] == ["Kafka"]
    assert {"PostgreSQL", "dbt", "dye"} <= {line["topic"] for line in lines}


def test_a_topic_that_keeps_the_senders_time_is_a_problem(pipeline: None, fresh_topic: str) -> None:
    settings = KafkaSettings.from_environment()
    resource = ConfigResource(
        ConfigResourceType.TOPIC, fresh_topic, {"message.timestamp.type": "CreateTime", "max.message.bytes": "1000"}
    )
    with closing(open_admin(settings)) as admin:
        admin.alter_configs([resource])
    found = [line.text for line in problems()]
    assert len(found) == 2
    assert "CreateTime" in found[0]
    assert "1000 bytes" in found[1]


def test_a_topic_whose_settings_lose_messages_is_a_problem(pipeline: None, fresh_topic: str) -> None:
    """Compaction keeps one message of each key, and many rows share a key."""
    resource = ConfigResource(
        ConfigResourceType.TOPIC,
        fresh_topic,
        {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        | {"cleanup.policy": "compact", "unclean.leader.election.enable": "true"},
    )
    with closing(open_admin(KafkaSettings.from_environment())) as admin:
        admin.alter_configs([resource])
    found = [line.text for line in problems()]
    assert len(found) == 2
    assert "cleanup.policy compact: Kafka deletes all messages of a key but the newest" in found[0]
    assert "unclean.leader.election.enable true" in found[1]


def test_keys_on_two_partitions_are_named(pipeline: None, fresh_database: str, fresh_topic: str) -> None:
    publish(Message(key=b"t1", partition=partition) for partition in (1, 2))
    load_until_caught_up()
    (found,) = [line for line in examine() if line.topic == "keys"]
    assert found.mark is Mark.NOTE
    assert "1 values of the key taxi_id have messages on more than one partition: t1 (partitions 1, 2)" in found.text


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("grant select on raw.taxi_rides to taxi_loader", "taxi_loader must not have select on raw.taxi_rides"),
        ("revoke insert on angiogram.alerts from angiogram", "angiogram is missing insert on angiogram.alerts"),
        ("delete from raw.schema_migrations where number = 3", "0003_alerts"),
    ],
    ids=["too much", "too little", "migration"],
)
def test_wrong_rights_and_missing_migrations_are_problems(
    pipeline: None, fresh_database: str, connect_as: Callable[..., connection], statement: str, word: str
) -> None:
    with connect_as("owner").cursor() as query:
        query.execute(statement)
    (found,) = problems()
    assert found.topic == "PostgreSQL"
    assert word in found.text


def test_a_loader_with_another_key_is_a_problem(
    pipeline: None, fresh_database: str, connect_as: Callable[..., connection]
) -> None:
    with connect_as("loader").cursor() as query:
        query.execute(
            "insert into raw.loaders (loader_id, host, pid, backend_pid, mode, key_fingerprints)"
            " values (gen_random_uuid(), 'elsewhere', 1, 1, 'until_caught_up', %s)",
            (["0123456789abcdef"],),
        )
    (found,) = problems()
    assert "0123456789abcdef" in found.text
    assert os.environ["DYE_KEY"] not in found.text


def test_a_wrong_password_is_a_problem_of_that_role_alone(pipeline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARTS_READER_PASSWORD", "not-the-one")
    (found,) = problems()
    assert "marts_reader" in found.text
    assert "not-the-one" not in found.text


def test_a_front_door_that_does_not_answer_is_a_problem(pipeline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONT_DOOR_URL", "http://127.0.0.1:1")
    (found,) = problems()
    assert (found.topic, "ingestion api" in found.text) == ("front door", True)


def test_a_front_door_on_this_machine_is_asked_past_any_proxy(pipeline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with serving() as url:
        monkeypatch.setenv("FRONT_DOOR_URL", url)
        assert not problems()


def test_a_model_not_yet_watched_is_worth_knowing_and_no_problem(
    pipeline: None, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project_copy / "models" / "facts" / "fct_new.sql").write_text("select 1 as one", encoding="utf-8")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project_copy))
    # What makes no table need not be compared.
    (project_copy / "models" / "facts" / "fct_between.sql").write_text(
        "{{ config(materialized='ephemeral') }} select 1 as one", encoding="utf-8"
    )
    lines = list(examine())
    assert not [line for line in lines if line.mark is Mark.PROBLEM]
    (found,) = [line for line in lines if "not yet watched" in line.text]
    assert (found.mark, "fct_new" in found.text) == (Mark.NOTE, True)
    assert "fct_between" not in found.text


@pytest.mark.parametrize(("from_where", "mark"), [("stand-in 1", Mark.NOTE), ("hub 1", Mark.OK)])
def test_it_tells_where_the_dbt_packages_come_from(
    pipeline: None, project_copy: Path, monkeypatch: pytest.MonkeyPatch, from_where: str, mark: Mark
) -> None:
    (project_copy / "dbt_packages" / "dbt_utils" / ".installed").write_text(from_where, encoding="utf-8")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(project_copy))
    (found,) = [line for line in examine() if line.topic == "dbt" and "dbt_utils" in line.text]
    assert found.mark is mark
    assert ("stand-in" in found.text) == (mark is Mark.NOTE)


def test_dye_seeds_that_are_enabled_elsewhere_are_a_problem_and_so_is_one_that_is_not_where_it_belongs(
    pipeline: None, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `+enabled` comes out for each target of the profile, whatever the text of dbt_project.yml looks like."""
    for name in ("DBT_PROJECT_DIR", "DBT_PROFILES_DIR"):
        monkeypatch.setenv(name, str(project_copy))
    settings, profiles = project_copy / "dbt_project.yml", project_copy / "profiles.yml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("dye_targets: [angiogram, duckdb]", "dye_targets: [angiogram, duckdb, ci_dye, no_such]")
    off = "+enabled: \"{{ target.name in ['angiogram', 'duckdb'] }}\""
    assert off in text
    for_dev = off.replace("'duckdb'", "'duckdb', 'ci_dye', 'dev'")
    text = text.replace(off, off.replace("'duckdb'", "'duckdb', 'ci_dye'"))
    text = text.replace("        expected__car_models:\n", f"        expected__car_models:\n          {for_dev}\n")
    text = text.replace("        dye_malformed:\n", f"        dye_malformed:\n          {off}\n")
    text = text.replace("        dye_rides:\n", "        dye_rides:\n          +meta: {dye: false}\n")
    settings.write_text(text, encoding="utf-8")
    ci_dye = "    ci_dye: {<<: *postgres, schema: ci_dye_staging, user: angiogram, password: x}\n"
    profiles.write_text(profiles.read_text(encoding="utf-8") + ci_dye, encoding="utf-8")
    found = [line.text for line in problems() if line.topic == "dye targets"]
    assert len(found) == 4, found
    assert found[0].startswith("the variable dye_targets names no_such, which the profile does not have")
    assert found[1].startswith("the contract names dye_rides as dye, but dbt takes it for reference data: put its file")
    assert found[2].startswith("expected__car_models is enabled under target dev, which is not a dye target")
    assert found[3].startswith("dye_malformed is disabled under the dye target ci_dye")


def test_packages_that_are_not_installed_are_a_problem(pipeline: None, angiogram: Callable[..., Outcome]) -> None:
    project = os.environ["DBT_PROJECT_DIR"]
    outcome = angiogram("doctor", DBT_PROJECT_DIR=str(Path(project) / "models"))
    assert outcome.code == 1
    assert "DBT_PROJECT_DIR" in outcome.stdout
