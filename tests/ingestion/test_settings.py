"""What the environment gives: an empty variable is none at all, and a front door on this machine is known as such."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingestion.addresses import without_user_info
from ingestion.cli import app
from ingestion.errors import ContractUnusable, SettingsError
from ingestion.loader.reading.clients import Client, open_source
from ingestion.loader.run import load_until_caught_up
from ingestion.settings import (
    DatabaseSettings,
    DyeKeys,
    FrontDoorSettings,
    KafkaSettings,
    declared,
    role,
    role_password,
)
from taxi.contract import CONTRACT

OF_KAFKA = (
    "KAFKA_TOPIC",
    "KAFKA_PARTITIONS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SSL_CAFILE",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be set."""
    for name in ("PGHOST", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("DYE_KEY", "FRONT_DOOR_API_KEY"):
        monkeypatch.setenv(name, "a secret of the tests")


def test_an_empty_variable_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGDATABASE", "DYE_KEY_OLD", "FRONT_DOOR_URL", *OF_KAFKA):
        monkeypatch.setenv(name, "")
    database, kafka = DatabaseSettings.from_environment(), KafkaSettings.from_environment()
    assert (database.port, database.name) == (5432, "taxi")
    assert (kafka.topic, kafka.partitions, list(kafka.client_options())) == ("taxi_rides", 4, ["bootstrap_servers"])
    assert len(DyeKeys.from_environment().accepted()) == 1
    assert FrontDoorSettings.from_environment().url is None


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (DatabaseSettings, "PGHOST"),
        (KafkaSettings, "KAFKA_BOOTSTRAP_SERVERS"),
        (DyeKeys, "DYE_KEY"),
        (FrontDoorSettings, "FRONT_DOOR_API_KEY"),
    ],
)
def test_what_must_be_set_is_not_set_if_empty(
    monkeypatch: pytest.MonkeyPatch,
    settings: type[DatabaseSettings | KafkaSettings | DyeKeys | FrontDoorSettings],
    name: str,
) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(SettingsError, match=f"{name}: Field required"):
        settings.from_environment()


@pytest.mark.parametrize("protocol", ["ssl", "sasl_ssl", "Sasl_Plaintext", "PLAINTEXT"])
def test_the_protocol_of_kafka_is_one_in_any_case(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    """kafka-python takes what it does not know for PLAINTEXT, and with it what is not in capital letters."""
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", protocol)
    assert KafkaSettings.from_environment().client_options()["security_protocol"] == protocol.upper()


def test_a_protocol_that_kafka_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "tls")
    with pytest.raises(SettingsError, match=r"KAFKA_SECURITY_PROTOCOL: .*'SASL_SSL'"):
        KafkaSettings.from_environment()


def test_what_the_faster_client_refuses_is_a_fault_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROTOCOL": "SASL_PLAINTEXT", "MECHANISM": "PLAIN", "USERNAME": "loader"}.items():
        monkeypatch.setenv(f"KAFKA_{'SECURITY' if name == 'PROTOCOL' else 'SASL'}_{name}", value)
    with pytest.raises(SettingsError, match=r"sasl\.password must be set"):
        open_source(KafkaSettings.from_environment(), Client.CONFLUENT)


def test_another_key_than_that_of_the_fingerprint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that share a topic share the key; the fingerprint is compared before anything is loaded or sent."""
    shown = CliRunner().invoke(app, ["dye-key"], catch_exceptions=False).stdout.strip()
    assert shown
    assert DyeKeys.from_environment().accepted()[0].decode() not in shown
    monkeypatch.setenv("DYE_KEY_FINGERPRINT", shown)
    assert DyeKeys.from_environment().fingerprint == shown
    monkeypatch.setenv("DYE_KEY", "the key of another database")
    with pytest.raises(SettingsError, match=f"DYE_KEY_FINGERPRINT: .*is {shown}, but DYE_KEY has the fingerprint"):
        load_until_caught_up()


@pytest.mark.parametrize("name", ["DYE_KEY", "DYE_KEY_OLD"])
def test_no_key_of_the_dye_is_short(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whoever guesses one of them can hide rides from the live tables, the former one no less."""
    monkeypatch.setenv(name, "15 characters..")
    with pytest.raises(SettingsError, match=f"{name}: .*16"):
        DyeKeys.from_environment()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.0.1", True),
        ("http://[::1]:8000", True),
        ("http://LOCALHOST:8000", True),
        ("https://door.example", False),
        ("http://10.0.0.7", False),
        ("http://localhost.example", False),
        ("", False),
    ],
)
def test_a_front_door_on_this_machine_is_known(monkeypatch: pytest.MonkeyPatch, url: str, here: bool) -> None:
    monkeypatch.setenv("FRONT_DOOR_URL", url)
    assert FrontDoorSettings.from_environment().is_on_this_machine is here


