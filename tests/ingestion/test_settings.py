"""What the environment gives: an empty variable is none at all, and a front door on this machine is known as such."""

import pytest

from ingestion.errors import SettingsError
from ingestion.loader.source import Client, open_source
from ingestion.settings import DatabaseSettings, DyeKeys, FrontDoorSettings, KafkaSettings

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
    for name in ("DYE_KEY", "RIDES_API_KEY"):
        monkeypatch.setenv(name, "a secret of the tests")


def test_an_empty_variable_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPORT", "PGDATABASE", "DYE_KEY_OLD", "RIDES_API_URL", *OF_KAFKA):
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
        (FrontDoorSettings, "RIDES_API_KEY"),
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
    monkeypatch.setenv("RIDES_API_URL", url)
    assert FrontDoorSettings.from_environment().is_on_this_machine is here