@pytest.mark.parametrize(
    "key", ["schl\u00fcssel", "key-with-\udcff-byte", " a blank before", "a line end\n", "a\ttab in it"]
)
def test_a_key_that_no_header_takes_is_named(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("FRONT_DOOR_API_KEY", key)
    with pytest.raises(SettingsError, match=r"FRONT_DOOR_API_KEY: .*(printable ASCII|UTF-8)") as refused:
        FrontDoorSettings.from_environment()
    assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (DatabaseSettings, "PGHOST"),
        (DatabaseSettings, "PGDATABASE"),
        (KafkaSettings, "KAFKA_BOOTSTRAP_SERVERS"),
        (KafkaSettings, "KAFKA_SASL_PASSWORD"),
        (KafkaSettings, "KAFKA_SSL_CAFILE"),
        (DyeKeys, "DYE_KEY"),
        (DyeKeys, "DYE_KEY_OLD"),
        (FrontDoorSettings, "FRONT_DOOR_URL"),
    ],
)
def test_bytes_that_are_no_text_are_named(
    monkeypatch: pytest.MonkeyPatch,
    settings: type[DatabaseSettings | KafkaSettings | DyeKeys | FrontDoorSettings],
    name: str,
) -> None:
    """As a shell hands them on that has another encoding: Python makes a lone surrogate of each."""
    monkeypatch.setenv(name, "a secret of the tests \udcff")
    with pytest.raises(SettingsError, match=f"{name}: .*UTF-8"):
        settings.from_environment()


@pytest.mark.parametrize("role", CONTRACT.roles)
def test_a_password_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setenv(CONTRACT.roles[role].password_variable, "pass\udcffword")
    with pytest.raises(SettingsError, match=f"{CONTRACT.roles[role].password_variable}.*UTF-8"):
        role_password(role)


def test_keys_of_the_dye_may_hold_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """They sign, and never travel."""
    monkeypatch.setenv("DYE_KEY", "schl\u00fcssel des farbstoffs")
    assert DyeKeys.from_environment().accepted() == ["schl\u00fcssel des farbstoffs".encode()]


@pytest.mark.parametrize(
    "servers",
    [
        "localhost:port",
        "a..b:9092",
        ":9092",
        "localhost:0",
        "localhost:99999",
        "localhost:9092,",
        "me:secret@host:9092",
    ],
)
def test_servers_that_cannot_be_are_named(monkeypatch: pytest.MonkeyPatch, servers: str) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    with pytest.raises(SettingsError, match=r"KAFKA_BOOTSTRAP_SERVERS: .*host:port") as refused:
        KafkaSettings.from_environment()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "servers", ["localhost", "kafka-1:9092,kafka-2:9093", "[::1]:9092", "10.0.0.7:9092", "b\u00fccher:9092"]
)
def test_servers_that_can_be_are_taken(monkeypatch: pytest.MonkeyPatch, servers: str) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    assert KafkaSettings.from_environment().bootstrap_servers == servers


@pytest.mark.parametrize("topic", ["rides of today", "rides/2026", "x" * 250, "fahrt\u00fcbersicht"])
def test_a_topic_that_kafka_takes_by_no_name_is_named(monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
    monkeypatch.setenv("KAFKA_TOPIC", topic)
    with pytest.raises(SettingsError, match="KAFKA_TOPIC: "):
        KafkaSettings.from_environment()


@pytest.mark.parametrize("url", ["http://a..b", "http://door example", "http://door\n.example", "http://" + "x" * 64])
def test_a_front_door_that_no_client_reaches_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FRONT_DOOR_URL", url)
    with pytest.raises(SettingsError, match=r"FRONT_DOOR_URL: .*must be an address"):
        FrontDoorSettings.from_environment()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@door.example:8000/x", "https://door.example:8000/x"),
        ("https://me@door.example", "https://door.example"),
        ("https://:secret@door", "https://door"),
        ("https://me:p@ss@door/", "https://door/"),
        ("slack://token@channel and mailto://me:pw@mail.example", "slack://channel and mailto://mail.example"),
        ("http://door/a@b?mail=me@x.example", "http://door/a@b?mail=me@x.example"),
        ("write to me@mail.example", "write to me@mail.example"),
    ],
)
def test_no_address_is_shown_with_a_password(text: str, shown: str) -> None:
    assert without_user_info(text) == shown


@pytest.mark.parametrize(("name", "former"), CONTRACT.former_settings.items())
def test_a_former_name_is_read_with_a_warning_unless_todays_is_set(
    name: str, former: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    declared._warn.cache_clear()
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(former, "http://former.example")
    assert _value_of(name) == "http://former.example"
    assert f"{former} is now called {name}" in caplog.text
    monkeypatch.setenv(name, "http://today.example")
    assert _value_of(name) == "http://today.example"


def _value_of(name: str) -> str | None:
    """What a setting holds, by the variable that it is read from."""
    jobs = {role.password_variable: job for job, role in CONTRACT.roles.items()}
    if name in jobs:
        return role_password(jobs[name])
    with pytest.MonkeyPatch.context() as environment:
        if name != "FRONT_DOOR_API_KEY":
            environment.setenv("FRONT_DOOR_API_KEY", "a key that counts for nothing")
        settings = FrontDoorSettings.from_environment()
    return settings.url if name == "FRONT_DOOR_URL" else settings.api_key.get_secret_value()


def test_without_a_contract_the_roles_that_every_pipeline_has_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    assert role("angiogram").name == "angiogram"
    with pytest.raises(ContractUnusable, match=r"angiogram\.yml names no contract"):
        role("owner")
